//! Words that would steer a terminal, or pass for the tool's own.

use std::fs;

use serde_json::json;

use super::{
    Sandbox, Written, files, kubeconfig, printed,
    server::{always, grpc, serve},
    shown, tool,
};

/// Escape sequences, directions, and a line that looks like the log's.
const HOSTILE: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\u{7f}\u{202e}txet\u{2066}\u{200b}\u{feff}\u{2028}\
    \u{e0041}\n::error::x\n##[error]y\nINFO verdict: pass | `a` <script>alert(1)</script>";

fn hostile() -> String {
    format!("{HOSTILE}{}", "x".repeat(11_000))
}

/// No character of what was written steers a terminal, and no line is longer than is sane.
fn assert_harmless(written: &Written) {
    for (place, text) in written {
        let steers = |c: &char| {
            c.is_control() && *c != '\n'
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                    | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        };
        if let Some(c) = text.chars().find(steers) {
            let at = text.find(c).unwrap_or_default();
            let around: String = text[..at].chars().rev().take(200).collect();
            let around: String = around.chars().rev().collect();
            panic!("{place} has {c:?} after {around:?}");
        }
        assert!(
            !text.contains(&"x".repeat(1_600)),
            "{place} repeats all of it"
        );
        for line in text.lines() {
            let start = line.trim_start();
            assert!(!start.starts_with("::error"), "{place}: {line}");
            assert!(!line.starts_with("INFO verdict"), "{place}: {line}");
            assert!(!line.contains("##[error]"), "{place}: {line}");
        }
    }
}

fn status(code: u16) -> String {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": hostile(), "reason": hostile(), "code": code,
    })
    .to_string()
}

#[test]
fn an_api_servers_words() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    for (code, body) in [
        (403, status(403)),
        (401, hostile()),
        (422, status(422)),
        // An object, and no list.
        (
            200,
            json!({"metadata": {"name": hostile()}, "gitVersion": hostile(), "items": hostile()})
                .to_string(),
        ),
    ] {
        let api = always(code, body);
        kubeconfig(
            &place.join("k"),
            &format!("{{server: \"http://{api}\"}}"),
            "{}",
        );
        let commands: &[&[&str]] = if code == 401 {
            // It is asked again for a while.
            &[&["check", "--kubeconfig", "k"]]
        } else {
            &[
                &["check", "quick", "--kubeconfig", "k", "-n", "load"],
                &["check", "quick", "--kubeconfig", "k", "-o", "json"],
                &["cleanup", "--kubeconfig", "k", "--all"],
                &["run", "quick", "--kubeconfig", "k", "--reference"],
                &[
                    "churn",
                    "--scenario",
                    "quick",
                    "--kubeconfig",
                    "k",
                    "-n",
                    "load",
                    "--admin-addr",
                    "127.0.0.1:0",
                ],
                &["report", "--from-pods", "--kubeconfig", "k", "-n", "load"],
            ]
        };
        for args in commands {
            let mut all = vec!["--log-level", "trace"];
            all.extend(*args);
            let mut written = printed(&mut tool(place, &all));
            files(place, &["k"], &mut written);
            assert_harmless(&written);
        }
    }
}

/// A client of a sandbox's Services, whose destination or whose churn says something else.
fn watched(sandbox: &Sandbox, more: &[&str]) -> Written {
    let place = sandbox.directory.path();
    let _ = fs::remove_dir_all(place.join("out"));
    let mut args = vec![
        "--log-level",
        "trace",
        "client",
        "--kubeconfig",
        &sandbox.kubeconfig,
        "--services",
        "web.shop:80",
        "--duration",
        "2s",
        "--connect-timeout",
        "2s",
        "--output-dir",
        "out",
        "--admin-addr",
        "127.0.0.1:0",
    ];
    args.extend(more);
    let mut written = printed(&mut tool(place, &args));
    if place.join("out/recording.jsonl").exists() {
        written.extend(shown(place, "out"));
    }
    files(place, &["kubeconfig"], &mut written);
    written
}

#[test]
fn a_destinations_words() {
    let sandbox = Sandbox::start();
    // One that is passing, and one that is not.
    for code in [13, 3] {
        let destination = grpc(code, &hostile()).to_string();
        let written = watched(&sandbox, &["--destination", &destination]);
        let all: String = written.iter().map(|(_, text)| text.as_str()).collect();
        assert!(
            all.contains("\\u{1b}]0;pwned"),
            "{code}: nothing of it was shown\n{all}"
        );
        assert_harmless(&written);
    }
    let metrics = always(
        200,
        format!(
            "process_cpu_seconds_total {}\n",
            hostile().replace('\n', "")
        ),
    );
    let metrics = format!("http://{metrics}/metrics");
    let written = watched(
        &sandbox,
        &[
            "--destination",
            &sandbox.destination,
            "--destination-metrics",
            &metrics,
        ],
    );
    assert_harmless(&written);
}

