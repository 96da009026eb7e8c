//! Credentials: a canary in every flag, variable and file that can hold one, and none in what is
//! written.

use std::{collections::BTreeSet, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Command as Clap;
use dst_load_controller::cli::parse;
use percent_encoding::percent_decode_str;

use super::{Written, printed, tool};

/// What every canary begins with.
const CANARY: &str = "c4n4ry";

/// Flags that can hold a credential, or name a file that does. [`every_flag_is_looked_at`] holds that
/// there is a command line with each.
const CARRY: [&str; 23] = [
    "baseline-bin",
    "candidate-bin",
    "churn",
    "churn-kubeconfig",
    "destination",
    "destination-bin",
    "destination-metrics",
    "kubeconfig",
    "observe-kubeconfig",
    "policy",
    "policy-metrics",
    "prometheus",
    "prometheus-basic-auth-file",
    "prometheus-token-file",
    "push-gateway",
    "push-gateway-basic-auth-file",
    "push-gateway-token-file",
    "server",
    // What they name is shown, and what is not there is named.
    "scenario",
    "services",
    "destination-pod",
    "recordings",
    "pages",
];

/// Those that cannot: numbers, spans, names of objects, contexts and builds, files and directories that
/// are written, and what is hidden because it means nothing.
const CANNOT: &str = "\
    addr addresses admin-addr all backend baseline baseline-name batch-interval batch-size burst candidate \
    candidate-name churn-context clients cluster cluster-domain confidence connect-timeout connections context \
    controller-namespace cycles destination-endpoint-slices destination-ipv6 destination-log \
    destination-memory-limit destination-version duration enable-ipv6 enable-pprof endpoints-per-service exit-code \
    fail-on-inconclusive for force forwarded from-pods half help identity-trust-domain jitter keep kwok-nodes \
    lifecycle linger listen live log-format log-level max-endpoints max-hold max-surge max-unavailable meshed \
    metrics-addr min-endpoints min-hold namespace no-progress observe-context open-rate oscillate-hold-duration oscillate-jitter-percent \
    oscillate-max-endpoints oscillate-min-endpoints oscillate-services output output-dir output-file pairs \
    pattern pod pod-uid policies port pprof profile-endpoints profile-names profiles prometheus-selector qps quiet reference release replica run-id scale scale-duration \
    scale-from scale-to seed service-prefix set shell sides skip-checks stable-endpoints stable-services start-delay \
    stream-max-lifetime stream-reset-interval streams-per-service targets threshold version virtual wait wait-for-namespace \
    warm-up with-parent allow-namespace command exec parent";

/// Every flag by its name; of what has none, its place.
fn flags(command: &Clap, found: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str().replace('_', "-");
        found.insert(argument.get_long().map_or(id, str::to_owned));
    }
    for command in command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        flags(command, found);
    }
}

#[test]
fn every_flag_is_looked_at() {
    let mut all = BTreeSet::new();
    let mut command = parse::command();
    command.build();
    flags(&command, &mut all);
    let known: BTreeSet<_> = CARRY
        .into_iter()
        .chain(CANNOT.split_whitespace())
        .map(str::to_owned)
        .collect();
    let new: Vec<_> = all.difference(&known).collect();
    assert!(new.is_empty(), "can these hold a credential? {new:?}");
    let gone: Vec<_> = known.difference(&all).collect();
    assert!(gone.is_empty(), "these flags are no more: {gone:?}");
    let source = concat!(include_str!("secrets.rs"), include_str!("credentials.rs"));
    for flag in CARRY {
        let positional = ["pages", "recordings", "scenario"].contains(&flag);
        assert!(
            positional || source.contains(&format!("--{flag}")),
            "no command line has --{flag}"
        );
    }
}

/// The canary as base64 has it at each of the three places where it may begin.
fn encoded() -> Vec<String> {
    (0..3)
        .map(|before| {
            let text = format!("{}{CANARY}", " ".repeat(before));
            let whole = BASE64_STANDARD.encode(&text);
            // What depends on its neighbours is left out.
            let start = [0, 2, 3][before];
            let end = text.len() * 8 / 6;
            whole[start..end].to_owned()
        })
        .collect()
}

pub(crate) fn assert_silent(written: &Written) {
    let encoded = encoded();
    for (place, text) in written {
        let decoded = percent_decode_str(text).decode_utf8_lossy();
        for what in std::iter::once(CANARY).chain(encoded.iter().map(String::as_str)) {
            for text in [text.as_str(), &decoded] {
                if let Some(at) = text.find(what) {
                    let from = text[..at].rfind('\n').map_or(0, |it| it + 1);
                    let line: String = text[from..]
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .chars()
                        .take(600)
                        .collect();
                    panic!("{place} has {what}: {line}");
                }
            }
        }
    }
}

