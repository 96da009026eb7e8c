//! What a report says of the streams beside `Get`.

use dst_load_recording::recording::{HeldCounts, HeldKind, StreamCounts};

use super::*;

/// A run that passed, where its streams also did this.
fn with(more: impl FnOnce(&mut StreamCounts)) -> Report {
    let mut lines = samples::passed();
    let second = lines.iter_mut().find_map(|line| match line {
        Line::Second(second) => Some(second),
        _ => None,
    });
    more(&mut second.unwrap().streams);
    report(&lines)
}

/// `streams` of this kind, each with a message.
fn hold(counts: &mut HeldCounts, kind: HeldKind, streams: u64) {
    for _ in 0..streams {
        counts.request(kind);
        counts.send(kind, false);
        counts.receive(kind, 512);
    }
}

fn said(report: &Report, label: &str) -> Option<String> {
    let facts = prose::facts(report).into_iter();
    facts
        .filter(|(it, _)| *it == label)
        .map(|(_, said)| said)
        .next()
}

#[test]
fn profiles_and_policies_are_said_apart_each_by_kind() {
    let report = with(|streams| {
        hold(&mut streams.profiles, HeldKind::Service, 3);
        hold(&mut streams.profiles, HeldKind::Endpoint, 2);
        hold(&mut streams.profiles, HeldKind::Name, 1);
        streams.profiles.request(HeldKind::Name);
        hold(&mut streams.policies, HeldKind::Outbound, 3);
        hold(&mut streams.policies, HeldKind::Inbound, 1);
        streams
            .policies
            .fail(HeldKind::Inbound, "NotFound".to_owned(), false);
        streams.policies.send(HeldKind::Inbound, true);
        streams.policies.unconnected = 1;
    });
    assert_eq!(
        said(&report, "Profiles").unwrap(),
        "6 of 7 GetProfile streams opened (3 by ClusterIP, 2 by endpoint address, 1 by name); 6 \
         messages of 3 KiB in all; 0 unexpectedly closed"
    );
    assert_eq!(
        said(&report, "Policies").unwrap(),
        "4 of 4 streams of the policy API opened (3 outbound, 1 inbound); 4 messages of 2 KiB in \
         all; 1 unexpectedly closed; errors: 1 × NotFound; 1 reopened; 1 attempt to connect failed"
    );
    assert_eq!(said(&report, "Not opened"), None);
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
}

#[test]
fn what_is_not_held_or_not_implemented_is_named() {
    let none = with(|_| {});
    assert_eq!(
        (said(&none, "Profiles"), said(&none, "Policies")),
        (None, None)
    );
    assert_eq!(none.streams_not_opened.len(), 3);
    let report = with(|streams| {
        hold(&mut streams.profiles, HeldKind::Name, 1);
        streams.policies.request(HeldKind::Outbound);
        streams.policies.send(HeldKind::Outbound, false);
        let code = "Unimplemented".to_owned();
        streams.policies.fail(HeldKind::Outbound, code, true);
        hold(&mut streams.policies, HeldKind::Inbound, 1);
    });
    let policies = said(&report, "Policies").unwrap();
    assert!(
        policies.ends_with("the controller does not implement OutboundPolicies/Watch"),
        "{policies}"
    );
    let missing = said(&report, "Not opened").unwrap();
    assert!(
        missing.starts_with("OutboundPolicies/Watch: a real proxy"),
        "{missing}"
    );
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
}

#[test]
fn profiles_of_an_older_recording_are_said_without_their_kinds() {
    let report = with(|streams| {
        streams.profiles = HeldCounts {
            requested: 4,
            opened: 4,
            messages: 9,
            ..HeldCounts::default()
        };
    });
    assert_eq!(
        said(&report, "Profiles").unwrap(),
        "4 of 4 GetProfile streams opened; 9 messages; 0 unexpectedly closed"
    );
    assert_eq!(report.streams_not_opened.len(), 2);
}
