//! Several processes: a sandbox that is served, runs on it, signals, and what is left behind.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    running::Run,
    sandbox::{PATIENT, Sandbox},
    tool::{TOOL, command, started_by, text},
};

/// A run on this sandbox.
fn run(sandbox: &Sandbox, args: &[&str]) -> Run {
    let output = sandbox.directory.path().join("run");
    let mut all = vec!["run", "quick", "--kubeconfig", &sandbox.kubeconfig];
    all.extend(["--output-dir", output.to_str().unwrap()]);
    all.extend(args);
    Run::start(command(sandbox.directory.path(), &all), output)
}

/// The first line of a file that is being written; it is flushed every second.
fn first_line(path: &Path) -> String {
    for _ in 0..600 {
        let text = fs::read_to_string(path).unwrap();
        if let Some((line, _)) = text.split_once('\n') {
            return line.to_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{} stays empty", path.display());
}

/// A run that passes, into `run` of the directory that it is started in.
fn one_cycle() -> Vec<&'static str> {
    let run = ["run", "quick", "--cycles=1", "--output-dir", "run"];
    run.into_iter().chain(PATIENT).collect()
}

#[test]
fn a_run_without_a_cluster_brings_its_own_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("run");
    let mut args = vec!["run", "quick", "--cycles=1", "--output-dir"];
    args.push(output.to_str().unwrap());
    args.extend(PATIENT);
    let mut command = command(directory.path(), &args);
    // As in a company's network.
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        command.env(name, "http://proxy.invalid:3128");
    }
    let (code, out, log) = Run::start(command, output.clone()).end();
    assert_eq!(code, Some(0), "{out}\n{log}");
    assert!(out.starts_with("SELF-TEST: quick (seed 1)"), "{out}");
    assert!(out.contains("Verdict: PASS"), "{out}");
    let next = format!("dst-load-controller compare {} OTHER", output.display());
    assert!(log.trim_end().ends_with(&next), "{log}");
    assert_eq!(Run::report(&output)["target"]["kind"], "reference");
    for name in ["recording.jsonl", "report.md", "report.xml", "report.html"] {
        assert!(output.join(name).exists(), "{name}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_destination_that_is_not_there_is_tried_for_a_while_and_reported() {
    let sandbox = Sandbox::start();
    let run = run(
        &sandbox,
        &["--destination=127.0.0.1:1", "--connect-timeout=2s"],
    );
    let output = run.output.clone();
    let (code, out, log) = run.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("destination unavailable, retrying"), "{log}");
    let error = "error: the destination could not be reached for 2s: Connection refused";
    assert!(log.contains(error), "{log}");
    assert!(out.contains("Verdict: INVALID"), "{out}");
    assert_eq!(Run::report(&output)["verdict"], "invalid");
    assert_eq!(sandbox.cleanup(&["--all"]), "nothing to remove\n");
}

#[test]
fn an_interrupted_run_reports_and_leaves_nothing_behind() {
    let sandbox = Sandbox::start();
    let mut run = run(&sandbox, &["--destination", &sandbox.destination]);
    let output = run.output.clone();
    run.until("before the first cycle");
    run.signal("INT");
    let (code, out, log) = run.end();
    assert_eq!(code, Some(130), "{log}");
    assert!(
        out.contains("was interrupted before its plan ended"),
        "{out}"
    );
    assert_eq!(Run::report(&output)["verdict"], "invalid");
    assert_eq!(sandbox.cleanup(&["--all"]), "nothing to remove\n");
}

/// What becomes of a run that `env` starts with this, and that is told that its terminal is closed:
/// its exit code, its log and its report.
fn hung_up(disposition: &str) -> (Option<i32>, String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("run");
    let mut args = vec![disposition, TOOL];
    args.extend(one_cycle());
    let mut run = Run::start(started_by("env", directory.path(), &args), output.clone());
    run.until("before the first cycle");
    // A shell passes it on, and the system sends it too.
    run.signal("HUP");
    run.until("INFO");
    run.signal("HUP");
    let (code, _, log) = run.end();
    (code, log, Run::report(&output))
}

#[test]
fn a_run_that_nobody_listens_to_any_more_says_its_verdict_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("run");
    let mut args = one_cycle();
    args.push("--set=criteria.throughputMin=1000000000");
    let mut run = Run::start(command(directory.path(), &args), output.clone());
    run.until("before the first cycle");
    drop((run.child.stdout.take(), run.child.stderr.take()));
    assert_eq!(run.child.wait().unwrap().code(), Some(3));
    assert_eq!(Run::report(&output)["verdict"], "fail");
}