/// The tool with everything in its log.
pub(crate) fn traced(place: &Path, args: &[&str]) -> std::process::Command {
    let mut all = vec!["--log-level", "trace,h2=debug"];
    all.extend(args);
    tool(place, &all)
}

#[test]
fn what_is_looked_for_is_found_in_each_form() {
    for form in ["c4n4ry1", "Basic bWU6YzRuNHJ5MQ==", "YzRuNHJ5", "%634n4ry"] {
        let written = vec![("it".to_owned(), format!("x {form} y"))];
        assert!(
            std::panic::catch_unwind(|| assert_silent(&written)).is_err(),
            "{form}"
        );
    }
    for more in ["", "a", "ab"] {
        let text = BASE64_STANDARD.encode(format!("{more}{CANARY}z"));
        let written = vec![("it".to_owned(), text)];
        assert!(
            std::panic::catch_unwind(|| assert_silent(&written)).is_err(),
            "{more}"
        );
    }
}

#[test]
fn no_help_text_says_what_the_environment_holds() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = parse::command();
    command.build();
    for subcommand in command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        for help in ["--help", "-h"] {
            let mut asked = tool(directory.path(), &[subcommand.get_name(), help]);
            for argument in subcommand.get_arguments() {
                if let Some(variable) = argument.get_env() {
                    asked.env(variable, format!("http://me:{CANARY}1@a?t={CANARY}2"));
                }
            }
            let written = printed(&mut asked);
            assert!(written[0].1.contains("Usage:"), "{written:?}");
            assert_silent(&written);
        }
    }
}

#[test]
fn no_refusal_repeats_a_credential() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    // A name as of a file that is not there is shown; a credential in a URL is not.
    for bad in [
        "http://me:c4n4ry1@127.0.0.1:1/metrics?token=c4n4ry2",
        "ftp://me:c4n4ry1@127.0.0.1:1",
        "me:c4n4ry1@127.0.0.1:1",
        "http://me:c4n4ry1@[::1",
        "https://me:c4n4ry%40@",
        "http://127.0.0.1:1/?token=c4n4ry1#c4n4ry2",
    ] {
        let commands: [&[&str]; 22] = [
            &["run", "quick", "--live", bad],
            &["run", "quick", "--connect-timeout", bad],
            &["run", "quick", "--push-gateway", bad, "--reference"],
            &["run", "quick", "--destination", bad],
            &[
                "run",
                "quick",
                "--context",
                "x",
                "--kubeconfig",
                "none",
                "--destination",
                bad,
            ],
            &[
                "run",
                "quick",
                "--set",
                "client.policies=true",
                "--policy",
                bad,
            ],
            &[
                "run",
                "quick",
                "--set",
                "client.policies=true",
                "--policy-metrics",
                bad,
            ],
            &["run", "quick", "--qps", bad],
            &["run", "quick", bad],
            &["run", bad],
            &["plan", bad],
            &["plan", "quick", bad],
            &[bad],
            &[
                "client",
                "--destination",
                bad,
                "--services",
                "web.shop:80",
                "--duration",
                "1s",
                "--connect-timeout",
                "1s",
            ],
            &["client", "--destination", "127.0.0.1:1", "--services", bad],
            &[
                "client",
                "--destination",
                "127.0.0.1:1",
                "--services",
                "web.shop:80",
                "--churn",
                bad,
                "--duration",
                "1s",
            ],
            &[
                "client",
                "--destination-pod",
                bad,
                "--services",
                "web.shop:80",
                "--kubeconfig",
                "none",
            ],
            &[
                "check",
                "--destination-metrics",
                bad,
                "--destination",
                bad,
                "--kubeconfig",
                "none",
            ],
            &[
                "report",
                "--from-pods",
                "--prometheus",
                bad,
                "--kubeconfig",
                "none",
            ],
            &["report", "none", "--push-gateway", bad],
            &["scenario", "from-metrics", bad],
            &["run", "quick", "--destination-bin", "'./d c4n4ry3"],
        ];
        let of_a_url = [
            "--live",
            "--push-gateway",
            "--destination",
            "--policy",
            "--policy-metrics",
            "--churn",
            "--destination-metrics",
            "--prometheus",
            "--connect-timeout",
        ];
        for args in commands {
            // What has no scheme is a name where no URL is wanted, and shown.
            let is_url = args
                .windows(2)
                .any(|pair| of_a_url.contains(&pair[0]) && pair[1] == bad);
            if !bad.contains("://") && !is_url {
                continue;
            }
            assert_silent(&errors(printed(&mut traced(place, args)), args));
        }
    }
}

/// What was printed, without the name that says which command it was.
pub(crate) fn errors(written: Written, args: &[&str]) -> Written {
    let name = args.first().copied().unwrap_or_default();
    written
        .into_iter()
        .map(|(_, text)| (name.to_owned(), text))
        .collect()
}
