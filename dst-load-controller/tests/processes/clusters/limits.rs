//! How many files may be open, and how many lines are logged.

use std::process::Command;

use super::{Sandbox, ended, tool};

/// The tool where this is the limit of open files, as the shell sets it.
fn limited(sandbox: &Sandbox, limit: &str, args: &[&str]) -> Command {
    let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
    let mut command =
        tool::started_by("sh", sandbox.directory.path(), &["-c", &script, tool::TOOL]);
    command.args(args);
    command
}

#[test]
fn the_soft_limit_is_raised() {
    let sandbox = Sandbox::start();
    let args = [
        "check",
        "quick",
        "--set=client.clients=300",
        "--kubeconfig",
        &sandbox.kubeconfig,
    ];
    let (_, out, log) = ended(&mut limited(&sandbox, "-Sn 256", &args));
    assert!(
        out.contains("√ can open enough connections"),
        "{out}\n{log}"
    );
}

#[test]
fn a_hard_limit_that_is_too_low_is_told_before_anything_is_made() {
    let sandbox = Sandbox::start();
    let said = "error: 300 connections to the destination need 364 open files, and this process may \
                have 256: raise the hard limit (ulimit -Hn 512), or let clients share connections \
                (--connections)\n";
    let run = ["run", "quick", "--set=client.clients=300"];
    let (code, out, log) = ended(&mut limited(&sandbox, "-n 256", &run));
    assert_eq!((code, out.as_str(), log.as_str()), (Some(1), "", said));
    assert!(!sandbox.directory.path().join("runs").exists());
    let client = [
        "client",
        "--services=web.shop:80",
        "--clients=300",
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--destination",
        &sandbox.destination,
    ];
    let (code, out, log) = ended(&mut limited(&sandbox, "-n 256", &client));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(log.ends_with(said), "{log}");
    let run = [
        "run",
        "quick",
        "--set=client.clients=300",
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--destination",
        &sandbox.destination,
    ];
    let (code, _, log) = ended(&mut limited(&sandbox, "-n 256", &run));
    assert_eq!(code, Some(1));
    assert!(log.contains("× can open enough connections"), "{log}");
    assert_eq!(sandbox.cleanup(&["--all"]), "nothing to remove\n");
}

#[test]
fn what_all_clients_meet_is_logged_once_and_counted() {
    let sandbox = Sandbox::start();
    let client = [
        "client",
        "--services=web.shop:80",
        "--clients=200",
        "--duration=3s",
        "--admin-addr=127.0.0.1:0",
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--destination=127.0.0.1:1",
    ];
    let (_, out, log) = ended(&mut sandbox.command(&client));
    let told = "destination unavailable, retrying reason=\"Connection refused (os error 111)\"";
    assert!(log.contains(&format!("WARN {told}")), "{out}\n{log}");
    assert!(log.contains("WARN repeated count="), "{log}");
    // Of 200 clients, with four tries each.
    assert!(log.lines().count() < 20, "{log}");
}