#[test]
fn a_run_whose_terminal_is_closed_ends_in_order() {
    // Whoever runs the tests may have been told to outlive a terminal itself.
    let (code, log, report) = hung_up("--default-signal=HUP");
    assert_eq!(code, Some(130), "{log}");
    assert_eq!(report["verdict"], "invalid");
}

#[test]
fn a_run_that_was_told_to_outlive_its_terminal_does() {
    let (code, log, report) = hung_up("--ignore-signal=HUP");
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(report["verdict"], "pass");
}

#[test]
fn a_machine_without_certificates_runs_it_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("run");
    let mut command = command(directory.path(), &one_cycle());
    command
        .env("SSL_CERT_FILE", "none")
        .env("SSL_CERT_DIR", "none");
    let (code, out, log) = Run::start(command, output).end();
    assert_eq!(code, Some(0), "{out}\n{log}");
}

#[test]
fn a_second_signal_ends_a_run_where_it_stands() {
    let sandbox = Sandbox::start();
    let mut run = run(&sandbox, &["--reference"]);
    let output = run.output.clone();
    run.until("before the first cycle");
    run.signal("TERM");
    // Settling takes at least a second in which nothing happens.
    run.until("waiting for pending deliveries");
    run.signal("TERM");
    let (code, _, log) = run.end();
    assert_eq!(code, Some(130), "{log}");
    assert_eq!(Run::report(&output)["verdict"], "invalid");
    let recording = fs::read_to_string(output.join("recording.jsonl")).unwrap();
    assert!(!recording.contains("\"kind\":\"end_state\""), "{recording}");
}

#[test]
fn what_a_killed_run_leaves_is_cleaned_up_by_its_id() {
    let sandbox = Sandbox::start();
    let mut run = run(&sandbox, &["--destination", &sandbox.destination]);
    let recording = run.output.join("recording.jsonl");
    run.until("before the first cycle");
    let header = first_line(&recording);
    run.signal("KILL");
    assert_eq!(run.end().0, None);

    let header: Value = serde_json::from_str(&header).unwrap();
    let id = header["run_id"].as_str().unwrap();
    let removed = sandbox.cleanup(&["--run-id", id]);
    for what in ["5 Services", "5 Deployments", "1 Namespace"] {
        assert!(removed.contains(&format!("removed {what}")), "{removed}");
    }
    assert_eq!(sandbox.cleanup(&["--run-id", id]), "nothing to remove\n");
}

#[test]
fn a_check_of_a_cluster_that_will_do_says_so_and_a_run_that_will_not_do_makes_nothing() {
    let sandbox =
        Sandbox::start_with(&["--scenario=quick", "--set=sandbox.nodes=1,sandbox.zones=1"]);
    let check = |args: &[&str]| {
        let mut all = vec!["check", "--kubeconfig", &sandbox.kubeconfig];
        all.extend(args);
        let output = command(sandbox.directory.path(), &all).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (code, out) = check(&["quick", "--destination", &sandbox.destination]);
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("√ answers streams (kubernetes.default.svc"),
        "{out}"
    );
    assert!(out.ends_with("Status check results are √\n"), "{out}");
    let cannot_tell = "that cannot be told: the controller's metrics are not named";
    assert!(out.contains(cannot_tell), "{out}");
    let metrics = sandbox.ready["destination_metrics"].as_str().unwrap();
    let named = ["--destination-metrics", metrics];
    let (code, out) = check(&[&["--destination", &sandbox.destination], &named[..]].concat());
    let direct = "√ has a connection for each client (direct: ";
    assert!(code == Some(0) && out.contains(direct), "{out}");
    let nowhere = ["--destination=127.0.0.1:1", "-o", "json"];
    let (code, out) = check(&nowhere);
    let found: Value = serde_json::from_str(&out).unwrap();
    let found = found["findings"].as_array().unwrap();
    let answers = found.iter().find(|one| one["claim"] == "answers streams");
    assert_eq!(
        (code, &answers.unwrap()["outcome"]),
        (Some(1), &"failed".into())
    );

    // 150,000 pods at the most, and 100,000 places.
    let run = run(
        &sandbox,
        &[
            "--destination",
            &sandbox.destination,
            "--set=churn.services=5000",
        ],
    );
    let (code, _, err) = run.end();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("× have room for all pods"), "{err}");
    assert!(err.contains("1 of"), "{err}");
    assert!(
        err.contains("preflight checks failed, and nothing was made"),
        "{err}"
    );
    assert!(sandbox.cleanup(&["--all"]).contains("nothing to remove"));
}

