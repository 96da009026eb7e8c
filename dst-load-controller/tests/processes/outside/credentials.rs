//! Credentials of clusters, of controllers and of those who are told a result: canaries in kubeconfigs,
//! files, URLs and command lines of whole runs.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    Sandbox, Written, files, kubeconfig, printed,
    sandbox::PATIENT,
    secrets::{assert_silent, errors, traced},
    server::{always, serve},
    shown,
    tool::TOOL,
};

/// The same for commands of which the name holds the canary.
fn run(place: &Path, args: &[&str]) -> Written {
    errors(printed(&mut traced(place, args)), args)
}

/// Kubeconfigs with a canary in each field that can hold one: the name, and whether it leads to the
/// sandbox.
fn kubeconfigs(sandbox: &Sandbox) -> Vec<(&'static str, bool)> {
    let place = sandbox.directory.path();
    let text = fs::read_to_string(&sandbox.kubeconfig).unwrap();
    let (_, rest) = text.split_once("http://").unwrap();
    let end = rest.find(|c: char| c != ':' && c != '.' && !c.is_ascii_digit());
    let api = rest[..end.unwrap_or(rest.len())].to_owned();
    fs::write(place.join("token.txt"), "c4n4ry20").unwrap();
    fs::write(place.join("key.txt"), "c4n4ry21").unwrap();
    let credential = r#"{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "c4n4ry22"}}"#;
    fs::write(place.join("credential.json"), credential).unwrap();
    let here = format!("{{server: \"http://{api}\"}}");
    let refuses = always(401, "no");
    let forbids = always(403, "no");
    let cases = [
        ("token", here.clone(), "{token: c4n4ry23}", true),
        ("token-file", here.clone(), "{tokenFile: token.txt}", true),
        (
            "password",
            here.clone(),
            "{username: me, password: c4n4ry24}",
            true,
        ),
        (
            "exec",
            here.clone(),
            "{exec: {command: cat, args: [credential.json], env: [{name: T, value: c4n4ry25}]}}",
            true,
        ),
        (
            "impersonated",
            here.clone(),
            "{token: c4n4ry26, as: me}",
            true,
        ),
        (
            "failing-exec",
            here.clone(),
            "{exec: {command: sh, args: [-c, 'exit 1', c4n4ry27], env: [{name: T, value: c4n4ry28}]}}",
            false,
        ),
        (
            "talking-exec",
            here.clone(),
            "{exec: {command: echo, args: ['{\"status\": {\"token\": [\"c4n4ry29\"]}}']}}",
            false,
        ),
        ("wrong-token", here.clone(), "{token: [c4n4ry30]}", false),
        ("wrong-user", here.clone(), "c4n4ry31", false),
        (
            "key",
            here.clone(),
            "{client-certificate: token.txt, client-key: key.txt}",
            false,
        ),
        (
            "key-data",
            here.clone(),
            "{client-certificate-data: YzRuNHJ5, client-key-data: YzRuNHJ5}",
            false,
        ),
        (
            "proxy",
            "{server: \"http://api.invalid\", proxy-url: \"http://me:c4n4ry32@127.0.0.1:1\"}"
                .to_owned(),
            "{token: c4n4ry33}",
            false,
        ),
        (
            "no-proxy",
            "{server: \"http://api.invalid\", proxy-url: \"ftp://me:c4n4ry34@a\"}".to_owned(),
            "{}",
            false,
        ),
        (
            "server",
            "{server: \"https://me:c4n4ry35@127.0.0.1:1\"}".to_owned(),
            "{}",
            false,
        ),
        (
            "wrong-server",
            "{server: \"ftp://me:c4n4ry36@127.0.0.1:1\"}".to_owned(),
            "{}",
            false,
        ),
        (
            "query",
            "{server: \"http://127.0.0.1:1/?token=c4n4ry37\"}".to_owned(),
            "{token: c4n4ry38}",
            false,
        ),
        (
            "401",
            format!("{{server: \"http://{refuses}\"}}"),
            "{token: c4n4ry39}",
            false,
        ),
        (
            "403",
            format!("{{server: \"http://{forbids}\"}}"),
            "{token: c4n4ry40}",
            false,
        ),
        (
            "refused",
            "{server: \"http://127.0.0.1:1\"}".to_owned(),
            "{token: c4n4ry42}",
            false,
        ),
        (
            "tls",
            format!("{{server: \"https://{api}\"}}"),
            "{token: c4n4ry43}",
            false,
        ),
    ];
    for (name, cluster, user, _) in &cases {
        kubeconfig(&place.join(name), cluster, user);
    }
    cases
        .into_iter()
        .map(|(name, _, _, works)| (name, works))
        .collect()
}

