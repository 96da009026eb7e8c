//! Two builds in turn, compared: by the binary, with the tool's own destination on both sides.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::tool::{TOOL, command, text};

const SCENARIO: &str = "
scenario: {name: tiny, seed: 3}
churn:
  services: 2
  pattern: oscillate
  minEndpoints: 1
  maxEndpoints: 5
  minHold: 500ms
  maxHold: 500ms
  cycles: 2
client: {clients: 3}
measure: {deadline: 5s}
sandbox: {nodes: 1, zones: 1, podStart: 1ms, sliceSync: 10ms}
";

fn ab(directory: &Path, more: &[&str]) -> Command {
    fs::write(directory.join("tiny.yaml"), SCENARIO).unwrap();
    let own = format!("'{TOOL}' destination");
    let mut args = vec!["--log-level=warn", "ab", "tiny.yaml", "--output-dir", "ab"];
    args.extend(["--baseline-bin", &own, "--candidate-bin", &own]);
    args.extend(more);
    command(directory, &args)
}

fn json(directory: &Path, file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(directory.join(file)).unwrap()).unwrap()
}

#[test]
fn both_run_in_turn_and_the_comparison_can_be_said_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output: Output = ab(folder, &["--pairs", "2", "-o", "markdown"])
        .output()
        .unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    // Which it is depends on the machine's noise; that it is one of these does not.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{out}{err}");
    assert!(out.starts_with("## SELF-TEST: tiny (seed 3): "), "{out}");
    let told: Vec<_> = err
        .lines()
        .filter(|line| line.starts_with("pair "))
        .collect();
    let order = [
        "1 of 2, baseline",
        "1 of 2, candidate",
        "2 of 2, candidate",
        "2 of 2, baseline",
    ];
    assert_eq!(told.len(), order.len(), "{err}");
    for (told, place) in told.iter().zip(order) {
        assert!(told.starts_with(&format!("pair {place}: pass, ")), "{err}");
    }
    let saved = json(folder, "ab/comparison.json");
    assert_eq!(saved["self_test"], true);
    assert_eq!(
        (&saved["baseline"]["runs"], &saved["candidate"]["runs"]),
        (&2.into(), &2.into())
    );
    // A reference destination has a process's metrics, and none of Go's.
    let measure = |key: &str| {
        let all = saved["measures"].as_array().unwrap();
        all.iter().find(|it| it["key"] == key).unwrap().clone()
    };
    assert!(measure("cpu_per_open")["baseline"]["mean"].is_number());
    assert_eq!(measure("heap_per_stream")["baseline"], Value::Null);
    assert_eq!(measure("streams_wrong")["outcome"], "no_difference");
    // What the comparison says of itself is the command that says it again.
    let repeat = saved["repeat"].as_str().unwrap();
    let mut args = shlex::split(repeat).unwrap();
    args.extend(["-o", "json"].map(str::to_owned));
    let args: Vec<_> = args.iter().skip(1).map(String::as_str).collect();
    let again = command(folder, &args).output().unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again, saved);
    assert_eq!(
        fs::read_to_string(folder.join("ab/comparison.md")).unwrap(),
        out
    );
    let page = fs::read_to_string(folder.join("ab/comparison.html")).unwrap();
    assert!(page.contains("SELF-TEST: tiny (seed 3)"), "{page}");
}

#[test]
fn a_signal_ends_the_run_of_the_moment_and_what_was_saved_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let child = ab(folder, &["--pairs", "50"]).spawn().unwrap();
    // The third turn is under way.
    for _ in 0..2_400 {
        if folder.join("ab/candidate/run-02/recording.jsonl").exists() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{out}{err}");
    let saved = json(folder, "ab/comparison.json");
    assert_eq!(saved["baseline"]["runs"], 1, "{err}");
    assert_eq!(saved["candidate"]["runs"], 1, "{err}");
    assert!(
        out.contains("it was interrupted before its plan ended"),
        "{out}"
    );
}

#[test]
fn what_cannot_be_compared_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (more, said) in [
        (&["--threshold", "5"][..], "--threshold 5: 5 has no unit"),
        (&["-o", "junit"], "has no form junit"),
        (&["--set", "churn.cycles=null"], "runs until stopped"),
        (
            &["--context", "any", "--set", "federation.cluster=target"],
            "spans two clusters",
        ),
    ] {
        let output = ab(folder, more).output().unwrap();
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(said), "{err}");
        assert!(!folder.join("ab").exists());
    }
}

#[test]
fn a_build_without_profiles_is_told_of_once_and_compared_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = ab(folder, &["--pairs", "1", "--pprof"]).output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 3)), "{out}{err}");
    for side in ["baseline", "candidate"] {
        let report = json(folder, &format!("ab/{side}/run-01/report.json"));
        let warnings = report["warnings"].as_array().unwrap().iter();
        let told = warnings.filter(|it| {
            it.to_string()
                .contains("was not profiled (HTTP status 404)")
        });
        assert_eq!(told.count(), 1, "{report}");
    }
    assert_eq!(
        json(folder, "ab/comparison.json")["profiles"],
        Value::Array(Vec::new())
    );
}

/// A sandbox in another process serves as the cluster: what it is, `ab` cannot tell.
#[test]
fn on_a_cluster_each_run_has_a_controller_and_a_namespace_of_its_own_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sandbox = ["sandbox", "--kubeconfig", "cluster.yaml"];
    let mut cluster = command(folder, &sandbox).spawn().unwrap();
    for _ in 0..600 {
        if folder.join("cluster.yaml").exists() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let temporary = folder.join("temporary");
    fs::create_dir(&temporary).unwrap();
    let on = ["--kubeconfig", "cluster.yaml", "--context", "sandbox"];
    let mut run = ab(folder, &["--pairs", "1", "-o", "json"]);
    let output = run.args(on).env("TMPDIR", &temporary).output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 3)), "{out}{err}");
    let saved: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(saved["baseline"]["passed"], 1, "{out}");
    assert_eq!(saved["candidate"]["passed"], 1, "{out}");
    assert!(!saved["repeat"].as_str().unwrap().contains("cluster.yaml"));
    // The kubeconfigs of the controllers are gone.
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    let header = |side: &str| {
        let place = folder.join(format!("ab/{side}/run-01/recording.jsonl"));
        let text = fs::read_to_string(place).unwrap();
        serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap()
    };
    let namespaces = ["baseline", "candidate"].map(|side| header(side)["namespace"].clone());
    assert_ne!(namespaces[0], namespaces[1]);
    // Nothing is left to clean up.
    for namespace in &namespaces {
        let id = namespace.as_str().unwrap().rsplit('-').next().unwrap();
        let mut args = vec!["cleanup", "--run-id", id];
        args.extend(on);
        let cleaned = command(folder, &args).output().unwrap();
        let said = text(&cleaned.stdout) + &text(&cleaned.stderr);
        assert!(cleaned.status.success(), "{said}");
        assert!(said.contains("nothing to remove"), "{said}");
    }
    let pid = Pid::from_raw(i32::try_from(cluster.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    cluster.wait().unwrap();
}

#[test]
fn a_context_that_is_none_is_named_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("empty.yaml"), "apiVersion: v1\nkind: Config\n").unwrap();
    let on = ["--kubeconfig", "empty.yaml", "--context", "nowhere"];
    let output = ab(folder, &on).output().unwrap();
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("context \"nowhere\" cannot be used"), "{err}");
    assert!(!folder.join("ab").exists(), "{err}");
}