#[test]
fn a_churns_words() {
    let sandbox = Sandbox::start();
    let answers: [fn() -> String; 3] = [
        || json!({"now": 1, "start": hostile(), "namespace": hostile(), "last": 1}).to_string(),
        || json!({"now": hostile()}).to_string(),
        hostile,
    ];
    for clock in answers {
        let events = serve(move |request| {
            let body = if request.uri().path() == "/clock" {
                clock()
            } else {
                format!(
                    "{}\n",
                    json!({
                        "sequence": 1, "action": hostile(), "service": hostile(), "from": 1, "to": 2,
                        "add": 1, "remove": 0, "intended": 5, "error": hostile(),
                    })
                )
            };
            http::Response::new(body)
        });
        let churn = format!("http://{events}");
        let written = watched(
            &sandbox,
            &["--destination", &sandbox.destination, "--churn", &churn],
        );
        assert_harmless(&written);
    }
}

#[test]
fn the_words_of_those_who_are_told_a_result() {
    let sandbox = Sandbox::start();
    watched(&sandbox, &["--destination", &sandbox.destination]);
    let place = sandbox.directory.path();
    for body in [
        hostile(),
        json!({"status": "error", "error": hostile()}).to_string(),
    ] {
        let url = format!("http://{}", always(400, body));
        let args = ["report", "out", "--push-gateway", &url];
        assert_harmless(&printed(&mut tool(place, &args)));
    }
}

#[test]
fn a_plugins_words() {
    let sandbox = Sandbox::start();
    let place = sandbox.directory.path();
    fs::write(place.join("words"), hostile()).unwrap();
    let cluster = "{server: \"http://127.0.0.1:1\"}";
    for user in [
        "{exec: {command: sh, args: [\"-c\", \"cat words >&2; exit 1\"]}}".to_owned(),
        "{exec: {command: cat, args: [words]}}".to_owned(),
        format!(
            "{{exec: {{command: no-such, installHint: {}}}}}",
            json!(hostile())
        ),
        json!({"exec": {"command": hostile()}}).to_string(),
    ] {
        kubeconfig(&place.join("k"), cluster, &user);
        let written = printed(&mut tool(place, &["check", "--kubeconfig", "k"]));
        assert_harmless(&written);
    }
    for user in [
        json!(hostile()).to_string(),
        format!("{{token: [{}]}}", json!(hostile())),
    ] {
        kubeconfig(&place.join("k"), cluster, &user);
        assert_harmless(&printed(&mut tool(place, &["check", "--kubeconfig", "k"])));
    }
}

#[test]
fn a_controllers_words() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    fs::write(place.join("words"), hostile()).unwrap();
    let bin = "sh -c 'cat words; exit 1'";
    let args = [
        "run",
        "quick",
        "--destination-bin",
        bin,
        "--output-dir",
        "out",
    ];
    let written = printed(&mut tool(place, &args));
    assert!(written[1].1.contains("\\u{1b}]0;pwned"), "{written:?}");
    assert_harmless(&written);
}

#[test]
fn words_of_files_and_command_lines() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let text = json!({
        "scenario": {"name": hostile(), "description": hostile(), "seed": 1},
        "churn": {"services": 1, "endpoints": 1, "duration": "1s", "pattern": hostile()},
        hostile(): 1,
    });
    fs::write(place.join("s.yaml"), text.to_string()).unwrap();
    let named = json!({
        "scenario": {"name": HOSTILE, "description": hostile(), "seed": 1},
        "churn": {"services": 1, "endpoints": 1, "duration": "1s"},
    });
    fs::write(place.join("n.yaml"), named.to_string()).unwrap();
    fs::write(place.join("damaged"), hostile()).unwrap();
    let word = hostile();
    let set = format!("--set=churn.pattern={word}");
    let name = format!("--baseline-name={word}");
    let commands: [&[&str]; 16] = [
        &["plan", "s.yaml"],
        &["plan", "n.yaml"],
        &["plan", "n.yaml", "-o", "json"],
        &["run", "n.yaml", "--virtual", "--output-dir", "v"],
        &["plan", "quick", &set],
        &["plan", HOSTILE],
        &["plan", &word],
        &[&word],
        &["run", "quick", "--live", &word],
        &["run", "quick", "--push-gateway", &word],
        &["client", "--destination", &word, "--services", &word],
        &[
            "client",
            "--destination",
            "127.0.0.1:1",
            "--services",
            &word,
        ],
        &["report", HOSTILE],
        &["report", "damaged"],
        &["compare", "damaged", HOSTILE, &name],
        &["--log-level", &word, "check", "--kubeconfig", HOSTILE],
    ];
    for args in commands {
        let mut written = printed(&mut tool(place, args));
        files(place, &["s.yaml", "n.yaml", "damaged"], &mut written);
        // The recording holds the scenario as it was given.
        written.retain(|(place, _)| !place.ends_with("recording.jsonl"));
        assert_harmless(&written);
    }
}
