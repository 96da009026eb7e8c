//! Messages as the source has them: those that want more to be provoked than a test should need,
//! and those that nothing else here prints and that want a row all the same.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

use super::{Message, Place};

/// How the literal begins, and where it is.
const LITERALS: [(Place, &str, &str); 13] = [
    (
        Place::Error,
        "{} stands for {} of",
        "dst-load-controller/src/cli/client/linked.rs",
    ),
    (
        Place::Error,
        "{} is of the cluster {}",
        "dst-load-controller/src/cli/client/linked.rs",
    ),
    (
        Place::Error,
        "--observe-context names {}, and no",
        "dst-load-controller/src/cli/client/linked.rs",
    ),
    (
        Place::Error,
        "the list has {0} bytes",
        "dst-load-controller/src/cli/client/targets.rs",
    ),
    (
        Place::Error,
        "{name} is a pipe",
        "dst-load-controller/src/cli/scenario.rs",
    ),
    (
        Place::Error,
        "--destination names {} addresses",
        "dst-load-controller/src/cli/forward.rs",
    ),
    (
        Place::Error,
        "a key has {length} bytes",
        "crates/scenario/src/scenario/file/tree.rs",
    ),
    (
        Place::Error,
        "not over after ",
        "dst-load-controller/src/cli/report/from_pods.rs",
    ),
    (
        Place::Error,
        "{remaining} objects are still",
        "dst-load-controller/src/cli/cleanup.rs",
    ),
    (
        Place::Check,
        "has a connection for each client",
        "crates/session/src/check/destination.rs",
    ),
    (
        Place::Error,
        "cleanup failed",
        "dst-load-controller/src/cli/churn/act.rs",
    ),
    (
        Place::Error,
        "the sandbox exited before",
        "dst-load-controller/src/cli/process/sandbox.rs",
    ),
    (
        Place::Verdict,
        "the recording does not add up",
        "crates/recording/src/statistics/merged.rs",
    ),
];

/// A string literal.
const LITERAL: &str = r#""((?:[^"\\]|\\.)*)""#;

/// What is said of a criterion that is unjudged, and never a reason of a verdict.
const NO_REASONS: [&str; 3] = [
    "latency through a port-forward is the forward's too",
    "the target's cost is not judged in virtual time or on the reference destination",
    "no reason given",
];

/// Usage errors that something else is said instead of.
const NO_ERRORS: [&str; 5] = [
    "--destination: no address",
    "no destination is given; add --destination HOST:PORT, or --destination-pod POD",
    // What has none is refused as it is read.
    "the recording has no header",
    "the recordings have no header",
    // A run goes on without its floor.
    "the machine is too busy: the observer was behind the stream nearly every time",
];

/// What is printed, as far as only the source says it.
pub(super) fn all() -> Vec<Message> {
    let all = LITERALS.iter();
    let message = |(place, start, file): &(Place, &str, &str)| {
        let literals = literals(&code(&in_source(file)), LITERAL);
        let found = literals.iter().find(|it| it.starts_with(start));
        let found = found.unwrap_or_else(|| panic!("{file}: no \"{start}"));
        Message::new(place.clone(), filled(found))
    };
    all.map(message).collect()
}

/// What wants a row, whether it is printed here or not: usage errors and claims of `check`.
pub(super) fn wanted() -> Vec<Message> {
    let refused = format!(r"(?:UsageError|bail!)\(\s*(?:format!\(\s*)?{LITERAL}");
    let claimed = format!(r"findings\.push\(\s*[^,]+,\s*{LITERAL}");
    let of_another = Regex::new(r"^(\{[^}]*\}|--[a-z-]+|\W)*$").unwrap();
    let mut all = Vec::new();
    for (folder, pattern, place) in [
        ("dst-load-controller/src/cli", refused, Place::Error),
        ("crates/session/src/check", claimed.clone(), Place::Check),
        ("crates/session/src/check.rs", claimed, Place::Check),
    ] {
        let before = all.len();
        for file in files(&in_source(folder)) {
            let found = literals(&code(&file), &pattern).into_iter();
            // What says no more than where another error came from.
            let found = found.filter(|it| !of_another.is_match(it));
            let found = found.filter(|it| !NO_ERRORS.contains(&it.as_str()));
            all.extend(found.map(|it| Message::new(place.clone(), filled(&it))));
        }
        assert!(all.len() > before, "{folder} has no messages");
    }
    all
}

/// Parts of a verdict's reasons that none of `printed` has.
pub(super) fn unprinted_reasons(printed: &[Message]) -> Vec<String> {
    // Why a criterion is unjudged, advice, lints, and singular and plural.
    let others = format!(
        r"(?s)(?:short: |reason = |Advice::Words\(\s*){LITERAL}|,\s*{LITERAL},\s*{LITERAL},?\s*\)"
    );
    let others = Regex::new(&others).unwrap();
    let reasons = printed.iter().filter(|it| it.place == Place::Verdict);
    let reasons: Vec<_> = reasons.map(|it| &it.text).collect();
    let place = Regex::new(r"\{[^}]*\}").unwrap();
    let mut missing = Vec::new();
    for file in files(&in_source("crates/report/src/verdict")) {
        let code = code(&file);
        let code = others.replace_all(&code, "");
        for literal in literals(&code, LITERAL) {
            let mut parts = place
                .split(&literal)
                .filter(|part| part.trim().contains(' '));
            let known = parts.all(|part| reasons.iter().any(|it| it.contains(part)));
            if !known && !NO_REASONS.contains(&literal.as_str()) {
                missing.push(format!(
                    "{}: no verdict here says: {literal}",
                    file.display()
                ));
            }
        }
    }
    missing
}

fn in_source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A file, or all below a folder but tests.
fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|it| it.to_str()).unwrap();
    if name.starts_with("tests") {
        return Vec::new();
    }
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap();
    entries.flat_map(|it| files(&it.unwrap().path())).collect()
}

/// A file without its comments and its tests.
fn code(file: &Path) -> String {
    let source = fs::read_to_string(file).unwrap();
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What `pattern` captures, as the compiler reads it.
fn literals(code: &str, pattern: &str) -> Vec<String> {
    let pattern = Regex::new(&format!("(?s){pattern}")).unwrap();
    let joined = Regex::new(r"\\\n\s*").unwrap();
    let found = pattern.captures_iter(code).map(|it| it[1].to_owned());
    found
        .map(|it| {
            joined
                .replace_all(&it, "")
                .replace("\\\"", "\"")
                .replace("\\n", "\n")
        })
        .collect()
}

/// With something in each place of the format.
fn filled(literal: &str) -> String {
    let quoted = Regex::new(r"\{[^}]*:\?\}")
        .unwrap()
        .replace_all(literal, "\"9\"");
    Regex::new(r"\{[^}]*\}")
        .unwrap()
        .replace_all(&quoted, "9")
        .into_owned()
}
