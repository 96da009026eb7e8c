//! Keys that may stay unjudged.

use super::{RIGHT, error, set_error};
use crate::{
    criteria::{Criterion, Unit},
    scenario::Scenario,
};

fn optional(scenario: &Scenario) -> Vec<&'static str> {
    let keys = scenario.criteria.optional.iter();
    keys.map(|it| it.key()).collect()
}

#[test]
fn a_file_and_a_set_list_them_and_the_effective_scenario_keeps_them() {
    let text = format!("{RIGHT}criteria:\n  optional: [target.viewsActive, updateLatency.p99]\n");
    let (from_file, _) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
    assert_eq!(
        optional(&from_file),
        ["updateLatency.p99", "target.viewsActive"]
    );
    let set =
        "criteria.optional={target.viewsActive,updateLatency.p99},churn.services=3".to_owned();
    let (from_flag, _) = Scenario::from_yaml(RIGHT, "s.yaml", &[set]).unwrap();
    assert_eq!(optional(&from_flag), optional(&from_file));
    assert_eq!(from_flag.churn.groups[0].count, 3);
    let effective = from_file.effective().unwrap().to_string();
    let (read, _) = Scenario::from_yaml(&effective, "s.yaml", &[]).unwrap();
    assert_eq!(read.criteria, from_file.criteria);
    // They are written in the order of their keys.
    let listed = &from_file.effective().unwrap()["criteria"]["optional"];
    assert_eq!(
        *listed,
        serde_json::json!(["target.viewsActive", "updateLatency.p99"])
    );
    // It is no limit itself.
    assert_eq!(from_file.criteria.limits(), []);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest() {
    let list = |key: &str| format!("{RIGHT}criteria:\n  optional:\n  - errorRate\n  - {key}\n");
    assert_eq!(
        error(&list("target.viewActive")).lines().next(),
        Some(
            "s.yaml:11:5: criteria.optional[1]: target.viewActive is not the key of a criterion; did \
             you mean target.viewsActive?"
        )
    );
    assert!(error(&list("correctness")).contains("correctness is not the key"));
    assert!(set_error("criteria.optional={erorRate}").contains("did you mean errorRate?"));
}

#[test]
fn every_limit_can_be_given_and_be_optional_and_reads_back() {
    let given = |criterion: Criterion| match criterion.unit() {
        Unit::Seconds => "1m30s",
        Unit::Bytes => "512MiB",
        Unit::Count => "7",
        Unit::Fraction => "1%",
        Unit::Cores | Unit::Ratio | Unit::PerSecond => "1.5",
    };
    let all = || Criterion::of_scenarios();
    let mut set: Vec<_> = all()
        .map(|it| format!("criteria.{it}={}", given(it)))
        .collect();
    let keys: Vec<_> = all().map(Criterion::key).collect();
    set.push(format!("criteria.optional={{{}}}", keys.join(",")));
    let (scenario, _) = Scenario::from_yaml(RIGHT, "s.yaml", &set).unwrap();
    let criteria = &scenario.criteria;
    assert!(all().eq(criteria.given().map(|(it, _)| it)));
    assert!(all().eq(criteria.optional.iter().copied()));
    for (criterion, text) in criteria.limits() {
        assert_eq!(text, given(criterion), "{criterion}");
    }
    let effective = scenario.effective().unwrap().to_string();
    let (read, _) = Scenario::from_yaml(&effective, "s.yaml", &[]).unwrap();
    assert_eq!(read.criteria, *criteria);
}
