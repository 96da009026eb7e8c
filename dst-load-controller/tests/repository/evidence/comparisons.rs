//! The comparisons of `docs/evidence/builds`: each is what the recordings beside it give.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Comparisons whose recordings are still to be made; nothing is put on this list.
const WITHOUT_RECORDINGS: [&str; 2] = ["pointer", "shared-state"];

/// The forms of a comparison, and the file of each.
const FORMS: [(&str, &str); 2] = [("json", "comparison.json"), ("markdown", "comparison.md")];

/// What `compare` says now, by the command that the comparison itself names.
fn made_again(folder: &Path, comparison: &Value, form: &str) -> String {
    let words = shlex::split(comparison["repeat"].as_str().unwrap()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dst-load-controller"))
        .env_clear()
        .current_dir(folder)
        .args(&words[1..])
        .args(["--output", form])
        .output()
        .unwrap();
    // 3: a regression.
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{words:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The same without the build of the tool, which each of them has another one of.
fn without_tool(text: &str, form: &str) -> String {
    if form != "json" {
        return text.to_owned();
    }
    let mut comparison: Value = serde_json::from_str(text).unwrap();
    comparison["tool"].take();
    comparison.to_string()
}

fn differences(folder: &Path, name: &str, update: bool) -> Vec<String> {
    let mut found = Vec::new();
    let path = |file: &str| -> PathBuf { folder.join(name).join(file) };
    let text = fs::read_to_string(path("comparison.json")).unwrap();
    let comparison: Value = serde_json::from_str(&text).unwrap();
    for (form, file) in FORMS {
        let again = made_again(folder, &comparison, form);
        if update {
            fs::write(path(file), &again).unwrap();
        }
        let there = fs::read_to_string(path(file)).unwrap();
        if without_tool(&there, form) != without_tool(&again, form) {
            found.push(format!("{name}/{file}"));
        }
    }
    found
}

#[test]
fn comparisons_are_those_of_the_recordings_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/evidence/builds");
    let update = env::var_os("UPDATE_DOCS").is_some();
    let entries = fs::read_dir(&folder).unwrap().map(|it| it.unwrap());
    let mut names: Vec<_> = entries
        .filter(|it| it.path().join("comparison.json").exists())
        .map(|it| it.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no comparison is in it");
    let mut differ = Vec::new();
    for name in &names {
        let has_recordings = folder.join(name).join("baseline").exists();
        let is_listed = WITHOUT_RECORDINGS.contains(&name.as_str());
        assert_ne!(has_recordings, is_listed, "{name}: WITHOUT_RECORDINGS");
        if has_recordings {
            differ.extend(differences(&folder, name, update));
        }
    }
    assert!(
        differ.is_empty(),
        "not what its recordings give: {differ:?}; run this test with UPDATE_DOCS=1"
    );
}