/// What the test itself has put there.
const OURS: [&str; 26] = [
    "token.txt",
    "key.txt",
    "credential.json",
    "token",
    "token-file",
    "password",
    "exec",
    "impersonated",
    "failing-exec",
    "talking-exec",
    "wrong-token",
    "wrong-user",
    "key",
    "key-data",
    "proxy",
    "no-proxy",
    "server",
    "wrong-server",
    "query",
    "401",
    "403",
    "refused",
    "tls",
    "bearer.txt",
    "basic.txt",
    "kubeconfig",
];

#[test]
fn no_field_of_a_kubeconfig_is_shown() {
    let sandbox = Sandbox::start();
    let place = sandbox.directory.path();
    // Side by side: most of the time of those that fail is between their attempts.
    thread::scope(|all| {
        for (name, works) in kubeconfigs(&sandbox) {
            all.spawn(move || {
                let mut written = run(place, &["check", "quick", "--kubeconfig", name]);
                assert_eq!(
                    written[0].1.contains("√ can reach the API server"),
                    works,
                    "{name}: {written:?}"
                );
                if works {
                    let args = ["cleanup", "--kubeconfig", name, "--run-id", "x"];
                    written.extend(run(place, &args));
                }
                assert_silent(&written);
            });
        }
    });
    let mut written = Vec::new();
    for name in ["token-file", "failing-exec", "exec"] {
        let args = [
            "link",
            "--kubeconfig",
            "kubeconfig",
            "--churn-kubeconfig",
            name,
            "--controller-namespace",
            "default",
            "--server",
            "https://me:c4n4ry45@10.0.0.1:6443",
        ];
        written.extend(run(place, &args));
    }
    written.push(("cleanup".to_owned(), sandbox.cleanup(&["--all"])));
    let mut proxied = traced(place, &["check", "--kubeconfig", "proxied"]);
    kubeconfig(
        &place.join("proxied"),
        "{server: \"http://api.invalid\"}",
        "{}",
    );
    proxied.env("HTTP_PROXY", "http://me:c4n4ry46@127.0.0.1:1");
    written.extend(errors(printed(&mut proxied), &["check"]));
    proxied.env("HTTP_PROXY", "ftp://me:c4n4ry47@127.0.0.1:1");
    written.extend(errors(printed(&mut proxied), &["check"]));
    files(place, &OURS, &mut written);
    assert_silent(&written);
}

/// A server that sends everybody who asks to another, and how often that other was asked.
fn elsewhere() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let other = serve(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        http::Response::new(String::new())
    });
    let here = serve(move |_| {
        let to = format!("http://{other}/");
        let answer = http::Response::builder().status(302).header("location", to);
        answer.body(String::new()).unwrap()
    });
    (here.to_string(), asked)
}

