//! Tests which crates know which: one direction, as `docs/architecture.md` has it.
//!
//! A crate cannot name what is not in its dependencies, however far down; so these tests read the graph
//! that cargo resolved, without what only tests use.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::Command,
};

use serde_json::Value;

/// What waits, or reaches a system outside the process.
const OUTSIDE: [&str; 6] = ["h2", "hyper", "kube", "k8s-openapi", "tokio", "tonic"];

/// For each crate, the crates of the tool that it must not know.
const ROOMS: [(&str, &[&str]); 9] = [
    (
        "scenario",
        &[
            "oracle",
            "recording",
            "report",
            "transport",
            "kubernetes",
            "destination",
            "session",
            "sandbox",
        ],
    ),
    (
        "oracle",
        &[
            "recording",
            "report",
            "transport",
            "kubernetes",
            "destination",
            "session",
            "sandbox",
        ],
    ),
    (
        "recording",
        &[
            "report",
            "transport",
            "kubernetes",
            "destination",
            "session",
            "sandbox",
        ],
    ),
    (
        "report",
        &[
            "transport",
            "kubernetes",
            "destination",
            "session",
            "sandbox",
        ],
    ),
    (
        "transport",
        &[
            "oracle",
            "recording",
            "report",
            "kubernetes",
            "destination",
            "session",
            "sandbox",
        ],
    ),
    (
        "kubernetes",
        &["report", "destination", "session", "sandbox"],
    ),
    (
        "destination",
        &["report", "kubernetes", "session", "sandbox"],
    ),
    ("session", &["sandbox"]),
    // Code that both shared would hide what both had wrong.
    (
        "sandbox",
        &[
            "oracle",
            "recording",
            "report",
            "kubernetes",
            "destination",
            "session",
        ],
    ),
];

/// The packages that cargo resolved: for each, those it depends on, tests aside.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--locked"])
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
    for (room, outer) in ROOMS {
        let known = reached(&graph, &format!("dst-load-{room}"));
        // Each has a dependency, or it is not the graph that is meant.
        assert!(known.contains("serde"), "{room}: {known:?}");
        let wrong: Vec<_> = outer
            .iter()
            .map(|it| format!("dst-load-{it}"))
            .filter(|it| known.contains(it))
            .collect();
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
