//! Texts that nobody means well with, on every flag and as scenario files: each is refused with a
//! sentence, in little memory, and none ends the process.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use clap::Parser;
use dst_load_controller::cli::{churn::ChurnArgs, client::ClientArgs, parse};
use dst_load_destination::{address::Address, pods::PodTargets};
use dst_load_scenario::{
    authority::Authority,
    quantity::{AddressRange, Bytes, Cpu, Share, Span},
    scenario::{Draft, LARGEST_SCENARIO, Scenario},
};
use dst_load_session::partner::Partner;
use dst_load_transport::{http, listen::Listen};
use proptest::prelude::*;

use crate::tool;

/// The longest message of our own about a text, in characters, whatever the text.
const LONGEST_MESSAGE: usize = 2_000;
/// What the address space of the tool is limited to here, in KiB: its threads reserve most of that.
const ADDRESS_SPACE: usize = 1_500_000;

/// A right scenario to hang hostile values on.
const RIGHT: &str = "churn: {services: 1, pattern: stable, endpoints: 1, duration: 1s}\n";

/// Pieces that mean something to one parser or another.
const PIECES: [&str; 44] = [
    "{",
    "}",
    "{1..9}",
    "{9..1}",
    "{0..4294967295}",
    "{01..9}",
    "{a,b}",
    "{,}",
    "..",
    ".",
    ",",
    "0",
    "9",
    "1",
    "a",
    "a.b:80",
    "a.",
    ":",
    "::",
    "[",
    "]",
    "[0]",
    "[::1]",
    "/",
    "/0",
    "//",
    "=",
    "a=1",
    "a=1,",
    "%",
    "-",
    "+",
    "1s",
    "1.5h",
    "1e9",
    "Gi",
    "m",
    "\\",
    "\"",
    " ",
    "\n",
    "µ",
    "https://",
    "@",
];

fn length(message: &str) -> usize {
    message.chars().count()
}