#[test]
fn no_credential_of_a_run_is_in_anything_that_it_writes() {
    let sandbox = Sandbox::start();
    let place = sandbox.directory.path();
    kubeconfigs(&sandbox);
    fs::write(place.join("bearer.txt"), "c4n4ry50\n").unwrap();
    fs::write(place.join("basic.txt"), "me:c4n4ry51\n").unwrap();
    let metrics = sandbox.ready["destination_metrics"].as_str().unwrap();
    let metrics = metrics.replace("http://", "http://me:c4n4ry52@");
    let metrics = format!("{metrics}?token=c4n4ry53");
    let broken = always(500, "no");
    let mut written = Vec::new();
    // On a cluster, with the run's page served, and pushed to a gateway that refuses.
    let gateway = format!("http://me:c4n4ry54@{broken}/x?t=c4n4ry55");
    let args = [
        &[
            "run",
            "quick",
            "--duration",
            "3s",
            "--kubeconfig",
            "token",
            "--destination",
            &sandbox.destination,
            "--destination-metrics",
            &metrics,
            "--push-gateway",
            &gateway,
            "--output-dir",
            "on-a-cluster",
            "--live",
            "127.0.0.1:0",
            "--skip-checks",
            "--pprof",
        ],
        PATIENT.as_slice(),
    ];
    written.extend(run(place, &args.concat()));
    assert!(
        place.join("on-a-cluster/report.html").exists(),
        "{written:?}"
    );
    written.extend(shown(place, "on-a-cluster"));
    // A controller with a token in its command line.
    let bin = format!(
        "'{TOOL}' destination --controller-namespace c4n4ry56 --identity-trust-domain=c4n4ry57"
    );
    written.extend(run(
        place,
        &[
            "run",
            "quick",
            "--duration",
            "3s",
            "--destination-bin",
            &bin,
            "--output-dir",
            "child",
        ],
    ));
    assert!(place.join("child/report.html").exists(), "{written:?}");
    written.extend(run(
        place,
        &[
            "ab",
            "quick",
            "--duration",
            "3s",
            "--pairs",
            "1",
            "--baseline-bin",
            &bin,
            "--candidate-bin",
            &bin,
            "--output-dir",
            "ab",
        ],
    ));
    assert!(place.join("ab/comparison.html").exists(), "{written:?}");
    let (redirects, followed) = elsewhere();
    for (n, gateway) in [redirects, broken.to_string(), "127.0.0.1:1".to_owned()]
        .iter()
        .enumerate()
    {
        let url = format!("http://{gateway}");
        for (file, name) in [
            ("--push-gateway-token-file", "bearer.txt"),
            ("--push-gateway-basic-auth-file", "basic.txt"),
        ] {
            written.extend(run(
                place,
                &[
                    "report",
                    "child",
                    "--push-gateway",
                    &url,
                    file,
                    name,
                    "-o",
                    "json",
                ],
            ));
        }
        let mut by_variable = traced(place, &["report", "child", "--push-gateway", &url]);
        let variable = [
            "DST_LOAD_PUSH_GATEWAY_TOKEN",
            "DST_LOAD_PUSH_GATEWAY_BASIC_AUTH",
        ][n % 2];
        by_variable.env(variable, "me:c4n4ry58");
        written.extend(errors(printed(&mut by_variable), &["report"]));
        for (file, name) in [
            ("--prometheus-token-file", "bearer.txt"),
            ("--prometheus-basic-auth-file", "basic.txt"),
        ] {
            written.extend(run(
                place,
                &[
                    "report",
                    "--from-pods",
                    "--kubeconfig",
                    "token",
                    "-n",
                    "default",
                    "--prometheus",
                    &url,
                    file,
                    name,
                ],
            ));
        }
    }
    assert_eq!(
        followed.load(Ordering::Relaxed),
        0,
        "a redirect was followed"
    );
    // The two halves apart.
    written.extend(run(
        place,
        &[
            "client",
            "--destination",
            &sandbox.destination,
            "--destination-metrics",
            &metrics,
            "--services",
            "web.shop:80",
            "--churn",
            "http://me:c4n4ry59@127.0.0.1:1",
            "--duration",
            "2s",
            "--kubeconfig",
            "token",
            "--observe-kubeconfig",
            "password",
            "--output-dir",
            "client",
            "--admin-addr",
            "127.0.0.1:0",
        ],
    ));
    written.extend(run(
        place,
        &[
            "churn",
            "--scenario",
            "quick",
            "--duration",
            "2s",
            "--kubeconfig",
            "exec",
            "-n",
            "shop",
            "--admin-addr",
            "127.0.0.1:0",
        ],
    ));
    files(place, &OURS, &mut written);
    assert_silent(&written);
}