#[test]
fn a_controller_of_the_users_own_is_started_measured_and_ended() {
    let directory = tempfile::tempdir().unwrap();
    let bin = format!("'{TOOL}' destination");
    let args = [
        "run",
        "quick",
        "--set=churn.cycles=1",
        "--output-dir=run",
        "--destination-bin",
        &bin,
    ];
    let output = command(directory.path(), &args).output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    // Its own reference is known for what it is, even here.
    assert!(out.contains("SELF-TEST"), "{out}");
    assert!(
        out.contains("the reference destination dst-load-controller"),
        "{out}"
    );
    let log = fs::read_to_string(directory.path().join("run/destination.log")).unwrap();
    let address = log.split("serving on ").nth(1).unwrap();
    let address = address.split(',').next().unwrap();
    assert!(
        TcpStream::connect(address).is_err(),
        "{address} still answers"
    );
}

#[test]
fn a_controller_that_does_not_start_is_named_with_the_end_of_its_log() {
    let cases = [
        (
            "no/such/file destination",
            Some(1),
            "cannot start \"no/such/file\"",
        ),
        (
            "sh -c 'echo no luck >&2; exit 7'",
            Some(1),
            "(exit status: 7)",
        ),
        ("sh -c 'echo no luck >&2; exit 7'", Some(1), "no luck"),
        ("'./unclosed", Some(2), "a quote is not closed"),
    ];
    for (bin, code, named) in cases {
        let directory = tempfile::tempdir().unwrap();
        let args = ["run", "quick", "--destination-bin", bin];
        let output = command(directory.path(), &args).output().unwrap();
        let err = text(&output.stderr);
        assert!(err.contains(named), "{err}");
        assert_eq!(output.status.code(), code, "{err}");
    }
}

#[test]
fn a_sandbox_that_is_told_to_stop_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = command(directory.path(), &["sandbox"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let kubeconfig = PathBuf::from(ready["kubeconfig"].as_str().unwrap());
    assert!(kubeconfig.exists());
    let run = Run {
        child,
        log: String::new(),
        output: PathBuf::new(),
    };
    run.signal("TERM");
    let (code, _, log) = run.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        !kubeconfig.exists(),
        "a kubeconfig nobody asked for is left"
    );
}

/// The window of a stream that the first SETTINGS frame of an HTTP/2 client announces (RFC 9113, 6.5).
fn announced_window(socket: &mut TcpStream) -> u32 {
    const PREFACE: usize = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
    const HEAD: usize = 9;
    let mut start = [0; PREFACE + HEAD];
    socket.read_exact(&mut start).unwrap();
    let head = &start[PREFACE..];
    assert_eq!(head[3], 4, "SETTINGS is first");
    let mut settings = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    socket.read_exact(&mut settings).unwrap();
    let window = settings.chunks(6).find(|it| it[..2] == [0, 4]);
    // The default, where none is announced.
    window.map_or(65_535, |it| u32::from_be_bytes(it[2..].try_into().unwrap()))
}

#[test]
fn a_scenarios_lifecycle_is_that_of_its_clients_connections() {
    let sandbox = Sandbox::start();
    let directory = sandbox.directory.path();
    for (lifecycle, small) in [("proxy", true), ("eternal", false)] {
        let scenario = format!(
            "scenario: {{name: own}}\n\
             churn: {{services: 1, pattern: stable, endpoints: 1, duration: 1h}}\n\
             client: {{clients: 1, lifecycle: {lifecycle}}}\n"
        );
        fs::write(directory.join("own.yaml"), scenario).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let args = [
            "client",
            "--scenario=own.yaml",
            "--kubeconfig",
            &sandbox.kubeconfig,
            "--admin-addr=127.0.0.1:0",
            "--destination",
            &address,
        ];
        let run = Run::start(command(directory, &args), directory.join("client"));
        let (mut socket, _) = listener.accept().unwrap();
        let window = announced_window(&mut socket);
        assert_eq!(window == 65_535, small, "{lifecycle}: {window}");
        run.signal("KILL");
        run.end();
    }
}
