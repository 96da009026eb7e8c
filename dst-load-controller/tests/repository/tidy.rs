//! Tests the code itself: what the compiler does not hold it to, and a reader relies on.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use dst_load_controller::cli::parse;
use dst_load_scenario::scenario::BUILT_IN;

/// The crates that only think: no clock, no waiting, no sockets. What they must not ask the system for is
/// below; what they must not depend on is in `tests/repository/rings.rs`.
const PURE: [&str; 4] = ["oracle", "recording", "report", "scenario"];

/// What pure crates must not ask the system for: time, threads, sockets, files.
const SYSTEM: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "time::Instant",
    "time::SystemTime",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// All files below `folder`, relative to the repository, sorted.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&name));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// All Rust files of the tool.
fn sources() -> Vec<String> {
    let mut found = files("dst-load-controller/src");
    found.extend(files("dst-load-controller/tests"));
    found.extend(files("crates"));
    found.push("dst-load-controller/build.rs".to_owned());
    found.retain(|name| name.ends_with(".rs"));
    assert!(found.len() > 100, "{found:?}");
    found
}

/// The crate below `crates/` that a file is of.
fn room(name: &str) -> Option<&str> {
    Some(name.strip_prefix("crates/")?.split_once('/')?.0)
}

/// The code of a file, without its comments.
fn code(name: &str) -> String {
    let lines = read(name);
    let lines = lines.lines().map(|line| match line.find("//") {
        // Not in a URL.
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn pure_crates_ask_the_system_for_nothing() {
    let mut wrong = Vec::new();
    for name in sources() {
        let pure = room(&name).is_some_and(|it| PURE.contains(&it));
        // What tests of several crates share may read files.
        if !pure || name.contains("/tests") || name.ends_with("/published.rs") {
            continue;
        }
        // Below this come inline tests, which may write files.
        let code = code(&name);
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for asked in SYSTEM.iter().filter(|asked| code.contains(**asked)) {
            wrong.push(format!("{name}: {asked}"));
        }
        if code.contains("async ") || code.contains(".await") {
            wrong.push(format!("{name}: waits"));
        }
    }
    assert_eq!(wrong, [] as [&str; 0]);
}

#[test]
fn a_file_says_what_it_is_for() {
    let mute = |name: &String| !read(name).starts_with("//! ");
    let mute: Vec<_> = sources().into_iter().filter(mute).collect();
    assert_eq!(mute, [] as [&str; 0]);
}

#[test]
fn a_module_is_named_for_what_it_holds() {
    let vague = |name: &String| {
        let file = Path::new(name).file_stem().unwrap().to_str().unwrap();
        file == "mod" || file.starts_with("util") || name.contains("/util")
    };
    let vague: Vec<_> = sources().into_iter().filter(vague).collect();
    assert_eq!(vague, [] as [&str; 0]);
}

#[test]
fn nothing_is_marked_as_unfinished() {
    // In pieces, so that this file passes.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
    ];
    let mut found = sources();
    found.extend(files("values"));
    found.extend(files("docs"));
    found.extend(["README.md", "Cargo.toml", "justfile", ".ci/run"].map(str::to_owned));
    // What is no text.
    found.retain(|name| !name.ends_with(".png") && !name.ends_with(".gz"));
    found.retain(|name| marks.iter().any(|mark| read(name).contains(mark)));
    assert_eq!(found, [] as [&str; 0]);
}

#[test]
fn the_readme_has_every_exit_code_and_no_other() {
    let code = code("dst-load-controller/src/exit.rs");
    let codes = code.lines().filter_map(|line| {
        let (variant, code) = line.split_once("=>")?;
        variant.trim().starts_with("Self::").then_some(())?;
        code.trim().trim_end_matches(',').parse::<u8>().ok()
    });
    let codes: BTreeSet<_> = codes.collect();
    assert!(codes.contains(&0) && codes.contains(&130), "{codes:?}");

    let readme = read("README.md");
    let (_, table) = readme.split_once("## Exit codes").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| {
        let cell = line.strip_prefix("| ")?.split(' ').next()?;
        cell.parse::<u8>().ok()
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), codes);
}

#[test]
fn the_readme_has_every_command_and_no_other() {
    let command = parse::command();
    let commands: BTreeSet<_> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name())
        .collect();

    let readme = read("README.md");
    let (_, table) = readme.split_once("## Commands").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| {
        let cell = line.strip_prefix("| `")?;
        cell.split([' ', '`']).next()
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), commands);
}

