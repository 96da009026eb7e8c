//! The command lines printed in the documents this tool was asked for by, verbatim: each must be
//! understood, and the two dialects must mean the same where they say the same.

use std::{fs, path::Path, process::Command};

use clap::Parser;
use dst_load_controller::cli::{
    churn::ChurnArgs,
    client::{ClientArgs, Watch},
};
use dst_load_scenario::{
    plan::{Plan, Step},
    scenario::Scenario,
};

#[derive(Debug, Parser)]
enum Commands {
    Churn(Box<ChurnArgs>),
    Client(Box<ClientArgs>),
}

fn parse(argv: &[String]) -> Commands {
    Commands::try_parse_from(argv).unwrap_or_else(|error| panic!("{argv:?}: {error}"))
}

fn churn(argv: &[String]) -> (Scenario, Vec<String>, Option<String>) {
    let Commands::Churn(args) = parse(argv) else {
        panic!("{argv:?} is not churn")
    };
    let (scenario, warnings) = args.scenario().unwrap();
    (scenario, warnings, args.cluster.namespace)
}

fn watch(argv: &[String]) -> (String, Watch) {
    let Commands::Client(args) = parse(argv) else {
        panic!("{argv:?} is not client")
    };
    (args.destination.join(","), args.watch().unwrap())
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn text(document: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(format!("tests/repository/command-lines/{document}.txt"))).unwrap()
}

/// What a shell makes of the document's command lines: the arguments of each.
fn by_shell(document: &str) -> Vec<Vec<String>> {
    let stand_in = r#"dst-load-controller() { printf '%s\n' dst-load-controller "$@" ---; }"#;
    let output = Command::new("bash")
        .args(["-euc", &format!("{stand_in}\n{}", text(document))])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed
        .split("---\n")
        .filter(|part| !part.is_empty())
        .map(|part| part.lines().map(str::to_owned).collect())
        .collect()
}

/// What a Pod's args hold: the words as they are printed, nothing expanded.
fn by_pod(document: &str) -> Vec<Vec<String>> {
    text(document)
        .split("\n\n")
        .map(|line| words(&line.replace("\\\n", " ")))
        .collect()
}

/// The first hundred steps, with the Services of both named alike: names seed the jitter.
fn steps(mut scenario: Scenario) -> Vec<Step> {
    for group in &mut scenario.churn.groups {
        "test-service".clone_into(&mut group.prefix);
        group.first = 1;
    }
    Plan::new(&scenario).take(100).collect()
}

fn steps_of_line(line: &str) -> Vec<Step> {
    steps(churn(&words(line)).0)
}

#[test]
fn every_line_is_understood_by_way_of_a_shell() {
    for (document, lines) in [("load-test-plan", 6), ("implementation-readme", 4)] {
        let commands = by_shell(document);
        assert_eq!(commands.len(), lines, "{document}");
        for argv in commands {
            match argv[1].as_str() {
                "churn" => assert_eq!(churn(&argv).0.services().count(), 10),
                _ => assert_eq!(watch(&argv).1.targets.len(), 10),
            }
        }
    }
}

#[test]
fn a_pods_unexpanded_args_mean_what_the_shells_do() {
    let shell = by_shell("load-test-plan");
    let pod = by_pod("load-test-plan");
    assert_eq!(shell.len(), pod.len());
    for (shell, pod) in shell.iter().zip(&pod) {
        match pod[1].as_str() {
            "churn" => assert_eq!(churn(shell), churn(pod)),
            _ => assert_eq!(watch(shell), watch(pod)),
        }
    }
}

