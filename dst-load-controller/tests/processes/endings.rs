//! Ends that nobody planned: signals in every phase, a full disk, a process that is killed.
//!
//! `docs/reliability.md` has what is promised.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    running::Run,
    sandbox::{PATIENT, Sandbox},
    tool::{TOOL, command, started_by},
};

/// What a phase that ends at a signal may take, and the machine with it. What it takes unmended is
/// a minute or more.
const SOON: Duration = Duration::from_secs(30);

/// A destination that leaves out every second update, and a minute in which each may still come.
const SICK: &str = "
scenario: {name: sick}
churn:
  services: 2
  pattern: oscillate
  minEndpoints: 1
  maxEndpoints: 5
  minHold: 500ms
  maxHold: 500ms
client: {clients: 3}
measure: {deadline: 1m}
sandbox: {nodes: 1, zones: 1, podStart: 1ms, sliceSync: 10ms, faults: [{kind: dropUpdate, share: 50%}]}
";

/// The same without its fault.
fn healthy() -> String {
    SICK.replace(", faults: [{kind: dropUpdate, share: 50%}]", "")
}

/// A run of a scenario, on the sandbox that it brings.
fn run(directory: &Path, scenario: &str, more: &[&str]) -> Run {
    fs::write(directory.join("scenario.yaml"), scenario).unwrap();
    let mut args = vec!["run", "scenario.yaml", "--output-dir", "run"];
    args.extend(more);
    Run::start(command(directory, &args), directory.join("run"))
}

/// Sends a signal, and waits for the end: how long that took, the exit code, and the log.
fn signalled(run: Run, signal: &str) -> (Duration, Option<i32>, String) {
    run.signal(signal);
    let begun = Instant::now();
    let (code, out, log) = run.end();
    let took = begun.elapsed();
    (took, code, format!("{out}\n{log}"))
}

fn ends_soon(run: Run, signal: &str) -> String {
    let output = run.output.clone();
    let (took, code, said) = signalled(run, signal);
    assert!(took < SOON, "{took:?}: {said}");
    assert_eq!(code, Some(130), "{said}");
    let report = Run::report(&output);
    assert_eq!(report["verdict"], "invalid", "{said}");
    assert_eq!(report["ending"]["how"], "interrupted", "{said}");
    said
}

#[test]
fn a_plan_that_is_cut_off_ends_soon() {
    let directory = tempfile::tempdir().unwrap();
    let mut run = run(directory.path(), SICK, &["--cycles=50"]);
    run.until("cycle 2 of 50");
    ends_soon(run, "TERM");
}

#[test]
fn a_signal_while_settling_ends_it_and_the_run_was_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let mut run = run(directory.path(), SICK, &["--cycles=1"]);
    run.until("waiting for pending deliveries");
    ends_soon(run, "INT");
}

#[test]
fn a_plan_without_an_end_settles_at_a_signal_for_one_deadline_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = SICK.replace("deadline: 1m", "deadline: 5s");
    // Whichever scaling is the last, its updates are dropped.
    let scenario = scenario.replace("share: 50%", "share: 100%");
    let mut run = run(directory.path(), &scenario, &[]);
    let output = run.output.clone();
    run.until("cycle 2");
    let (took, code, said) = signalled(run, "TERM");
    assert!(took < SOON, "{took:?}: {said}");
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("waiting for pending deliveries; send the signal again to abort timeout=5 s"),
        "{said}"
    );
    assert_eq!(Run::report(&output)["ending"]["how"], "complete", "{said}");
}

#[test]
fn a_second_signal_does_not_wait_for_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let mut run = run(directory.path(), SICK, &[]);
    let output = run.output.clone();
    run.until("cycle 2");
    run.signal("TERM");
    run.until("waiting for pending deliveries");
    let (took, code, said) = signalled(run, "TERM");
    assert!(took < SOON, "{took:?}: {said}");
    assert_eq!(code, Some(130), "{said}");
    let report = Run::report(&output);
    assert_eq!(report["verdict"], "invalid", "{said}");
    assert_eq!(report["ending"]["how"], "cut_off", "{said}");
}

#[test]
fn a_run_whose_endpoints_are_not_made_ends_soon() {
    let directory = tempfile::tempdir().unwrap();
    let slow = SICK.replace("kind: dropUpdate, share: 50%", "kind: slowPods, delay: 1h");
    let mut run = run(directory.path(), &slow, &["--cycles=1"]);
    run.until("creating 2 Services");
    thread::sleep(Duration::from_secs(1));
    ends_soon(run, "INT");
}

/// A destination that takes connections and never answers.
#[test]
fn a_run_whose_streams_are_not_served_ends_soon() {
    let sandbox = Sandbox::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let more = [
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--destination",
        &address,
    ];
    let mut run = run(sandbox.directory.path(), SICK, &more);
    run.until("opening");
    thread::sleep(Duration::from_secs(1));
    ends_soon(run, "INT");
    assert_eq!(sandbox.cleanup(&["--all"]), "nothing to remove\n");
}