/// A text of such pieces, each repeated up to thousands of times.
fn hostile() -> impl Strategy<Value = String> {
    let times = prop_oneof![4 => Just(1_usize), 2 => 1..20_usize, 1 => 1..30_000_usize];
    let piece = prop_oneof![
        6 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    let part = (piece, times).prop_map(|(piece, times)| piece.repeat(times));
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Every flag and argument that takes a value, with the commands that lead to it.
fn flags() -> Vec<(Vec<String>, String)> {
    fn add(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, String)>) {
        for argument in command.get_arguments() {
            if let Some(long) = argument
                .get_long()
                .filter(|_| argument.get_action().takes_values())
            {
                found.push((path.to_vec(), format!("--{long}")));
            }
        }
        for inner in command.get_subcommands() {
            let path = [path, &[inner.get_name().to_owned()]].concat();
            add(inner, &path, found);
        }
    }
    let mut found = Vec::new();
    add(&parse::command(), &[], &mut found);
    found
}

/// What is said of a text by everything that reads one: results are counted, messages collected.
fn said(text: &str) -> (usize, Vec<String>) {
    let mut messages = Vec::new();
    macro_rules! parse {
        ($($kind:ty),*) => {$(
            if let Err(error) = text.parse::<$kind>() {
                messages.push(error.to_string());
            }
        )*};
    }
    parse!(
        Span,
        Share,
        Bytes,
        Cpu,
        AddressRange,
        Authority,
        Listen,
        Address,
        PodTargets
    );
    if let Err(error) = Partner::new(text) {
        messages.push(error.to_string());
    }
    if let Err(error) = http::Address::parse(text, "http://example") {
        messages.push(error.to_string());
    }
    let mut count = 0;
    let client = ["client", "--destination=a:1", &format!("--services={text}")];
    match Client::try_parse_from(client).unwrap().args.watch() {
        Ok(watch) => count = watch.targets.len(),
        Err(error) => messages.push(error.to_string()),
    }
    let mut draft = Draft::parse(RIGHT, "right.yaml").unwrap();
    let set = draft.set(text).and_then(|()| draft.finish());
    match set {
        Ok((scenario, _)) => count = count.max(scenario.services().count()),
        Err(error) => messages.push(error.to_string()),
    }
    for key in [
        "churn.services",
        "churn.minHold",
        "churn.jitter",
        "criteria.never",
        "scenario.name",
    ] {
        let mut draft = Draft::parse(RIGHT, "right.yaml").unwrap();
        let put = draft.put("--flag", key, text).and_then(|()| draft.finish());
        if let Err(error) = put {
            messages.push(error.to_string());
        }
    }
    (count, messages)
}

#[derive(Debug, Parser)]
struct Client {
    #[command(flatten)]
    args: ClientArgs,
}

#[derive(Debug, Parser)]
struct Churn {
    #[command(flatten)]
    args: ChurnArgs,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_text_ends_what_reads_it(text in hostile()) {
        let (count, messages) = said(&text);
        prop_assert!(count <= 10_000, "{count}");
        for message in messages {
            prop_assert!(length(&message) <= LONGEST_MESSAGE, "{} bytes: {}", message.len(), &message.chars().take(200).collect::<String>());
        }
    }

    #[test]
    fn no_text_ends_a_flag(text in hostile(), which in any::<prop::sample::Index>()) {
        let flags = flags();
        prop_assert!(flags.len() > 100, "{}", flags.len());
        let (path, flag) = which.get(&flags);
        let mut line = vec!["dst-load-controller".to_owned()];
        line.extend(path.iter().cloned());
        line.push(format!("{flag}={text}"));
        // Whatever it says; it may be right.
        let _ = parse::parse(line.into_iter().map(Into::into));
    }

    #[test]
    fn no_text_ends_a_scenario(text in hostile()) {
        for text in [text.clone(), format!("{RIGHT}client: {text}"), format!("churn: {text}")] {
            if let Err(error) = Scenario::from_yaml(&text, "hostile.yaml", &[]) {
                prop_assert!(length(&error.to_string()) <= LONGEST_MESSAGE, "{} characters", length(&error.to_string()));
            }
        }
    }

    #[test]
    fn no_text_ends_churn(text in hostile(), which in 0..4_usize) {
        let flag = ["--jitter", "--max-surge", "--pattern", "--service-prefix"][which];
        let line = ["churn", "--services=1", &format!("{flag}={text}")];
        if let Ok(churn) = Churn::try_parse_from(line)
            && let Err(error) = churn.args.scenario()
        {
            prop_assert!(length(&error.to_string()) <= LONGEST_MESSAGE, "{} characters", length(&error.to_string()));
        }
    }
}

/// The tool with little memory, in `directory`.
fn with_little_memory(directory: &Path, args: &[&str]) -> Output {
    let limits = format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"");
    let mut all = vec!["-c", &limits, tool::TOOL];
    all.extend(args);
    tool::started_by("bash", directory, &all).output().unwrap()
}

/// Asserts that it is refused as a mistake of the caller, in few words that end so.
fn refused(args: &[&str], end: &str) {
    let directory = tempfile::tempdir().unwrap();
    let output = with_little_memory(directory.path(), args);
    let said = tool::text(&output.stderr);
    let start: String = said.chars().take(400).collect();
    assert_eq!(output.status.code(), Some(2), "{start}");
    assert!(
        length(&said) < LONGEST_MESSAGE,
        "{} bytes: {start}",
        said.len()
    );
    assert!(said.trim_end().ends_with(end), "{start}");
}

#[test]
fn services_are_counted_before_they_are_expanded() {
    for (services, end) in [
        ("{".repeat(20_000), "has more than 16 pairs of braces"),
        ("{1..2}".repeat(20_000), "has more than 16 pairs of braces"),
        (
            format!("a-{{{}1..3}}.n:80", "0".repeat(70_000)),
            "has a number of more than 10 digits between braces",
        ),
        (
            format!("{{1..10000}}.{}:80", "n".repeat(120_000)),
            "stands for names of more than 151 characters",
        ),
        (
            "{1..4000000000}-{1..4000000000}.n:80".to_owned(),
            "more than 10000 Services are given",
        ),
    ] {
        let services = format!("--services={services}");
        refused(&["client", "--destination=127.0.0.1:1", &services], end);
    }
}

