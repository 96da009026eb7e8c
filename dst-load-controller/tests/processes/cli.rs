//! Runs the binary: exit codes, what goes to which stream, and messages.

use std::{fs, path::Path};

use assert_cmd::Command;
use clap::CommandFactory;
use dst_load_controller::cli::Args;
use dst_load_scenario::scenario::{BUILT_IN, built_in};

fn dlc(args: &[&str]) -> (i32, String, String) {
    dlc_in(Path::new("."), args)
}

/// Nothing in the environment that is meant for the tool reaches it.
fn dlc_in(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("dst-load-controller").unwrap();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DST_LOAD_") {
            command.env_remove(name);
        }
    }
    let output = command
        .env_remove("KUBECONFIG")
        .current_dir(directory)
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

/// In virtual time there is nobody to stop it, and the clock leaps on for ever.
#[test]
fn in_virtual_time_a_scenario_without_an_end_is_refused_with_the_flag_that_gives_it_one() {
    let folder = tempfile::tempdir().unwrap();
    let own = "scenario: {name: own}\nchurn: {services: 1, pattern: stable, endpoints: 3}\n";
    fs::write(folder.path().join("own.yaml"), own).unwrap();
    let run = |scenario: &str, more: &[&str]| {
        let args = [&["run", scenario, "--virtual", "--output-dir=out"], more].concat();
        dlc_in(folder.path(), &args)
    };
    let stable = "runs until stopped, and virtual time needs an end; add --duration";
    let cycling = format!("{stable} or --cycles");
    for (scenario, endless, name, hint) in [
        ("baseline", "", "baseline", stable),
        ("own.yaml", "", "own", stable),
        (
            "federated-baseline",
            "churn.duration=null",
            "federated-baseline",
            stable,
        ),
        ("large-rollout", "", "large-rollout", &cycling),
        (
            "federated-oscillation",
            "churn.cycles=null",
            "federated-oscillation",
            &cycling,
        ),
    ] {
        let set = ["--set", endless];
        let (code, out, err) = run(scenario, if endless.is_empty() { &[] } else { &set });
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert_eq!(err, format!("error: {name} {hint}\n"));
        assert!(!folder.path().join("out").exists(), "{scenario}");
    }
    let (code, _, err) = run("own.yaml", &["--duration=5s"]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn what_a_scenario_says_in_vain_is_a_warning_of_the_report_too() {
    let folder = tempfile::tempdir().unwrap();
    let own = "\
scenario: {name: own, seed: 1}
churn: {services: 1, pattern: stable, endpoints: 3, minHold: 3s, duration: 2s}
";
    fs::write(folder.path().join("own.yaml"), own).unwrap();
    let args = ["run", "own.yaml", "--virtual", "--output-dir=out"];
    let (code, out, err) = dlc_in(folder.path(), &args);
    assert_eq!(code, 0, "{err}");
    let ignored = "is ignored: the pattern does not use it";
    assert!(
        err.contains(ignored) && out.contains("is ignored"),
        "{out}{err}"
    );
    let recording = fs::read_to_string(folder.path().join("out/recording.jsonl")).unwrap();
    let mut lines = recording.lines();
    assert!(
        lines.next().unwrap().contains("\"kind\":\"header\""),
        "{recording}"
    );
    assert!(lines.any(|it| it.contains("\"warning\":\"scenario\"") && it.contains(ignored)));
}

/// What a cleanup leaves is known only when the recording has its last line.
#[test]
fn a_cleanup_that_fails_is_told_by_the_terminal_the_recording_and_the_reports() {
    let folder = tempfile::tempdir().unwrap();
    let own = "\
scenario: {name: own, seed: 1}
churn: {services: 2, pattern: stable, endpoints: 3, duration: 5s}
";
    let run = |name: &str, faults: &str| {
        let file = format!("{name}.yaml");
        fs::write(folder.path().join(&file), format!("{own}{faults}")).unwrap();
        let ran = dlc_in(
            folder.path(),
            &["run", &file, "--virtual", "--output-dir", name],
        );
        let read = |file: &str| fs::read_to_string(folder.path().join(name).join(file)).unwrap();
        (ran, read("recording.jsonl"), read("report.json"))
    };
    let (ran, recording, _) = run("whole", "");
    assert_eq!(ran.0, 0, "{}", ran.2);
    assert!(!ran.2.contains("cleaning up") && !recording.contains("cleanup_failed"));
    let last: serde_json::Value = serde_json::from_str(recording.lines().last().unwrap()).unwrap();
    // A moment after the end: what is deleted is looked for again then.
    let at = last["at"].as_u64().unwrap() / 1_000 + 250;
    let faults = format!("sandbox: {{faults: [{{kind: forbidden, share: 1, at: {at}ms}}]}}\n");
    let (ran, recording, report) = run("left", &faults);
    assert_eq!(ran.0, 0, "it changes no verdict: {}", ran.2);
    let command = "`dst-load-controller cleanup --run-id ";
    assert!(
        ran.2.contains(command) && ran.2.contains("does the rest"),
        "{}",
        ran.2
    );
    assert!(ran.1.contains("objects may be left behind"), "{}", ran.1);
    let lines: Vec<_> = recording.lines().collect();
    let [.., warning, end] = lines.as_slice() else {
        panic!("{recording}");
    };
    assert!(warning.contains("\"cleanup_failed\"") && end.contains("\"kind\":\"end\""));
    assert!(report.contains("\"cleanup_failed\""), "{report}");
    let (code, out, err) = dlc_in(folder.path(), &["report", "left/recording.jsonl"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("objects may be left behind"), "{out}");
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
         many-services, red-line, stale-state, stalled-readers, federated-baseline, federated-oscillation)\n"
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
fn the_help_names_each_command_and_each_has_its_own() {
    let (code, help, _) = dlc(&["--help"]);
    assert_eq!(code, 0);
    for command in Args::command().get_subcommands() {
        let name = command.get_name();
        if command.is_hide_set() {
            assert!(!help.contains(&format!("\n  {name} ")), "{name}: {help}");
            continue;
        }
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
        let (code, own, _) = dlc(&[name, "--help"]);
        assert_eq!(code, 0);
        let usage = format!("Usage: dst-load-controller {name}");
        assert!(own.contains(&usage), "{own}");
    }
}

#[test]
fn every_built_in_scenario_can_be_planned() {
    for (name, _) in BUILT_IN {
        let (code, out, err) = dlc(&["plan", name]);
        assert_eq!((code, err.as_str()), (0, ""), "{name}");
        assert!(out.starts_with(&format!("{name} (seed 1)")), "{out}");
    }
}

/// Runs `quick` in virtual time with faults added, in a directory of its own: the exit code, what
/// is printed, and what is logged.
fn faulty(faults: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = built_in("quick").unwrap().to_owned();
    // The file ends within `sandbox:`.
    text += "  faults:\n";
    for fault in faults {
        text += &format!("    - {fault}\n");
    }
    fs::write(folder.path().join("faulty.yaml"), text).unwrap();
    dlc_in(folder.path(), &["run", "faulty.yaml", "--virtual"])
}

#[test]
fn a_run_that_holds_exits_with_0_and_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = dlc_in(folder.path(), &["run", "quick", "--virtual"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("Verdict: PASS"), "{out}");
    let runs = fs::read_dir(folder.path().join("runs")).unwrap();
    let [run] = &runs.map(|run| run.unwrap().path()).collect::<Vec<_>>()[..] else {
        panic!("not one run");
    };
    for name in [
        "recording.jsonl",
        "report.json",
        "report.md",
        "report.xml",
        "report.html",
    ] {
        assert!(run.join(name).exists(), "{name}");
    }
}

#[test]
fn a_run_for_programs_prints_the_report_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = dlc_in(folder.path(), &["run", "quick", "--virtual", "-o", "json"]);
    assert_eq!(code, 0);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["verdict"], "pass");
}

#[test]
fn a_missed_update_exits_with_3_and_names_the_reason() {
    let (code, out, _) = faulty(&["{kind: dropUpdate, at: 5s, share: 0.2}"]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("Verdict: FAIL"), "{out}");
    assert!(out.contains("hold other than they were promised"), "{out}");
}

#[test]
fn a_generator_that_cannot_keep_up_exits_with_4() {
    let throttle = "{kind: throttleGenerator, at: 3s, delay: 400ms, share: 0.8}";
    let (code, out, _) = faulty(&[throttle]);
    assert_eq!(code, 4, "{out}");
    assert!(out.contains("the generator was the bottleneck"), "{out}");
}

#[test]
fn a_run_touches_nothing_for_a_scenario_that_is_wrong() {
    let wrong: [(&[u8], &str); 11] = [
        (b"", "1:1: the file is empty"),
        (b"\xff\xfe", "1:1: the byte 0xff is not UTF-8 text"),
        (b"churn: [\n", "1:8: unclosed bracket '['"),
        (
            b"churn:\n  services: 1\n  endpionts: 3\n",
            "3:3: unknown key churn.endpionts; did you mean endpoints?",
        ),
        (
            b"churn:\n  services: 1\n  services: 2\n",
            "3:3: duplicate mapping key: services",
        ),
        (
            b"churn:\n  services: 0\n",
            "2:13: churn.services: 0 Services",
        ),
        (
            b"churn:\n  services: 99999999999\n",
            "2:13: churn.services: 99999999999 is more than",
        ),
        (
            b"churn:\n  services: 1\n  pattern: oscilate\n",
            "3:12: churn.pattern: oscilate is not one of",
        ),
        (
            b"churn:\n  services: 1\n  minHold: 5\n",
            "3:12: churn.minHold: 5 has no unit",
        ),
        (
            b"churn:\n  services: 1\n  pattern: oscillate\n  minEndpoints: 5\n  maxEndpoints: 2\n\
              \x20 minHold: 2m\n  maxHold: 5m\n",
            "5:17: churn.maxEndpoints: 2 is not more than minEndpoints, 5",
        ),
        (
            b"churn:\n  services: 1\n  endpoints: 1\ncriteria:\n  updateLatency:\n    p95: fast\n",
            "6:10: criteria.updateLatency.p95: fast is not a duration",
        ),
    ];
    for (text, expected) in wrong {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bad.yaml"), text).unwrap();
        let (code, out, err) = dlc_in(folder.path(), &["run", "bad.yaml"]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        let expected = format!("error: bad.yaml:{expected}");
        assert!(err.starts_with(&expected), "{err} for {expected}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{err}");
    }
}

#[test]
fn a_destination_without_a_cluster_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = dlc_in(folder.path(), &["run", "quick", "--destination=h:8086"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.contains("no cluster is named; add --context or"),
        "{err}"
    );
    assert!(err.contains("KUBECONFIG alone is ignored"), "{err}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_a_run_has_written_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "quick", "--virtual", "--output-dir", "here"];
    assert_eq!(dlc_in(folder.path(), &args).0, 0);
    let recording = folder.path().join("here/recording.jsonl");
    let before = fs::read(&recording).unwrap();
    let (code, _, err) = dlc_in(folder.path(), &args);
    assert_eq!(code, 1);
    assert!(err.contains("here"), "{err}");
    assert_eq!(fs::read(&recording).unwrap(), before);
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

#[test]
fn profiles_of_what_has_none_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for (of, said) in [
        (
            &["--reference"][..],
            "the reference destination has no profiles",
        ),
        (&["--destination", "a:1"], "add --destination-metrics"),
    ] {
        let args = [&["run", "quick", "--pprof", "--context", "any"], of].concat();
        let (code, out, err) = dlc_in(folder.path(), &args);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(said), "{err}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
