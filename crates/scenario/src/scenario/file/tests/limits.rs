//! The numbers that the chart's templates check values by: those that this tool has.

use std::fs;

use serde_json::json;

use crate::{
    criteria::{Criterion, LONGEST_LATENCY, Section, Unit},
    fault::FaultKind,
    published::assert_published,
    quantity::AddressRange,
    scenario::{
        Sandbox,
        file::{
            check::MOST_STREAMS,
            churn::groups::{LONGEST_LABEL, MOST_ENDPOINTS, MOST_SERVICES},
            federation::LOCAL,
            schema,
        },
    },
    stale_state::StaleStateCase,
};

#[test]
fn the_charts_limits_are_these() {
    let schema = schema();
    let kinds: Vec<FaultKind> =
        serde_json::from_value(schema["definitions"]["FaultKind"]["enum"].clone()).unwrap();
    let kinds = |is: fn(FaultKind) -> bool| {
        json!((kinds.iter().filter(|kind| is(**kind))).collect::<Vec<_>>())
    };
    let lines = [
        ("addresses", json!(AddressRange::RESERVED)),
        ("endpoints", json!(MOST_ENDPOINTS)),
        ("labelLength", json!(LONGEST_LABEL)),
        ("latencySeconds", json!(LONGEST_LATENCY.as_secs())),
        ("localPrefix", json!(LOCAL)),
        ("nodes", json!(Sandbox::default().nodes)),
        ("services", json!(MOST_SERVICES)),
        ("streams", json!(MOST_STREAMS)),
    ];
    let mut text = "# Generated from what the tool checks a scenario by.\n".to_owned();
    for (name, value) in lines {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str("faults:\n");
    for (name, is) in [
        ("delaying", FaultKind::delays as fn(FaultKind) -> bool),
        ("destination", FaultKind::is_of_the_destination),
        ("observer", FaultKind::is_of_the_observers_watch),
    ] {
        text.push_str(&format!("  {name}: {}\n", kinds(is)));
    }
    text.push_str("provocations:\n");
    for kind in StaleStateCase::ALL {
        let one = json!({"factor": kind.peak(1), "kind": kind, "prefix": kind.name()});
        text.push_str(&format!("- {one}\n"));
    }
    assert_published("charts/dst-load-test/files/limits.yaml", &text);
}

/// A template of the chart.
fn template(name: &str) -> String {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../charts/dst-load-test/templates/"
    );
    fs::read_to_string(format!("{folder}{name}")).unwrap()
}

/// Words as a template lists them.
fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words = words.into_iter().map(|word| format!(" \"{word}\""));
    format!("list{}", words.collect::<String>())
}

#[test]
fn the_charts_templates_read_each_criterion_in_its_unit() {
    let rules = template("prometheusrule.yaml");
    let durations = template("_durations.tpl");
    let of_target = |unit| {
        let target = Section::ALL.into_iter().find(|it| it.key == "target");
        let criteria = target.unwrap().criteria();
        let criteria = criteria.filter(move |it| it.unit() == unit);
        criteria.map(|it| it.place().1).collect::<Vec<_>>()
    };
    let sizes = listed(of_target(Unit::Bytes));
    assert!(rules.contains(&format!("has $name ({sizes})")), "{sizes}");
    assert!(
        durations.contains(&format!("range $key := {sizes} }}}}")),
        "{sizes}"
    );
    for share in of_target(Unit::Fraction) {
        assert!(share.starts_with("memoryGrowth"), "{share}");
    }
    assert!(rules.contains("hasPrefix \"memoryGrowth\" $name"));
    assert_eq!(of_target(Unit::Cores), ["cpuMax"]);
    assert!(rules.contains("eq $name \"cpuMax\""));
    // What is left is written as it stands.
    let left = [Unit::Seconds, Unit::Ratio, Unit::PerSecond].map(of_target);
    assert_eq!(left.concat(), [] as [&str; 0]);

    let (within, alone): (Vec<_>, Vec<_>) = (Criterion::of_scenarios())
        .filter(|it| it.unit() == Unit::Seconds)
        .map(Criterion::place)
        .partition(|(section, _)| !section.is_empty());
    let mut sections: Vec<_> = within.into_iter().map(|(section, _)| section).collect();
    sections.dedup();
    let sections = format!("range $section := {} }}}}", listed(sections));
    for template in [&rules, &durations] {
        assert!(template.contains(&sections), "{sections}");
    }
    let keys: Vec<_> = alone.into_iter().map(|(_, key)| key).collect();
    let all = format!("range $key := {} }}}}", listed(keys.clone()));
    assert!(durations.contains(&all), "{all}");
    // One has a bucket's bound beside it.
    let (bucket, others) = keys.split_first().unwrap();
    assert!(
        rules.contains(&format!("hasKey $criteria \"{bucket}\"")),
        "{bucket}"
    );
    let others = format!("range $name := {} }}}}", listed(others.iter().copied()));
    assert!(rules.contains(&others), "{others}");
}
