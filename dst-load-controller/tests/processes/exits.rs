//! Who prints a verdict exits with it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::tool::{command, text};

/// One Service of three endpoints that never change, judged by more than can be seen.
const SCENARIO: &str = "\
scenario: {name: exits, seed: 1}
churn: {services: 1, pattern: stable, endpoints: 3}
client: {clients: 2}
criteria:
  unexpectedResets: 0
";

/// A child that is told to end, and then waited for.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sandbox, and a churn that has made the scenario's Service.
struct Stage {
    directory: TempDir,
    ready: Value,
    _churn: Running,
    _sandbox: Running,
    _stdout: BufReader<ChildStdout>,
}

// === impl Stage ===

impl Stage {
    fn set() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut sandbox = command(directory.path(), &["--log-level=warn", "sandbox"])
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(sandbox.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        write(directory.path(), "it.yaml", "");
        let kubeconfig = ready["kubeconfig"].as_str().unwrap();
        let churn = command(
            directory.path(),
            &[
                "churn",
                "--scenario=it.yaml",
                "--namespace=default",
                "--kubeconfig",
                kubeconfig,
                "--admin-addr=127.0.0.1:0",
            ],
        )
        .spawn()
        .unwrap();
        Self {
            directory,
            ready: ready.clone(),
            _churn: Running(churn),
            _sandbox: Running(sandbox),
            _stdout: stdout,
        }
    }

    /// What a client that is judged by these further criteria exits with, and what it prints.
    fn client(&self, criteria: &str, more: &[&str]) -> (Option<i32>, String) {
        write(self.directory.path(), "judged.yaml", criteria);
        let of = |key: &str| self.ready[key].as_str().unwrap();
        let mut args = vec![
            "client",
            "--scenario=judged.yaml",
            "--namespace=default",
            "--admin-addr=127.0.0.1:0",
            "--duration=5s",
            "--kubeconfig",
            of("kubeconfig"),
            "--destination",
            of("destination"),
        ];
        args.extend(more);
        let output = command(self.directory.path(), &args).output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        (output.status.code(), said)
    }
}

fn write(directory: &Path, name: &str, criteria: &str) {
    fs::write(directory.join(name), format!("{SCENARIO}{criteria}")).unwrap();
}

/// The Kubernetes API fails now and then, and is asked again: that is a warning of the report.
#[test]
fn an_answer_that_is_asked_for_again_is_no_error_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let faults = "\
sandbox: {faults: [{kind: internalError, share: 0.5}]}
";
    let scenario = SCENARIO.replace("endpoints: 3}", "endpoints: 3, duration: 3s}");
    fs::write(directory.path().join("it.yaml"), scenario + faults).unwrap();
    let args = ["run", "it.yaml", "--no-progress", "--output-dir=out"];
    let output = command(directory.path(), &args).output().unwrap();
    let (out, log) = (text(&output.stdout), text(&output.stderr));
    assert!(
        out.contains("to the Kubernetes API failed or had to be made again"),
        "{out}{log}"
    );
    assert!(
        !log.contains("ERROR") && !log.contains("failed with status"),
        "{log}"
    );
}

#[test]
fn a_client_exits_with_its_verdict() {
    let stage = Stage::set();
    let (code, said) = stage.client("", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Verdict: PASS"), "{said}");
    // Nothing is delivered, and more is asked for.
    let (code, said) = stage.client("  throughputMin: 1\n", &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("throughputMin was not judged"), "{said}");
    let optional = "  throughputMin: 1\n  optional: [throughputMin]\n";
    let (code, said) = stage.client(optional, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 optional criterion unjudged"), "{said}");
    // One that waits for its target to be ready has seen nothing when its time is up, and accuses
    // nobody.
    let (code, said) = stage.client("", &["--destination-metrics=127.0.0.1:1"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("stopped before any stream was opened"),
        "{said}"
    );
}