/// Whether the code makes a `Warning::NAME`, and does not only match one.
fn makes(code: &str, name: &str) -> bool {
    let of = format!("Warning::{name}");
    code.match_indices(&of).any(|(at, _)| {
        let rest = &code[at + of.len()..];
        if rest.starts_with(|next: char| next.is_alphanumeric() || next == '_') {
            return false;
        }
        let (fields, after) = match rest.trim_start().strip_prefix('{') {
            Some(block) => {
                let mut depth = 1;
                let end = block.find(|letter| {
                    depth += i32::from(letter == '{') - i32::from(letter == '}');
                    depth == 0
                });
                block.split_at(end.unwrap_or(block.len()))
            }
            None => ("", rest),
        };
        let after = after.trim_start_matches('}').trim_start();
        let matched = ["=>", "=", "|", "if "]
            .iter()
            .any(|it| after.starts_with(it));
        !matched && !fields.trim_end().ends_with("..")
    })
}

#[test]
fn every_warning_is_documented_and_made_somewhere() {
    let text = code("crates/recording/src/warning.rs");
    let (_, list) = text.split_once("pub enum Warning {").unwrap();
    let (list, _) = list.split_once("\n}").unwrap();
    let variants: BTreeSet<_> = list
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([' ', '{', ',']))
        .collect();
    let kind = |variant: &str| {
        let mut kind = String::new();
        for letter in variant.chars() {
            if letter.is_ascii_uppercase() && !kind.is_empty() {
                kind.push('_');
            }
            kind.push(letter.to_ascii_lowercase());
        }
        kind
    };
    let page = read("docs/troubleshooting.md");
    let documented: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.split_once("` | warning `"))
        .filter_map(|(_, rest)| Some(rest.split_once('`')?.0.to_owned()))
        .collect();
    let kinds: BTreeSet<_> = variants.iter().map(|it| kind(it)).collect();
    assert_eq!(documented, kinds, "docs/troubleshooting.md");
    let sources: Vec<_> = sources()
        .into_iter()
        .filter(|file| !file.contains("/tests"))
        .map(|file| code(&file))
        .collect();
    for variant in variants {
        let made = sources.iter().any(|code| makes(code, variant));
        assert!(made, "nothing makes the warning {variant}");
    }
}

#[test]
fn every_shipped_scenario_is_built_in() {
    let shipped: BTreeSet<_> = files("values/scenarios").into_iter().collect();
    let built_in = BUILT_IN.map(|(name, text)| {
        let file = format!("values/scenarios/{name}.yaml");
        assert_eq!(read(&file), text, "{file}");
        file
    });
    assert_eq!(shipped, BTreeSet::from(built_in));
}

#[test]
fn every_built_in_scenario_is_named_in_the_readme_and_in_the_help() {
    let (readme, help) = (
        read("README.md"),
        read("dst-load-controller/src/cli/scenario.rs"),
    );
    for (name, _) in BUILT_IN {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
        assert!(help.contains(name), "{name}");
    }
}

#[test]
fn the_architecture_has_every_module_of_every_crate() {
    let page = read("docs/architecture.md");
    for library in files("crates") {
        let Some(room) = room(&library).filter(|_| library.ends_with("/src/lib.rs")) else {
            continue;
        };
        for line in code(&library).lines() {
            let Some(module) = line.strip_prefix("pub mod ") else {
                continue;
            };
            let module = module.trim_end_matches(';');
            // Of tests alone.
            if ["mock", "published"].contains(&module) {
                continue;
            }
            let path = format!("`{room}::{module}`");
            assert!(
                page.contains(&path),
                "{path} is not in docs/architecture.md"
            );
        }
    }
}

#[test]
fn every_page_that_the_documents_lead_to_is_there() {
    for page in ["README.md", "docs/architecture.md"] {
        let folder = Path::new(page).parent().unwrap();
        let text = read(page);
        let links = text.split("](").skip(1);
        let links = links.filter_map(|link| link.split(')').next());
        let pictures = ["src=\"", "srcset=\""].map(|name| text.split(name).skip(1));
        let pictures = pictures.into_iter().flatten();
        for link in links.chain(pictures.filter_map(|it| it.split('"').next())) {
            if link.starts_with("http") {
                continue;
            }
            // hack/docs-test looks the heading up.
            let file = link.split('#').next().unwrap();
            let target = root().join(folder).join(file);
            assert!(target.exists(), "{page} leads to {link}");
        }
    }
}