/// A cluster that stops answering.
#[test]
fn a_run_whose_cluster_stands_still_ends_soon_and_says_what_cleans_up() {
    let sandbox = Sandbox::start();
    let mut more = vec![
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--destination",
        &sandbox.destination,
        "--cycles=50",
    ];
    more.extend(PATIENT);
    let mut run = run(sandbox.directory.path(), SICK, &more);
    run.until("cycle 2 of 50");
    stand_still(&sandbox, "STOP");
    let said = ends_soon(run, "TERM");
    stand_still(&sandbox, "CONT");
    let words = "cleaning up was not finished (nothing more went within 8 s)";
    assert!(said.contains(words), "{said}");
    assert!(said.contains("cleanup --kubeconfig"), "{said}");
    let removed = sandbox.cleanup(&["--all"]);
    assert!(removed.contains("removed 2 Services"), "{removed}");
}

fn stand_still(sandbox: &Sandbox, signal: &str) {
    let kill = format!("kill -s {signal} {}", sandbox.child.id());
    let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success());
}

/// The tool where no file grows beyond so many blocks of 512 bytes, as on a full disk.
fn with_little_room(blocks: u32, directory: &Path, args: &[&str]) -> Command {
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut all = vec!["-c", &limited, "sh", TOOL];
    all.extend(args);
    started_by("sh", directory, &all)
}

#[test]
fn a_recording_that_cannot_be_written_ends_the_run_and_leaves_nothing_behind() {
    let sandbox = Sandbox::start();
    let directory = sandbox.directory.path();
    fs::write(directory.join("healthy.yaml"), healthy()).unwrap();
    let args = ["run", "healthy.yaml", "--kubeconfig", &sandbox.kubeconfig];
    let mut args = args.to_vec();
    args.extend(["--reference", "--output-dir", "run", "--cycles=500"]);
    let command = with_little_room(16, directory, &args);
    let (code, out, log) = Run::start(command, directory.join("run")).end();
    assert_eq!(code, Some(1), "{out}\n{log}");
    assert!(log.contains("the recording is in run"), "{log}");
    assert!(log.contains("File too large"), "{log}");
    let id = log
        .split("run_id=")
        .nth(1)
        .unwrap()
        .split(['"', ' '])
        .nth(1)
        .unwrap();
    assert!(log.contains(&format!("--run-id {id}")), "{log}");
    assert_eq!(sandbox.cleanup(&["--all"]), "nothing to remove\n");
}

#[test]
fn reports_that_cannot_be_written_are_printed_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tiny.yaml"), healthy()).unwrap();
    let args = ["run", "tiny.yaml", "--cycles=1", "--output-dir", "run"];
    // The recording has some 10 kB, and the page some 80 kB.
    let command = with_little_room(100, directory.path(), &args);
    let (code, out, log) = Run::start(command, directory.path().join("run")).end();
    assert_eq!(code, Some(1), "{out}\n{log}");
    assert!(out.contains("SELF-TEST") && out.contains("PASS"), "{out}");
    assert!(log.contains("File too large"), "{log}");
}

/// The processes whose command lines have this in them, without those that run the tests.
fn processes_with(word: &str) -> Vec<u32> {
    let own = std::process::id();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|it| it.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line)
                .replace('\0', " ")
                .contains(word)
        })
        .collect()
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}");
}

/// A controller that a script starts, and does not become.
fn script(directory: &Path) -> PathBuf {
    let path = directory.join("controller.sh");
    let text = format!("#!/bin/sh\n'{TOOL}' destination \"$@\"\necho ended\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_tool_that_is_killed_leaves_neither_a_controller_nor_a_kubeconfig() {
    let sandbox = Sandbox::start();
    let directory = sandbox.directory.path();
    let temporary = directory.join("tmp");
    fs::create_dir(&temporary).unwrap();
    fs::write(directory.join("scenario.yaml"), healthy()).unwrap();
    let script = script(directory);
    let script = script.to_str().unwrap();
    let ab = [
        "ab",
        "scenario.yaml",
        "--pairs=1",
        "--set=churn.cycles=50",
        "--output-dir=ab",
    ];
    let run = ["run", "scenario.yaml", "--cycles=50", "--output-dir=run"];
    let on_a_cluster = [
        &ab[..],
        &[
            "--kubeconfig",
            &sandbox.kubeconfig,
            "--candidate-bin",
            script,
            "--baseline-bin",
            script,
        ],
    ]
    .concat();
    let on_its_own = [&run[..], &["--destination-bin", script]].concat();
    for args in [on_a_cluster, on_its_own] {
        let mut command = command(directory, &args);
        command.env("TMPDIR", &temporary);
        let run = Run::start(command, directory.join("run"));
        // It serves from when it is told where.
        let serving = || processes_with(&format!("{script} --")).len() > 1;
        wait_for("the controller is never started", serving);
        run.signal("KILL");
        assert_eq!(run.end().0, None);
        let gone = || {
            processes_with(script).is_empty()
                && processes_with("destination --kubeconfig")
                    .iter()
                    .all(|pid| !ours(*pid, directory))
        };
        wait_for("the controller is still there", gone);
        let left = || fs::read_dir(&temporary).unwrap().count() == 0;
        wait_for("files are left", left);
    }
}

/// Whether a process runs in this directory.
fn ours(pid: u32, directory: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|it| it == directory)
}