#[test]
fn the_plans_lines_mean_its_scenarios() {
    let lines = by_shell("load-test-plan");

    let (ramp, warnings, namespace) = churn(&lines[0]);
    assert_eq!(namespace.as_deref(), Some("test-load"));
    assert_eq!(
        warnings,
        ["--endpoints-per-service: is ignored: the pattern does not use it"]
    );
    let plan: Vec<_> = Plan::new(&ramp).collect();
    assert_eq!(plan.len(), 10 + 1 + 10 * 190 + 1);
    assert_eq!(plan.last().unwrap().at().as_secs_f64(), 600.0);

    let shipped = |name: &str| {
        let path = format!(
            "{}/../values/scenarios/{name}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = fs::read_to_string(path).unwrap();
        Scenario::from_yaml(&text, name, &[]).unwrap().0.churn
    };
    assert_eq!(churn(&lines[1]).0.churn, shipped("baseline"));
    let mut endless = shipped("small-oscillation");
    assert_eq!(churn(&lines[3]).0.churn, endless);
    endless.cycles = None;
    assert_eq!(churn(&lines[2]).0.churn, endless);

    let (destination, watched) = watch(&lines[5]);
    assert_eq!(
        destination,
        "linkerd-destination.linkerd.svc.cluster.local:8086"
    );
    assert_eq!(watched.client.streams_per_service, 10);
    assert_eq!(watched.client.stream_max_lifetime.unwrap().as_secs(), 300);
    assert_eq!(watched.client.stream_reset_interval.unwrap().as_secs(), 120);
    assert_eq!(
        watched.targets[9].to_string(),
        "test-service-10.test-load.svc.cluster.local:8080"
    );
}

#[test]
fn the_readmes_lines_mean_what_the_plans_dialect_says() {
    let lines = by_shell("implementation-readme");

    let (stable, warnings, namespace) = churn(&lines[0]);
    assert_eq!(namespace.as_deref(), Some("dst-load-test"));
    assert_eq!(warnings, [] as [&str; 0]);
    assert_eq!(stable.services().next().unwrap(), "stable-svc-0");
    assert_eq!(
        steps(stable.clone()),
        steps_of_line("dlc churn --services=10 --endpoints-per-service=100 --pattern=stable")
    );

    let (oscillating, _, _) = churn(&lines[2]);
    assert_eq!(oscillating.services().last().unwrap(), "oscillate-svc-9");
    let same = "dlc churn --services=10 --pattern=oscillate --min-endpoints=10 \
                --max-endpoints=200 --min-hold=2m --max-hold=2m";
    for jitter in ["5%", "6s"] {
        let line = format!("{same} --jitter={jitter}");
        assert_eq!(steps(oscillating.clone()), steps_of_line(&line));
    }

    for (churned, watched) in [(stable, &lines[1]), (oscillating, &lines[3])] {
        let targets = watch(watched).1.targets;
        assert!(
            churned
                .services()
                .eq(targets.iter().map(|t| t.service.clone()))
        );
        assert!(targets.iter().all(|t| t.port == churned.churn.port));
    }
}

#[test]
fn contradicting_flags_are_named() {
    for (line, message) in [
        (
            "dlc churn",
            "no Services are given; add --services, or --stable-services and \
             --oscillate-services, or --scenario",
        ),
        (
            "dlc churn --services=0",
            "--services: 0 Services leave nothing to do; it is at least 1",
        ),
        (
            "dlc churn --services=1 --pattern=oscilate",
            "--pattern: oscilate is not one of stable, oscillate, scale-up, sawtooth, rolling-update, \
             batch, spike; did you mean oscillate?",
        ),
        (
            "dlc churn --services=1 --pattern=oscillate --min-endpoints=9 --max-endpoints=3",
            "--max-endpoints: 3 is not more than minEndpoints, 9",
        ),
        (
            "dlc churn --services=1 --stable-services=1 --stable-endpoints=1",
            "--services: churn.services and the mixed form (churn.stable, churn.oscillate, \
             churn.provoke) exclude each other",
        ),
        (
            "dlc churn --scenario quick --min-hold=1ms",
            "--min-hold: 1ms is less than jitter, 200ms; a Service would overtake itself",
        ),
    ] {
        let Commands::Churn(args) = parse(&words(line)) else {
            panic!("{line}")
        };
        assert_eq!(args.scenario().unwrap_err().to_string(), message);
    }
}

#[test]
fn both_groups_of_a_mix_are_churned() {
    let line = "dlc churn --stable-services=2 --stable-endpoints=3 --oscillate-services=4 \
                --oscillate-min-endpoints=1 --oscillate-max-endpoints=2 \
                --oscillate-hold-duration=1m";
    let (scenario, _, _) = churn(&words(line));
    let names: Vec<_> = scenario.services().collect();
    assert_eq!(names[1..3], ["stable-svc-1", "oscillate-svc-0"]);
    assert_eq!(names.len(), 6);
}