#[test]
fn keys_of_a_flag_have_a_depth() {
    for set in [
        format!("{}=1", "a.".repeat(60_000)),
        "a[0]".repeat(30_000) + "=1",
    ] {
        let set = format!("--set={set}");
        let end = if set.contains('[') {
            "is not a path of keys; write it as churn.minHold"
        } else {
            "has more than 16 keys"
        };
        refused(&["plan", "quick", &set], end);
    }
}

#[test]
fn scenarios_have_a_size_and_a_depth() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.yaml");
    let path = path.to_str().unwrap();
    let bomb = |n: usize| -> String {
        let level = |i: usize| format!("a{i}: &a{i} [{}]\n", format!("*a{},", i - 1).repeat(9));
        let first = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        (1..n).fold(first, |text, i| text + &level(i))
    };
    let many = format!("churn: [{}]", "1,".repeat(200_000));
    let limits = "; a scenario has at most 16 levels, 50000 values and 1000 aliases";
    for (text, end) in [
        ("[".repeat(100_000), limits),
        ("{a: ".repeat(100_000), limits),
        ("- ".repeat(100_000), limits),
        ("? ".repeat(100_000), limits),
        (bomb(12), limits),
        (many, limits),
        (
            format!("? {}\n: 1", "k".repeat(100_000)),
            "a key has 100000 bytes; it has at most 256",
        ),
        (
            "a: 1\n".repeat(LARGEST_SCENARIO / 4),
            "has more than 1048576 bytes; is that a scenario?",
        ),
    ] {
        fs::write(path, &text).unwrap();
        let output = with_little_memory(directory.path(), &["plan", path]);
        let stderr = tool::text(&output.stderr);
        let start: String = stderr.chars().take(400).collect();
        let what: String = text.chars().take(20).collect();
        assert_eq!(output.status.code(), Some(2), "{what}: {start}");
        assert!(length(&stderr) < LONGEST_MESSAGE, "{what}: {start}");
        assert!(stderr.trim_end().ends_with(end), "{what}: {start}");
    }
}

#[test]
fn files_without_an_end_are_no_scenarios() {
    let end = "has more than 1048576 bytes; is that a scenario?";
    refused(&["plan", "/dev/zero"], end);
    let directory = tempfile::tempdir().unwrap();
    let mut endless = tool::command(directory.path(), &["plan", "-"]);
    endless.stdin(Stdio::from(fs::File::open("/dev/zero").unwrap()));
    let said = tool::text(&endless.output().unwrap().stderr);
    assert!(said.trim_end().ends_with(end), "{said}");
}

#[test]
fn files_without_an_end_are_nothing_else_either() {
    let directory = tempfile::tempdir().unwrap();
    for (line, end) in [
        (
            vec!["report", "/dev/zero"],
            "it has more than 67108864 bytes; is that a recording?",
        ),
        (
            vec![
                "churn",
                "--services=1",
                "--endpoints-per-service=1",
                "--kubeconfig=/dev/zero",
            ],
            "kubeconfig /dev/zero cannot be used: it has more than 16777216 bytes",
        ),
    ] {
        let output = with_little_memory(directory.path(), &line);
        let said = tool::text(&output.stderr);
        let start: String = said.chars().take(400).collect();
        assert!(said.trim_end().ends_with(end), "{start}");
    }
}

#[test]
fn a_named_pipe_is_refused_and_a_shells_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    refused(
        &["plan", pipe.to_str().unwrap()],
        "is a pipe; send the scenario to standard input, and write -",
    );
    let shell = format!("exec \"$0\" plan <(printf '{}')", RIGHT.trim_end());
    let mut piped = tool::started_by("bash", directory.path(), &["-c", &shell, tool::TOOL]);
    let output = piped.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        tool::text(&output.stderr)
    );
}

#[test]
fn the_flags_that_are_tried_are_all_there_are() {
    let known = flags();
    for flag in [
        "--services",
        "--set",
        "--admin-addr",
        "--duration",
        "--addresses",
        "--threshold",
    ] {
        assert!(known.iter().any(|(_, it)| it == flag), "{flag}");
    }
}
