//! The pages of `docs/reference`, which are written by the code: a test fails when one has drifted,
//! and `UPDATE_DOCS=1` writes it anew.

mod commands;
mod metrics;
mod scenario;
mod troubleshooting;

use std::{fs, path::PathBuf};

use dst_load_controller::exit::Exit;

const GENERATED: &str =
    "<!-- Written by the code; `UPDATE_DOCS=1 cargo test --test repository` writes it anew. -->";

/// Holds a page of the book to what the code says.
fn page(name: &str, title: &str, body: &str) {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/reference")
        .join(name);
    let text = format!("# {title}\n\n{GENERATED}\n\n{}\n", body.trim_end());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, &text).unwrap();
    }
    let there = fs::read_to_string(&place).unwrap_or_default();
    assert!(
        there == text,
        "docs/reference/{name} has drifted: run this test with UPDATE_DOCS=1"
    );
}

/// Text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// What each code means is what its variant says.
#[test]
fn exit_codes() {
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/exit.rs")).unwrap();
    let codes = [
        Exit::Pass,
        Exit::Broken,
        Exit::Usage,
        Exit::Failed,
        Exit::Invalid,
        Exit::Interrupted,
    ]
    .map(Exit::code);
    let mut rows = String::from("| Code | Meaning |\n|---|---|\n");
    for code in codes {
        let start = format!("/// {code}: ");
        let line = source
            .lines()
            .find_map(|line| line.trim().strip_prefix(&start));
        let meaning = line.unwrap_or_else(|| panic!("exit.rs says nothing of {code}"));
        let (first, rest) = meaning.split_at(1);
        rows.push_str(&format!(
            "| {code} | {}{} |\n",
            first.to_uppercase(),
            cell(rest)
        ));
    }
    let body = format!(
        "These are the tool's exit codes; scripts may rely on them. `run`, `client`, `ab` and `compare` exit with the verdict that\n\
         they print, `client` also on SIGTERM. Commands without a verdict exit with 0, 1 or 2; `churn` and `sandbox` exit with 0 on SIGTERM.\n\n{rows}"
    );
    page("exit-codes.md", "Exit codes", &body);
}
