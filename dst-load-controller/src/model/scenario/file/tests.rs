use std::time::Duration;

use crate::model::scenario::{Draft, Scenario};

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
        wrong("services: 2", "services: 2\n  backend: slices"),
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
        wrong("churn:", "measure: {deadline: 0}\nchurn:"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"");
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
    insta::assert_snapshot!(messages.join("\n"), @"");
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
    ];
    insta::assert_snapshot!(messages.join("\n"), @"");
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
    let text = scenario.effective().unwrap();
    assert_eq!(text["churn"]["minHold"], "6s");
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
        "churn: {services: 1, endpoints: 10}\nsandbox: {podStart: 50ms, faults: [{kind: slowPods, at: 3s, lasts: 2s, share: 12.5%, delay: 1s}]}".to_owned(),
        "churn: {services: 1, endpoints: 10}\ncriteria: {throughputMin: 1500.5, endToEnd: {p50: 1ms, everyClientWithin: 1m}, target: {memoryMax: 8Gi, memoryGrowthPerHour: 0.3, cpuMax: 1500m}}\nclient: {streamMaxLifetime: 5m, streamResetInterval: 2m}\nmeasure: {deadline: 7s}".to_owned(),
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
fn a_rollouts_percentages_round_as_in_kubernetes() {
    let text = "churn: {services: 1, pattern: rolling-update, endpoints: 10, minHold: 30s}";
    let (scenario, _) = Scenario::from_yaml(text, "s.yaml", &[]).unwrap();
    assert_eq!(
        scenario.churn.groups[0].pattern,
        crate::model::scenario::Pattern::RollingUpdate {
            endpoints: 10,
            every: Duration::from_secs(30),
            max_surge: 3,
            max_unavailable: 2,
        }
    );
}

#[test]
fn the_schema_knows_the_keys_and_only_the_backends_that_exist() {
    let schema = serde_json::to_value(super::schema()).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(schema["additionalProperties"], false);
    let text = schema.to_string();
    assert!(text.contains("\"minEndpoints\"") && text.contains("\"imagePullSecrets\""));
    assert!(text.contains("\"deployments\"") && !text.contains("\"slices\""));
}
