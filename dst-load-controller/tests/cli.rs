//! Runs the binary: exit codes, what goes to which stream, and messages.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

use assert_cmd::Command;

fn dlc(args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("dst-load-controller")
        .unwrap()
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn the_version_names_the_commit() {
    let (code, out, _) = dlc(&["--version"]);
    assert_eq!(code, 0);
    let rest = out.strip_prefix("dst-load-controller 0.1.0 (").unwrap();
    let commit = rest.trim().strip_suffix(')').unwrap();
    assert!(commit == "unknown" || commit.len() == 12, "{commit}");
}

#[test]
fn plan_describes_a_built_in_scenario_as_text_and_as_json() {
    let (code, out, err) = dlc(&["plan", "large-rollout"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("500,000 deliveries"), "{out}");
    assert!(out.contains("runs until stopped"), "{out}");

    let (code, out, _) = dlc(&["plan", "large-rollout", "--cycles=2", "-o", "json"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["clients"]["streams"], 1_000);
    assert_eq!(json["ends_after_seconds"], 960.0);
}

#[test]
fn a_wrong_scenario_is_a_usage_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.yaml");
    std::fs::write(&path, "churn:\n  services: 1\n  endpionts: 3\n").unwrap();
    let path = path.to_str().unwrap();
    let (code, out, err) = dlc(&["plan", path]);
    assert_eq!((code, out.as_str()), (2, ""));
    let expected = "unknown key churn.endpionts; did you mean endpoints?";
    assert_eq!(err, format!("error: {path}:3:3: {expected}\n"));
}

#[test]
fn a_scenario_that_is_not_there_names_those_that_are() {
    let (code, _, err) = dlc(&["plan", "base-line"]);
    assert_eq!(code, 2);
    assert_eq!(
        err,
        "error: base-line: there is no such file and no built-in scenario of that name; did you \
         mean baseline? (built in: quick, baseline, small-oscillation, large-rollout, \
         many-services, red-line)\n"
    );
}

#[test]
fn an_override_applies_and_is_named_when_it_is_wrong() {
    let (code, out, _) = dlc(&["plan", "quick", "--set", "churn.services=7"]);
    assert_eq!(code, 0);
    assert!(out.contains("7 Services"), "{out}");
    let (code, _, err) = dlc(&["plan", "quick", "--set", "churn.minHold=5"]);
    assert_eq!(code, 2);
    assert!(
        err.starts_with("error: --set churn.minHold: 5 has no unit"),
        "{err}"
    );
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    let (code, _, err) = dlc(&["plan", "quick", "--sed=1"]);
    assert_eq!(code, 2);
    assert!(err.contains("--seed"), "{err}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = dlc(&["completions", shell]);
        assert_eq!(code, 0);
        assert!(out.contains("plan") && out.contains("dst-load-controller"));
    }
}

#[test]
fn a_form_that_only_reports_have_is_refused_elsewhere() {
    let (code, out, err) = dlc(&["plan", "quick", "-o", "junit"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("only reports"), "{err}");
}

#[test]
fn a_recording_that_is_not_there_is_named_and_no_verdict() {
    let (code, out, err) = dlc(&["report", "no/such/run", "--exit-code"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: no/such/run: "), "{err}");
}
