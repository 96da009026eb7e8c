//! Tests which crates and which modules of the commands know which: one direction, as
//! `docs/architecture.md` has it.
//!
//! A crate cannot name what is not in its dependencies, however far down; so these tests read the graph
//! that cargo resolved, without what only tests use.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;
use serde_json::Value;

/// What waits, or reaches a system outside the process.
const OUTSIDE: [&str; 6] = ["h2", "hyper", "kube", "k8s-openapi", "tokio", "tonic"];

/// For each crate, all that it may know of the tool's crates.
const ROOMS: [(&str, &[&str]); 9] = [
    ("scenario", &[]),
    ("oracle", &["scenario"]),
    ("recording", &["scenario", "oracle"]),
    ("report", &["scenario", "oracle", "recording"]),
    ("transport", &["scenario"]),
    (
        "kubernetes",
        &["scenario", "oracle", "recording", "transport"],
    ),
    (
        "destination",
        &["scenario", "oracle", "recording", "transport"],
    ),
    (
        "session",
        &[
            "scenario",
            "oracle",
            "recording",
            "report",
            "transport",
            "kubernetes",
            "destination",
        ],
    ),
    // No oracle: code that both shared would hide what both had wrong.
    ("sandbox", &["scenario", "transport"]),
];

/// The packages that cargo resolved: for each, those it depends on, tests aside.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--locked"])
        // What only other systems need may never have been downloaded.
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<_, _> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in nodes {
        let known = graph.entry(names[&text(&node["id"])].clone()).or_default();
        for dependency in node["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            if kinds.iter().any(|kind| kind["kind"].is_null()) {
                known.insert(names[&text(&dependency["pkg"])].clone());
            }
        }
    }
    graph
}

/// All that a package depends on, directly or not.
fn reached(graph: &BTreeMap<String, BTreeSet<String>>, package: &str) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![package.to_owned()]);
    while let Some(package) = next.pop() {
        for known in graph.get(&package).into_iter().flatten() {
            if reached.insert(known.clone()) {
                next.push(known.clone());
            }
        }
    }
    reached
}

#[test]
fn each_crate_knows_only_inward() {
    let graph = graph();
    for (room, inner) in ROOMS {
        let known = reached(&graph, &format!("dst-load-{room}"));
        // Each has a dependency, or it is not the graph that is meant.
        assert!(known.contains("serde"), "{room}: {known:?}");
        let rooms = known.iter().filter_map(|it| it.strip_prefix("dst-load-"));
        let wrong: Vec<_> = rooms.filter(|it| !inner.contains(it)).collect();
        assert_eq!(wrong, [] as [&str; 0], "{room}");
    }
    let rooms = graph.keys().filter(|name| name.starts_with("dst-load-"));
    let rooms =
        rooms.filter(|name| !["dst-load-bench", "dst-load-controller"].contains(&name.as_str()));
    assert_eq!(rooms.count(), ROOMS.len(), "each crate has its row");
}

#[test]
fn pure_crates_neither_wait_nor_reach_out() {
    let graph = graph();
    for room in ["oracle", "recording", "report", "scenario"] {
        let known = reached(&graph, &format!("dst-load-{room}"));
        let wrong: Vec<_> = OUTSIDE.iter().filter(|it| known.contains(**it)).collect();
        assert_eq!(wrong, [] as [&&str; 0], "{room}");
    }
    assert!(
        reached(&graph, "dst-load-session").contains("tokio"),
        "it would be seen"
    );
}

/// The files of the commands, without those of tests.
fn command_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(command_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

/// The paths of a `use` tree.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let (inner, _) = rest.rsplit_once('}').unwrap();
    let mut depth = 0;
    let parts = inner.split(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let parts = parts.filter(|part| !part.trim().is_empty());
    parts
        .flat_map(leaves)
        .map(|leaf| format!("{prefix}{leaf}"))
        .collect()
}

/// A path as seen from the crate, of one that is written in the module `from`.
fn resolved(from: &[String], path: &str) -> Option<Vec<String>> {
    let mut segments = path.split(" as ").next()?.split("::").peekable();
    let mut whole = match *segments.peek()? {
        "crate" => Vec::new(),
        "self" | "super" => from.to_vec(),
        _ => return None,
    };
    while let Some(&segment) = segments.peek() {
        match segment {
            "super" => drop(whole.pop()),
            "crate" | "self" => {}
            _ => break,
        }
        segments.next();
    }
    whole.extend(segments.map(str::to_owned));
    Some(whole)
}

/// The paths within the crate that the code of the module `from` names.
fn named(from: &[String], code: &str) -> Vec<Vec<String>> {
    let tests = "#[cfg(test)]\nmod tests";
    let (code, _) = code.split_once(tests).unwrap_or((code, ""));
    let aside = Regex::new(r"//[^\n]*|\bpub\([\w: ]+\)").unwrap();
    let code = aside.replace_all(code, "");
    let uses = Regex::new(r"(?m)^\s*(?:pub\s*)?use\s+([^;]+);").unwrap();
    let inline = Regex::new(r"\b(?:crate|super)(?:::\w+)+").unwrap();
    let trees = uses.captures_iter(&code).flat_map(|it| leaves(&it[1]));
    let rest = uses.replace_all(&code, "");
    let paths = inline.find_iter(&rest).map(|it| it.as_str().to_owned());
    trees
        .chain(paths)
        .filter_map(|path| resolved(from, &path))
        .collect()
}

/// Which modules of the commands use which: of two files, the modules by which their paths begin to
/// differ. Whoever uses an item of `cli` itself, which uses all commands, uses `cli`.
fn module_graph() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = command_files(&source.join("cli"));
    files.push(source.join("cli.rs"));
    let module = |path: &PathBuf| -> Vec<String> {
        let path = path.strip_prefix(&source).unwrap().with_extension("");
        let names = path.iter().map(|it| it.to_str().unwrap().to_owned());
        names.collect()
    };
    let modules: BTreeSet<_> = files.iter().map(module).collect();
    let mut graph: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for file in &files {
        let from = module(file);
        for mut path in named(&from, &fs::read_to_string(file).unwrap()) {
            while !modules.contains(&path) && path.pop().is_some() {}
            let same = from.iter().zip(&path).take_while(|(a, b)| a == b).count();
            let apart = same < from.len() && same < path.len();
            if apart {
                let used = path[..=same].to_vec();
                graph
                    .entry(from[..=same].to_vec())
                    .or_default()
                    .insert(used);
            } else if path == ["cli"] && from != path {
                graph.entry(from[..2].to_vec()).or_default().insert(path);
            }
        }
    }
    let commands = modules.into_iter().filter(|it| it.len() == 2);
    graph.insert(vec!["cli".to_owned()], commands.collect());
    graph
}

#[test]
fn no_modules_of_the_commands_use_each_other_in_a_circle() {
    let mut graph = module_graph();
    let run = ["cli", "run"].map(str::to_owned).to_vec();
    let environment = ["cli", "environment"].map(str::to_owned).to_vec();
    assert!(graph[&run].contains(&environment), "it would be seen");
    // What uses nothing that is left is in no circle.
    loop {
        let left: BTreeSet<_> = graph.keys().cloned().collect();
        for used in graph.values_mut() {
            used.retain(|it| left.contains(it));
        }
        graph.retain(|_, used| !used.is_empty());
        if graph.len() == left.len() {
            break;
        }
    }
    assert!(graph.is_empty(), "circles among {graph:#?}");
}
