//! Null is absent: a key whose children are commented out is as one that was never written.

use super::{RIGHT, error};
use crate::scenario::{Scenario, file::schema};

fn read(text: &str) -> Scenario {
    let (scenario, warnings) = Scenario::from_yaml(text, "s.yaml", &[]).expect(text);
    assert_eq!(warnings, [] as [&str; 0], "{text}");
    scenario
}

#[test]
fn a_key_that_is_null_is_as_one_that_is_absent() {
    let schema = schema();
    let without = read(RIGHT);
    let mut keys = 0;
    for (section, of) in schema["properties"].as_object().unwrap() {
        if section != "churn" {
            assert_eq!(read(&format!("{RIGHT}{section}:\n")), without, "{section}");
        }
        let place = of["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
        let of = place.and_then(|place| schema.pointer(place)).unwrap_or(of);
        for key in of["properties"].as_object().into_iter().flatten() {
            let key = key.0;
            let text = match section.as_str() {
                "churn" if RIGHT.contains(&format!("{key}:")) => continue,
                "churn" => format!("{RIGHT}  {key}:\n"),
                // Two clusters are one section.
                "federation" => continue,
                _ => format!("{RIGHT}{section}:\n  {key}:\n"),
            };
            assert_eq!(read(&text), without, "{section}.{key}");
            keys += 1;
        }
    }
    assert!(keys > 60, "{keys}");
    let set = ["federation=null,client.clients=null,criteria.target=null".to_owned()];
    let (scenario, _) = Scenario::from_yaml(RIGHT, "s.yaml", &set).unwrap();
    assert_eq!(scenario, without);
}

#[test]
fn what_is_null_in_a_list_is_absent_too() {
    let without = read(RIGHT);
    for text in [
        "criteria: {optional: [null]}",
        "tolerations: [null]",
        "sandbox: {faults: [~]}",
        "podLabels: {a: null, b: 1, c: true}",
        "client: {extraArgs: [null, 1, true, x]}",
    ] {
        assert_eq!(read(&format!("{RIGHT}{text}\n")), without, "{text}");
    }
    let one = "federation: {through: [null, federated]}";
    let federation = read(&format!("{RIGHT}{one}\n")).federation.unwrap();
    assert_eq!(federation.through.len(), 1);
}

#[test]
fn what_must_be_there_is_missing_where_it_is_null() {
    let missing = "churn.services is missing; say how many Services to make";
    for (text, wanted) in [
        ("churn:\n".to_owned(), missing),
        ("churn:\n  services:\n  endpoints: 1\n".to_owned(), missing),
        ("churn:\n  stable:\n".to_owned(), missing),
        (
            "churn:\n  services: 1\n  endpoints:\n".to_owned(),
            "churn: needs endpoints, which is missing",
        ),
        (
            format!("{RIGHT}sandbox: {{faults: [{{kind: null}}]}}\n"),
            "sandbox.faults[0]: kind is missing",
        ),
        (
            format!("{RIGHT}sandbox: {{podStart: {{min: null, max: 1s}}}}\n"),
            "sandbox.podStart: min is missing",
        ),
        (
            format!("{RIGHT}federation: {{through: [null]}}\n"),
            "federation.through: names no way to ask; write [remoteDiscovery, federated]",
        ),
    ] {
        let error = error(&text);
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn numbers_without_a_fraction_are_whole() {
    let text = RIGHT.replace("services: 2", "services: 2.0");
    assert_eq!(read(&text), read(RIGHT));
    assert!(error(&RIGHT.replace("services: 2", "services: 2.5")).contains("2.5 is not a whole"));
    let seed = |seed: &str| error(&format!("{RIGHT}scenario: {{seed: {seed}}}\n"));
    // Helm would make another number of it.
    assert!(seed("9007199254740992").contains("is more than 9007199254740991"));
}
