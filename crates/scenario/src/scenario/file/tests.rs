//! Scenario files: what is read, and what is said of mistakes.

mod limits;
mod nulls;
mod optional;
mod paths;
mod patterns;

use std::time::Duration;

use crate::{
    criteria::Criterion,
    published::{assert_published, pretty},
    scenario::{Draft, Lifecycle, Scenario},
    stale_state::StaleStateCase,
};

/// The error that `text` earns as `s.yaml`.
fn error(text: &str) -> String {
    Scenario::from_yaml(text, "s.yaml", &[])
        .unwrap_err()
        .to_string()
}

/// The error that `--set` earns on a scenario that is right.
fn set_error(assignment: &str) -> String {
    Scenario::from_yaml(RIGHT, "s.yaml", &[assignment.to_owned()])
        .unwrap_err()
        .to_string()
}

const RIGHT: &str = "\
churn:
  services: 2
  pattern: oscillate
  minEndpoints: 5
  maxEndpoints: 30
  minHold: 3s
  maxHold: 4s
";

/// `RIGHT` with one line replaced.
fn wrong(from: &str, to: &str) -> String {
    assert!(RIGHT.contains(from));
    error(&RIGHT.replace(from, to))
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_would_be_right() {
    let messages = [
        wrong("minHold: 3s", "minHolt: 3s"),
        wrong("pattern: oscillate", "pattern: oscilate"),
        wrong("minHold: 3s", "minHold: 3"),
        wrong("minHold: 3s", "minHold: 3x"),
        wrong("minHold: 3s", "minHold: 1.5ms"),
        wrong("minHold: 3s", "minHold: 0s"),
        wrong("minHold: 3s", "minHold: [3s]"),
        wrong("  maxHold: 4s\n", ""),
        wrong("minEndpoints: 5", "minEndpoints: 50"),
        wrong(
            "minEndpoints: 5\n  maxEndpoints: 30",
            "maxEndpoints: 5\n  minEndpoints: 30",
        ),
        wrong("minEndpoints: 5", "minEndpoints: -5"),
        wrong("minEndpoints: 5", "minEndpoints: few"),
        wrong("services: 2", "services: 0"),
        wrong("services: 2", "services: 5001"),
        wrong("services: 2", "services: 5000000000"),
        wrong("maxEndpoints: 30", "maxEndpoints: 80000"),
        wrong("services: 2", "services: 2\n  services: 3"),
        wrong("services: 2", "services: 2\n  servicePrefix: Web"),
        wrong("services: 2", "services: 2\n  servicePrefix: 9-lives"),
        wrong(
            "services: 2",
            &format!("services: 10\n  servicePrefix: {}", "a".repeat(61)),
        ),
        wrong("services: 2", "services: 2\n  backend: slice"),
        wrong(
            "services: 2",
            "services: 2\n  backend: slices\n  meshed: true",
        ),
        wrong(
            "services: 2",
            "services: 2\n  backend: slices\n  meshed: often",
        ),
        wrong(
            "services: 2",
            "services: 2\n  backend: pods\n  addresses: 10.0.0.0",
        ),
        wrong(
            "services: 2",
            "services: 2\n  backend: pods\n  addresses: 10.0.0.0/27",
        ),
        wrong(
            "services: 2",
            "services: 2\n  provoke: {endpoints: 5, hold: 5s}",
        ),
        error("churn:\n  provoke: {endpoints: 5, hold: 5s}\n"),
        error("churn:\n  backend: slices\n  provoke: {endpoints: 5, hold: 5s}\n"),
        error("churn:\n  backend: pods\n  provoke: {endpoints: 500, hold: 5s}\n"),
        error("churn:\n  backend: pods\n  provoke: {endpoints: 0, hold: 5s}\n"),
        error("churn:\n  backend: pods\n  provoke: {endpoints: 5}\n"),
        error(
            "churn:\n  backend: pods\n  provoke: {endpoints: 5, hold: 5s, kinds: [podMoved, podMoved]}\n",
        ),
        error(
            "churn:\n  backend: pods\n  provoke: {endpoints: 5, hold: 5s, kinds: [portChange]}\n",
        ),
        wrong("services: 2", "services: 2\n  cycles: 0"),
        wrong("services: 2", "services: 2\n  port: 0"),
        wrong("services: 2", "services: 2\n  port: 70000"),
        wrong("services: 2", "services: 2\n  jitter: 5s"),
        wrong("services: 2", "services: 2\n  jitter: 500%"),
        wrong(
            "services: 2",
            "services: 2\n  stable: {services: 1, endpoints: 1}",
        ),
        wrong("churn:", "scenario: {name: My Run}\nchurn:"),
        wrong("churn:", "criteria: {updateLatency: {p95: 5}}\nchurn:"),
        wrong("churn:", "criteria: {sendTimeoutRate: 5}\nchurn:"),
        wrong("churn:", "criteria: {target: {memoryMax: 6XB}}\nchurn:"),
        wrong("churn:", "criteria: {target: {cpuMax: all}}\nchurn:"),
        wrong("churn:", "sandbox: {faults: [{kind: dropUpdates}]}\nchurn:"),
        wrong("churn:", "sandbox: {faults: [{at: 5s}]}\nchurn:"),
        wrong("churn:", "sandbox: {faults: [{kind: lateUpdate}]}\nchurn:"),
        wrong(
            "churn:",
            "sandbox: {faults: [{kind: dropUpdate, share: 200%}]}\nchurn:",
        ),
        wrong("churn:", "sandbox: {nodes: 2, zones: 5}\nchurn:"),
        wrong("churn:", "sandbox: {podStart: {min: 5s, max: 2s}}\nchurn:"),
        wrong("churn:", "client: {clients: 0}\nchurn:"),
        wrong("churn:", "client: {clients: 600000}\nchurn:"),
        wrong("churn:", "client: {clients: 600000, targets: 2}\nchurn:"),
        wrong("churn:", "client: {targets: 0}\nchurn:"),
        wrong("churn:", "client: {targets: few}\nchurn:"),
        wrong("churn:", "client: {targets: 1.5}\nchurn:"),
        wrong("churn:", "client: {targets: {exponent: 1}}\nchurn:"),
        wrong(
            "churn:",
            "client: {targets: {count: 1, exponent: 11}}\nchurn:",
        ),
        wrong(
            "churn:",
            "client: {targets: {count: 1, exponent: -1}}\nchurn:",
        ),
        wrong(
            "churn:",
            "client: {targets: {count: 1, distribution: zipff}}\nchurn:",
        ),
        wrong(
            "churn:",
            "client: {targets: {count: 1, distribution: uniform, exponent: 1}}\nchurn:",
        ),
        wrong(
            "churn:",
            "client: {targets: {count: 1, byLabel: a}}\nchurn:",
        ),
        wrong("churn:", "measure: {deadline: 0}\nchurn:"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    s.yaml:6:3: unknown key churn.minHolt; did you mean minHold?
    s.yaml:3:12: churn.pattern: oscilate is not one of stable, oscillate, scale-up, sawtooth, rolling-update, batch, spike; did you mean oscillate?
    s.yaml:6:12: churn.minHold: 3 has no unit; write for example 500ms, 5s, 2m or 1h30m
    s.yaml:6:12: churn.minHold: 3x has an unknown unit; the units are h, m, s, ms, us and ns
    s.yaml:6:12: churn.minHold: 1ms500us is not a whole number of milliseconds, which is the plan's grid
    s.yaml:6:12: churn.minHold: 0s is too short; it is at least 1ms
    s.yaml:6:12: churn.minHold: a list is not a duration such as 500ms, 2m or 1h30m
    s.yaml:3:12: churn.pattern: needs maxHold, which is missing
    s.yaml:5:17: churn.maxEndpoints: 30 is not more than minEndpoints, 50
    s.yaml:5:17: churn.minEndpoints: 30 is not less than maxEndpoints, 5
    s.yaml:4:17: churn.minEndpoints: -5 is negative; it is at least 0
    s.yaml:4:17: churn.minEndpoints: few is not a whole number
    s.yaml:2:13: churn.services: 0 Services leave nothing to do; it is at least 1
    s.yaml:2:13: churn.services: 5001 Services are more than 5000, what Kubernetes supports in a namespace
    s.yaml:2:13: churn.services: 5000000000 is more than 4294967295
    s.yaml:5:17: churn.maxEndpoints: 160000 endpoints in all are more than 150000, the pods that Kubernetes supports in a cluster
    s.yaml:3:3: duplicate mapping key: services not allowed here
    s.yaml:3:18: churn.servicePrefix: the Service name "Web-2" is not a DNS label: lower-case letters, digits and inner dashes
    s.yaml:3:18: churn.servicePrefix: the Service name "9-lives-2" does not start with a letter
    s.yaml:3:18: churn.servicePrefix: the Service name "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-10" has 64 characters; it may have 63
    s.yaml:3:12: churn.backend: slice is not one of deployments, pods, slices; did you mean slices?
    s.yaml:4:11: churn.meshed: bare addresses have no Pods that could look meshed; say backend: deployments or pods
    s.yaml:4:11: churn.meshed: often is not a boolean
    s.yaml:4:14: churn.addresses: 10.0.0.0 is not a range of IPv4 addresses; write for example 240.0.0.0/4
    s.yaml:4:14: churn.addresses: 10.0.0.0/27 has 16 addresses for each of 2 Services, which have up to 30 endpoints
    s.yaml:2:13: churn.services: churn.services and the mixed form (churn.stable, churn.oscillate, churn.provoke) exclude each other
    s.yaml:2:12: churn.provoke: provoke needs backend: pods, since only endpoints with Pods are mishandled
    s.yaml:2:12: churn.backend: provoke needs backend: pods, since only endpoints with Pods are mishandled
    s.yaml:3:24: churn.provoke.endpoints: 500 is more than 100, what one slice holds
    s.yaml:3:24: churn.provoke.endpoints: 0 is too few; it is at least 1
    s.yaml:3:12: churn.provoke: needs hold, which is missing
    s.yaml:3:55: churn.provoke.kinds[1]: is given twice
    s.yaml:3:45: churn.provoke.kinds[0]: portChange is not one of portChanged, addressChanged, podMoved, sharedEndpoint, sliceAfterPods, sliceBeforePods, serviceRecreated; did you mean portChanged?
    s.yaml:3:11: churn.cycles: 0 is too few; it is at least 1
    s.yaml:3:9: churn.port: 0 is no port; it is 1 to 65535
    s.yaml:3:9: churn.port: 70000 is more than 65535
    s.yaml:7:12: churn.minHold: 3s is less than jitter, 5s; a Service would overtake itself
    s.yaml:3:11: churn.jitter: 500% is not a percentage from 0 to 100
    s.yaml:2:13: churn.services: churn.services and the mixed form (churn.stable, churn.oscillate, churn.provoke) exclude each other
    s.yaml:1:18: scenario.name: "My Run" is not a DNS label: lower-case letters, digits and inner dashes, because it names the run's namespace
    s.yaml:1:33: criteria.updateLatency.p95: 5 has no unit; write for example 500ms, 5s, 2m or 1h30m
    s.yaml:1:29: criteria.sendTimeoutRate: 5 has no unit; write a percentage such as 10%
    s.yaml:1:32: criteria.target.memoryMax: 6XB has an unknown unit; write for example 512Mi, 2GiB or 6GB
    s.yaml:1:29: criteria.target.cpuMax: all is no amount of CPU; write for example 500m or 2
    s.yaml:1:27: sandbox.faults[0].kind: dropUpdates is not one of dropUpdate, lateUpdate, duplicateUpdate, swapUpdates, keepStaleAddress, inventAddress, overflowStream, resetStream, ignorePortChange, removeSharedEndpoint, forgetRecreatedService, keepAddressesOfDeletedSlice, tooManyRequests, conflict, gone, internalError, hangUpWatch, silentWatch, lateWatch, forbidden, unauthorized, slowPods, throttleGenerator; did you mean dropUpdate?
    s.yaml:1:20: sandbox.faults[0]: kind is missing
    s.yaml:1:27: sandbox.faults[0].kind: this kind of fault needs a delay of at least 1ms
    s.yaml:1:46: sandbox.faults[0].share: 200% is more than 100%
    s.yaml:1:28: sandbox.zones: 5 is more than the 2 Nodes there are to be in them
    s.yaml:1:36: sandbox.podStart.max: min 5s is more than max 2s
    s.yaml:1:19: client.clients: 0 is too few; it is at least 1
    s.yaml:1:19: client.clients: 1200000 streams in all (services × streamsPerService × clients × replicas) are more than 1000000
    s.yaml:1:19: client.clients: 1200000 streams in all (targets × streamsPerService × clients × replicas) are more than 1000000
    s.yaml:1:19: client.targets: 0 is too few; it is at least 1
    s.yaml:1:19: client.targets: few is not a whole number
    s.yaml:1:19: client.targets: 1.5 is not a whole number
    s.yaml:1:19: client.targets: count is missing
    s.yaml:1:40: client.targets.exponent: 11 is more than 10
    s.yaml:1:40: client.targets.exponent: -1 is not a number of at least 0
    s.yaml:1:44: client.targets.distribution: zipff is not one of zipf, uniform; did you mean zipf?
    s.yaml:1:63: client.targets.exponent: is of the distribution zipf; leave it out where it is uniform
    s.yaml:1:30: unknown key client.targets.byLabel; did you mean exponent?
    s.yaml:1:21: measure.deadline: 0s is too short; it is at least 1ms
    "#);
}

#[test]
fn a_misspelt_key_within_a_section_that_may_be_a_value_is_named_with_its_place_and_the_nearest() {
    for (section, position, said) in [
        (
            "client: {targets: {cuont: 12}}",
            "8:20",
            "client.targets.cuont; did you mean count?",
        ),
        (
            "client: {stalled: {clients: 5, raeder: never}}",
            "8:32",
            "client.stalled.raeder; did you mean reader?",
        ),
        (
            "sandbox: {podStart: {min: 1s, maxx: 2s}}",
            "8:31",
            "sandbox.podStart.maxx; did you mean max?",
        ),
    ] {
        let message = error(&format!("{RIGHT}{section}\n"));
        assert_eq!(message, format!("s.yaml:{position}: unknown key {said}"));
    }
    assert_eq!(
        set_error("client.targets.cuont=12"),
        "--set client.targets.cuont: unknown key client.targets.cuont; did you mean count?"
    );
}

#[test]
fn what_is_no_scenario_at_all_is_said_so() {
    let messages = [
        error(""),
        error("# nothing\n"),
        error("- churn\n"),
        error("churn\n"),
        error("churn: 5\n"),
        error("churn:\n"),
        error("client: {clients: 1}\n"),
        error("churn: {services: 1\n"),
        error("churn:\n\tservices: 1\n"),
        error("churn: {services: 1}\n---\nchurn: {services: 2}\n"),
        Draft::read(b"churn:\n  serv\xffices: 1\n", "s.yaml")
            .unwrap_err()
            .to_string(),
        Draft::read(b"\x7fELF\x02\x01\x00\x00", "s.yaml")
            .unwrap_err()
            .to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    s.yaml:1:1: the file is empty; a scenario needs churn.services
    s.yaml:1:1: the file is empty; a scenario needs churn.services
    s.yaml:1:1: a list where the sections scenario, churn, client, … belong
    s.yaml:1:1: churn where the sections scenario, churn, client, … belong
    s.yaml:1:8: churn: 5 where a section with keys belongs
    s.yaml:1:1: churn.services is missing; say how many Services to make
    s.yaml:1:1: churn.services is missing; say how many Services to make
    s.yaml:1:8: unclosed bracket '{'
    s.yaml:2:2: tabs disallowed within this context (block indentation)
    s.yaml:3:1: only single YAML document expected but multiple found
    s.yaml:2:7: the byte 0xff is not UTF-8 text; a scenario is a YAML file
    s.yaml:1:1: unexpected character: `\u{7f}'
    "#);
}

#[test]
fn an_override_is_named_instead_of_the_file() {
    let messages = [
        set_error("churn.minHold=soon"),
        set_error("churn.minHolt=5s"),
        set_error("churn.minEndpoints=500"),
        set_error("churn.services=0"),
        set_error("churn.minHold.x=5s"),
        set_error("churn.minHold"),
        set_error("sandbox.faults[0].kind=dropUpdate"),
        set_error("criteria.throughputMin=-0.5"),
        set_error("criteria.throughputMin=inf"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    --set churn.minHold: soon is not a duration; write for example 500ms, 2m or 1h30m
    --set churn.minHolt: unknown key churn.minHolt; did you mean minHold?
    --set churn.minEndpoints: 500 is not less than maxEndpoints, 30
    --set churn.services: 0 Services leave nothing to do; it is at least 1
    --set churn.minHold.x: churn.minHold.x leads through 3s, which has no keys
    --set: "churn.minHold" has no =; write it as churn.minHold=5s
    --set sandbox.faults[0].kind: sandbox.faults[0].kind is not a path of keys; write it as churn.minHold
    --set criteria.throughputMin: -0.5 is not a number of at least 0
    --set criteria.throughputMin: inf is not a number of at least 0
    "#);
}

#[test]
fn overrides_apply_in_order_and_may_be_several() {
    let overrides = [
        "churn.minHold=5s,churn.cycles=4",
        "churn.minHold=6s",
        "scenario.name=x",
    ];
    let overrides = overrides.map(str::to_owned);
    let (scenario, _) = Scenario::from_yaml(RIGHT, "s.yaml", &overrides).unwrap();
    assert_eq!(scenario.churn.cycles, Some(4));
    assert_eq!(scenario.name, "x");
    let fraction = ["criteria.throughputMin=0.5".to_owned()];
    let (with_fraction, _) = Scenario::from_yaml(RIGHT, "s.yaml", &fraction).unwrap();
    assert_eq!(
        with_fraction.criteria.limit(Criterion::ThroughputMin),
        Some(0.5)
    );
    let text = scenario.effective().unwrap();
    assert_eq!(text["churn"]["minHold"], "6s");
}

#[test]
fn limits_that_may_be_fractions_are_printed_as_they_were_written() {
    for limit in ["1", "1.5", "0", "0.25", "20000"] {
        let text = format!(
            "{RIGHT}criteria: {{throughputMin: {limit}, updates: {{perChangeMax: {limit}}}}}\n"
        );
        let (scenario, _) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
        let criteria = &scenario.effective().unwrap()["criteria"];
        let printed = [
            criteria["throughputMin"].to_string(),
            criteria["updates"]["perChangeMax"].to_string(),
        ];
        assert_eq!(printed, [limit, limit]);
        let limits = scenario.criteria.limits();
        let words: Vec<_> = limits.iter().map(|(_, words)| words.as_str()).collect();
        assert_eq!(words, [limit, limit]);
    }
}

#[test]
fn percentages_of_a_hold_are_printed_as_they_were_written() {
    for percent in ["7", "12.5", "100"] {
        let group = format!(
            "{{services: 2, minEndpoints: 1, maxEndpoints: 7, hold: 2m, jitterPercent: {percent}}}"
        );
        let text =
            format!("churn:\n  stable: {{services: 3, endpoints: 9}}\n  oscillate: {group}\n");
        let (scenario, _) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
        let effective = scenario.effective().unwrap();
        let printed = effective["churn"]["oscillate"]["jitterPercent"].to_string();
        assert_eq!(printed, percent);
    }
}

#[test]
fn chart_only_keys_are_skipped_and_unused_ones_warned_of() {
    let text = format!(
        "{RIGHT}  resources: {{limits: {{cpu: 1}}}}\n  batchSize: 3\nimage: {{tag: x}}\nglobal: {{}}\n"
    );
    let (_, warnings) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
    assert_eq!(
        warnings,
        ["s.yaml:9:14: churn.batchSize: is ignored: the pattern does not use it"]
    );
}

#[test]
fn addresses_that_nobody_gives_are_warned_of() {
    let text = format!("{RIGHT}  addresses: 10.0.0.0/8\n");
    let (_, warnings) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
    assert_eq!(
        warnings,
        [
            "s.yaml:8:14: churn.addresses: is ignored: the cluster gives Deployments' pods their addresses"
        ]
    );
}

#[test]
fn each_stale_state_case_has_services_named_after_it() {
    let text = "churn: {backend: pods, provoke: {services: 2, endpoints: 5, hold: 7s}}";
    let (scenario, _) = Scenario::from_yaml(text, "s.yaml", &[]).unwrap();
    let names: Vec<_> = scenario.services().collect();
    assert_eq!(names.len(), 14);
    assert_eq!(
        names[..3],
        ["port-changed-1", "port-changed-2", "address-changed-1"]
    );
    for (group, case) in scenario
        .churn
        .groups
        .iter()
        .zip(StaleStateCase::ALL.iter().copied())
    {
        let named = group.names().map(|name| StaleStateCase::of_service(&name));
        assert!(named.eq([Some(case); 2]));
    }
    assert_eq!(StaleStateCase::of_service("test-service-1"), None);
}

#[test]
fn a_scenario_without_a_name_has_its_files() {
    let (scenario, _) = Scenario::from_yaml(RIGHT, "some/where/my-run.yaml", &[]).unwrap();
    assert_eq!(scenario.name, "my-run");
    let (scenario, _) = Scenario::from_yaml(RIGHT, "My Run.yaml", &[]).unwrap();
    assert_eq!(scenario.name, "scenario");
}

#[test]
fn the_effective_form_reads_back_to_the_same_scenario() {
    let mixed = "churn:\n  stable: {services: 3, endpoints: 9}\n  oscillate: {services: 2, minEndpoints: 1, maxEndpoints: 7, hold: 2m, jitterPercent: 7}\n";
    let patterns = [
        RIGHT.to_owned(),
        mixed.to_owned(),
        format!("{RIGHT}  jitter: 7%\n"),
        RIGHT.replace("oscillate", "spike"),
        format!("{}  batchSize: 2\n  batchInterval: 1s\n", RIGHT.replace("oscillate", "batch")),
        "churn: {services: 1, pattern: scale-up, scaleFrom: 3, scaleTo: 50, scaleDuration: 30s, duration: 1h30m}".to_owned(),
        "churn: {services: 1, pattern: rolling-update, endpoints: 10, minHold: 30s}".to_owned(),
        "churn: {services: 1, endpoints: 10, backend: slices, addresses: 10.0.0.0/8}".to_owned(),
        "churn: {services: 1, endpoints: 10, backend: pods, meshed: true}".to_owned(),
        "churn: {services: 1, endpoints: 10, meshed: true}".to_owned(),
        "churn: {services: 1, endpoints: 10}\nclient: {targets: 3}".to_owned(),
        "churn: {services: 1, endpoints: 10}\nclient: {targets: {count: 3, exponent: 0.75}}".to_owned(),
        "churn: {services: 1, endpoints: 10}\nclient: {targets: {count: 3, distribution: uniform}}".to_owned(),
        "churn: {backend: pods, provoke: {services: 2, endpoints: 5, hold: 7s}}".to_owned(),
        "churn: {backend: pods, provoke: {kinds: [podMoved], endpoints: 5, hold: 7s}}".to_owned(),
        "churn: {backend: pods, stable: {services: 1, endpoints: 2}, provoke: {kinds: [sharedEndpoint, portChanged], endpoints: 5, hold: 7s}}".to_owned(),
        "churn: {services: 1, endpoints: 10}\nsandbox: {podStart: 50ms, faults: [{kind: slowPods, at: 3s, lasts: 2s, share: 12.5%, delay: 1s}]}".to_owned(),
        "churn: {services: 1, endpoints: 10}\ncriteria: {throughputMin: 1500.5, endToEnd: {p50: 1ms, everyClientWithin: 1m}, target: {memoryMax: 8Gi, memoryGrowthPerHour: 0.3, cpuMax: 1500m}}\nclient: {streamMaxLifetime: 5m, streamResetInterval: 2m}\nmeasure: {deadline: 7s}".to_owned(),
        "churn: {services: 1, endpoints: 10}\nclient: {lifecycle: proxy}".to_owned(),
        "churn: {services: 1, endpoints: 10}\nclient: {lifecycle: proxy, profiles: false, profileEndpoints: true, profileNames: 2, policies: true}\nsandbox: {replicas: 3, faults: [{kind: dropUpdate, replica: 2}]}".to_owned(),
    ];
    for text in &patterns {
        let (scenario, _) = Scenario::from_yaml(text, "s.yaml", &[]).unwrap();
        let effective = scenario.effective().unwrap().to_string();
        let (again, warnings) = Scenario::from_yaml(&effective, "effective.json", &[]).unwrap();
        assert_eq!(again, scenario, "{text}");
        assert_eq!(warnings, [] as [&str; 0]);
    }
}

#[test]
fn clients_that_ask_for_some_services_have_as_many_streams_and_no_more() {
    let streams = |client: &str| {
        let text = format!("churn: {{services: 400, endpoints: 1}}\nclient: {{{client}}}\n");
        Scenario::from_yaml(&text, "s.yaml", &[]).map(|(scenario, _)| scenario.streams())
    };
    assert!(streams("clients: 5000").is_err(), "two million streams");
    assert_eq!(streams("clients: 5000, targets: 12"), Ok(60_000));
    assert_eq!(
        streams("clients: 500, replicas: 10, targets: 12"),
        Ok(60_000)
    );
    assert_eq!(
        streams("clients: 500, targets: {count: 12}, streamsPerService: 2"),
        Ok(12_000)
    );
    assert_eq!(streams("clients: 2, targets: 401"), Ok(800));
}

#[test]
fn targets_are_a_number_or_a_section() {
    let targets = |of: &str| {
        let text = format!("{RIGHT}client: {{targets: {of}}}\n");
        Scenario::from_yaml(&text, "s.yaml", &[])
            .unwrap()
            .0
            .client
            .targets
    };
    for (file, flag) in [
        ("12", "12"),
        ("12.0", "12"),
        ("{count: 12}", "12"),
        (
            "{count: 12, distribution: zipf, exponent: 0.5}",
            "12:zipf:0.5",
        ),
        ("{count: 12, exponent: 2}", "12:zipf:2"),
        ("{count: 12, distribution: uniform}", "12:uniform"),
    ] {
        assert_eq!(targets(file), Some(flag.parse().unwrap()), "{file}");
    }
    assert_eq!(targets("null"), None);
}

#[test]
fn profiles_go_with_a_proxys_lifecycle_unless_they_are_asked_for_or_not() {
    let client = |client: &str| {
        let text = format!("{RIGHT}client: {{{client}}}\n");
        let (scenario, _) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
        let client = &scenario.client;
        let held = (client.profiles, client.profile_names, client.policies);
        (
            client.lifecycle,
            held,
            scenario.profile_streams(),
            scenario.policy_streams(),
        )
    };
    let (eternal, proxy) = (Lifecycle::Eternal, Lifecycle::Proxy);
    assert_eq!(client(""), (eternal, (false, 0, false), 0, 0));
    // 2 Services, and 2 replicas of 3 clients.
    let many = "replicas: 2, clients: 3";
    let (by_address, clients) = (2 * 6, 6);
    assert_eq!(
        client(&format!("{many}, lifecycle: proxy")),
        (proxy, (true, 1, false), by_address + clients, 0)
    );
    assert_eq!(
        client(&format!(
            "{many}, lifecycle: proxy, profiles: false, policies: true"
        )),
        (proxy, (false, 0, true), 0, 2 * 6 + clients)
    );
    assert_eq!(
        client(&format!("{many}, profiles: true, profileNames: 0")),
        (eternal, (true, 0, false), by_address, 0)
    );
    assert_eq!(
        client(&format!("{many}, lifecycle: proxy, profileEndpoints: true")),
        (proxy, (true, 1, false), 2 * by_address + clients, 0)
    );
    // By each of its Services' names once, however many streams it has of each.
    assert_eq!(
        client(&format!("{many}, streamsPerService: 5, profileNames: 100")),
        (eternal, (false, 100, false), 2 * 6, 0)
    );
}

#[test]
fn a_fault_strikes_a_replica_that_there_is() {
    let faulty = |sandbox: &str| error(&format!("{RIGHT}sandbox: {{{sandbox}}}\n"));
    let messages = [
        faulty("replicas: 2, faults: [{kind: dropUpdate, replica: 3}]"),
        faulty("replicas: 2, faults: [{kind: slowPods, delay: 1s, replica: 1}]"),
        faulty("replicas: 2, faults: [{kind: dropUpdate, replica: 0}]"),
        faulty("replicas: 21"),
        error(&format!("{RIGHT}client: {{lifecycle: mortal}}\n")),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r"
    s.yaml:8:61: sandbox.faults[0].replica: there is no such replica; sandbox.replicas is 2, and they count from 1
    s.yaml:8:70: sandbox.faults[0].replica: only faults of the destination strike a replica of it
    s.yaml:8:61: sandbox.faults[0].replica: 0 is too few; it is at least 1
    s.yaml:8:21: sandbox.replicas: 21 is more than 20
    s.yaml:8:21: client.lifecycle: mortal is not one of eternal, proxy; did you mean eternal?
    ");
}

#[test]
fn a_rollouts_percentages_round_as_in_kubernetes() {
    let text = "churn: {services: 1, pattern: rolling-update, endpoints: 10, minHold: 30s}";
    let (scenario, _) = Scenario::from_yaml(text, "s.yaml", &[]).unwrap();
    assert_eq!(
        scenario.churn.groups[0].pattern,
        crate::scenario::Pattern::RollingUpdate {
            endpoints: 10,
            every: Duration::from_secs(30),
            max_surge: 3,
            max_unavailable: 2,
        }
    );
}

#[test]
fn the_charts_schema_is_this_one() {
    assert_published(
        "charts/dst-load-test/values.schema.json",
        &pretty(&super::chart_schema()),
    );
    let schema = pretty(&super::schema());
    assert!(!schema.contains("null") && !schema.contains("oneOf"));
}

#[test]
fn what_breaks_the_schema_breaks_the_types() {
    let messages = [
        error("churn: {services: 1, endpionts: 1}"),
        error("churn: {services: one, pattern: oscilate, minHold: soon}"),
        error("churn: {services: -1, endpoints: 1.5}"),
        error("churn: {services: 1, endpoints: 1}\nclient: 5"),
        error(
            "churn: {services: 1, endpoints: 1}\ncriteria: {errorRate: 200%, sendTimeoutRate: 2}",
        ),
        error("churn: {services: 1, endpoints: 1}\nimage: {pullPolicy: Sometimes}"),
        error(
            "churn: {services: 1, endpoints: 1}\nsandbox: {faults: [{kind: dropUpdates}, {at: 5s}]}",
        ),
        error("churn: {services: 1, endpoints: 1}\nmonitoring: {rules: {enabled: perhaps}}"),
        error("churn: {services: 0}"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    s.yaml:1:22: unknown key churn.endpionts; did you mean endpoints?
    s.yaml:1:19: churn.services: one is not a whole number
    s.yaml:1:19: churn.services: -1 is negative; it is at least 0
    s.yaml:2:9: client: 5 where a section with keys belongs
    s.yaml:2:46: criteria.sendTimeoutRate: 2 has no unit; write a percentage such as 10%
    s.yaml:2:21: image.pullPolicy: Sometimes is not one of Always, IfNotPresent, Never; did you mean IfNotPresent?
    s.yaml:2:27: sandbox.faults[0].kind: dropUpdates is not one of dropUpdate, lateUpdate, duplicateUpdate, swapUpdates, keepStaleAddress, inventAddress, overflowStream, resetStream, ignorePortChange, removeSharedEndpoint, forgetRecreatedService, keepAddressesOfDeletedSlice, tooManyRequests, conflict, gone, internalError, hangUpWatch, silentWatch, lateWatch, forbidden, unauthorized, slowPods, throttleGenerator; did you mean dropUpdate?
    s.yaml:2:31: monitoring.rules.enabled: perhaps is not auto, true or false
    s.yaml:1:19: churn.services: 0 Services leave nothing to do; it is at least 1
    "#);
}
