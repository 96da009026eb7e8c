//! The numbers that the chart's templates check values by: those that this tool has.

use serde_json::json;

use crate::{
    model::{
        criteria::LONGEST_LATENCY,
        fault::FaultKind,
        provocation::Provocation,
        quantity::AddressRange,
        scenario::{
            Sandbox,
            file::{
                check::{
                    MOST_STREAMS,
                    churn::{LONGEST_LABEL, MOST_ENDPOINTS, MOST_SERVICES},
                },
                federation::LOCAL,
                schema,
            },
        },
    },
    published::assert_published,
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
    for kind in Provocation::ALL {
        let one = json!({"factor": kind.peak(1), "kind": kind, "prefix": kind.name()});
        text.push_str(&format!("- {one}\n"));
    }
    assert_published("charts/dst-load-test/files/limits.yaml", &text);
}
