//! API servers, and what stands before them, that do not answer at once.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    Sandbox, ended,
    middle::{Fault, Middle},
    reached,
    sandbox::PATIENT,
};

const BUSY: Fault = Fault::Answer(
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy",
);
const UNAVAILABLE: Fault = Fault::Answer(
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
);
const GATEWAY: Fault = Fault::Answer(
    "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 24\r\n\r\n<html>Bad Gateway</html>",
);

/// A kubeconfig that leads through this.
fn through(sandbox: &Sandbox, middle: &Middle) -> std::path::PathBuf {
    let cluster = format!("{{server: \"http://{}\"}}", middle.address);
    sandbox.kubeconfig("faulty", &cluster, "{}")
}

#[test]
fn a_check_gets_past_what_passes() {
    let sandbox = Sandbox::start();
    for faults in [
        vec![BUSY],
        vec![UNAVAILABLE],
        vec![GATEWAY, GATEWAY],
        vec![Fault::Reset],
        vec![Fault::Slow],
        vec![Fault::Silence],
        vec![BUSY, UNAVAILABLE, GATEWAY, Fault::Reset, Fault::Slow],
    ] {
        let middle = Middle::before(&sandbox.api(), &faults);
        let found = sandbox.check(&through(&sandbox, &middle));
        reached(&found);
        assert_eq!(found.2, "", "{faults:?}");
    }
}

/// A run, by a plugin's credentials, on an API that fails at first.
#[test]
fn a_run_gets_past_what_passes_and_runs_its_plugin_once() {
    let sandbox = Sandbox::start();
    let plugin = sandbox.directory.path().join("plugin");
    let prints = "#!/bin/sh\necho run >> calls\nsleep 1\necho '{\"apiVersion\": \
                  \"client.authentication.k8s.io/v1\", \"status\": {\"token\": \"t0ken\"}}'\n";
    fs::write(&plugin, prints).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    let faults = [
        BUSY,
        GATEWAY,
        UNAVAILABLE,
        Fault::Reset,
        GATEWAY,
        Fault::Slow,
        GATEWAY,
    ];
    let middle = Middle::before(&sandbox.api(), &faults);
    let cluster = format!("{{server: \"http://{}\"}}", middle.address);
    let user = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, \
                interactiveMode: Never}}";
    let path = sandbox.kubeconfig("faulty", &cluster, user);
    let path = path.to_str().unwrap();
    let mut run = vec![
        "run",
        "quick",
        "--reference",
        "--cycles=1",
        "--kubeconfig",
        path,
    ];
    run.extend(PATIENT);
    let (code, out, log) = ended(&mut sandbox.command(&run));
    assert_eq!(code, Some(0), "{out}\n{log}");
    assert!(middle.asked().len() > faults.len());
    // In words: the digits of an instant may be any number.
    for word in [
        "WARN",
        "ERROR",
        "Bad Gateway",
        "Unavailable",
        "Too Many",
        "t0ken",
    ] {
        assert!(!log.contains(word), "{log}");
    }
    let with_token = |head: &String| head.contains("authorization: Bearer t0ken");
    assert!(middle.heads().iter().all(with_token));
    let calls = fs::read_to_string(sandbox.directory.path().join("calls")).unwrap();
    assert_eq!(calls, "run\n");
    assert_eq!(sandbox.cleanup(&["--all"]), "nothing to remove\n");
}

#[test]
fn what_is_no_answer_of_an_api_is_told_in_one_line() {
    let sandbox = Sandbox::start();
    for (answer, said) in [
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized",
            "401 Unauthorized",
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 48\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            "400 Bad Request: Client sent an HTTP request to an HTTPS server.",
        ),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "407 Proxy Authentication Required",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://login.invalid\r\nContent-Length: 6\r\n\r\n<html>",
            "the answer is not of the Kubernetes API: expected value at line 1 column 1",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n{\"kind\": \"Status\", \"message\": \"no\", \"reason\": \"x\", \"code\": 403}",
            "403 Forbidden: no",
        ),
    ] {
        let middle = Middle::before(&sandbox.api(), &[Fault::Answer(answer)]);
        let (code, out, log) = sandbox.check(&through(&sandbox, &middle));
        assert_eq!((code, log.as_str()), (Some(1), ""), "{out}");
        let told = format!("× can reach the API server\n    {said}\n");
        assert!(out.contains(&told), "{out}");
    }
}

#[test]
fn who_waits_for_long_is_told_why() {
    const LATER: Fault = Fault::Answer(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    let sandbox = Sandbox::start();
    let middle = Middle::before(&sandbox.api(), &[LATER]);
    let found = sandbox.check(&through(&sandbox, &middle));
    reached(&found);
    let warned = "WARN Kubernetes API not available, retrying call=\"GET /version\" \
                  error=429 Too Many Requests delay=5s";
    assert!(found.2.contains(warned), "{}", found.2);
}

#[test]
fn an_api_that_is_not_there_is_told_soon() {
    let sandbox = Sandbox::start();
    let path = sandbox.kubeconfig("gone", "{server: \"http://127.0.0.1:1\"}", "{}");
    let (code, out, _) = sandbox.check(&path);
    assert_eq!(code, Some(1));
    assert!(out.contains("× can reach the API server"), "{out}");
    assert!(out.contains("Connection refused"), "{out}");
}
