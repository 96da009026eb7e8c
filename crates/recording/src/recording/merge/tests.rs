//! Claims about recordings of several clients.

mod replicas;

use std::time::Duration;

use dst_load_scenario::federation::Site;

use super::*;
use crate::{
    recording::{
        EndpointsLine, LagSource, ObserverEvent, ObserverLagLine, ObserverLine, TargetInfo,
        TargetKind, samples,
    },
    statistics::{Latency, Statistics},
};

fn of_two() -> Vec<Line> {
    merge(vec![samples::passed(), samples::passed()]).unwrap()
}

#[test]
fn streams_and_deliveries_add_up_and_changes_do_not() {
    let one = Statistics::of(&samples::passed()).summary();
    let two = Statistics::of(&of_two()).summary();
    assert_eq!(two.streams.requested, 2 * one.streams.requested);
    assert_eq!(two.streams.opened, 2 * one.streams.opened);
    assert_eq!(
        two.latency.destination.add.count,
        2 * one.latency.destination.add.count
    );
    assert_eq!(
        two.latency.destination.add.p99_seconds,
        one.latency.destination.add.p99_seconds
    );
    assert_eq!(two.correctness.streams_checked, 2_000);
    assert_eq!(two.fan_out, one.fan_out);
    assert_eq!(two.target, one.target);
    let rate = |s: &crate::statistics::Summary| s.updates.deliveries_per_second;
    assert_eq!(rate(&two), rate(&one).map(|rate| 2.0 * rate));
    assert_eq!(two.generator.cpu_seconds, Some(3.5));
}

#[test]
fn the_cycles_of_all_are_folded_together() {
    let one = Statistics::of(&samples::passed()).summary();
    let two = Statistics::of(&of_two()).summary();
    assert_eq!(two.cycles.len(), 2);
    for (one, two) in one.cycles.iter().zip(&two.cycles) {
        assert!(two.whole);
        assert_eq!(
            two.latency.destination.add.count,
            2 * one.latency.destination.add.count
        );
    }
}

#[test]
fn of_a_shared_change_the_earliest_first_and_the_latest_last_count() {
    let mut other = samples::passed();
    for line in &mut other {
        if let Line::Change(change) = line {
            change.first_us = Some(100);
            change.last_us = Some(9_000_000);
            change.never = 2;
        }
    }
    let summary = Statistics::of(&merge(vec![samples::passed(), other]).unwrap()).summary();
    assert_eq!((summary.fan_out.changes, summary.fan_out.completed), (4, 0));
    assert_eq!(summary.fan_out.first_seconds, Some(0.000_1));
    assert_eq!(summary.fan_out.last_seconds_max, Some(9.0));
}

#[test]
fn with_the_time_of_each_stream_a_changes_quantiles_are_exact() {
    let change = |known: &[u64], never: u32| {
        let mut lines = samples::passed();
        lines.retain(|line| !matches!(line, Line::Change(_)));
        let of = samples::passed().into_iter().find_map(|line| match line {
            Line::Change(change) => Some(change),
            _ => None,
        });
        let known_too = u32::try_from(known.len()).unwrap();
        lines.insert(
            1,
            Line::Change(ChangeLine {
                audience: known_too + never,
                known: known_too,
                never,
                p50_us: None,
                times: Some(StreamTimes::pack(known.iter().copied())),
                ..of.unwrap()
            }),
        );
        lines
    };
    let merged = |recordings| {
        let lines = merge(recordings).unwrap();
        let change = lines.into_iter().find_map(|line| match line {
            Line::Change(change) => Some(change),
            _ => None,
        });
        change.unwrap()
    };
    let two = vec![change(&[1, 2, 3, 4, 90], 0), change(&[10, 20, 30, 40], 1)];
    let whole = merged(two);
    assert_eq!(whole.p50_us, Some(10));
    // The tenth of ten never knew.
    assert_eq!((whole.p95_us, whole.known, whole.never), (None, 9, 1));
    // As if one process had seen it all, in whichever order.
    let three = |order: [usize; 3]| {
        let parts: [&[u64]; 3] = [&[5, 7], &[1, 9, 11], &[2]];
        merged(order.map(|of| change(parts[of], 0)).to_vec()).p50_us
    };
    assert_eq!((three([0, 1, 2]), three([2, 1, 0])), (Some(5), Some(5)));
}

#[test]
fn to_one_client_the_others_streams_are_foreign_and_to_all_of_them_they_are_not() {
    let foreign = |seen: u64| {
        let with = |streams| {
            let mut lines = samples::passed();
            for line in &mut lines {
                match line {
                    Line::Target(sample) => sample.foreign_streams = Some(seen),
                    Line::Header(header) => header.streams_requested = streams,
                    _ => {}
                }
            }
            lines
        };
        let merged = merge(vec![with(50), with(30), with(20)]).unwrap();
        Statistics::of(&merged).summary().target.foreign_streams
    };
    assert_eq!(foreign(57), Some(7));
    assert_eq!(foreign(50), Some(0));
}

#[test]
fn recordings_of_different_things_are_not_merged() {
    let with = |change: fn(&mut Header)| {
        let mut other = samples::passed();
        if let Some(Line::Header(header)) = other.first_mut() {
            change(header);
        }
        merge(vec![samples::passed(), other])
            .unwrap_err()
            .to_string()
    };
    let cannot = "recording 2 cannot be merged with the first: it has";
    assert_eq!(
        with(|h| h.seed = 8),
        format!("{cannot} the seed 8, the first has 7")
    );
    assert_eq!(
        with(|h| h.name = "other".into()),
        format!("{cannot} the scenario other, the first has quick")
    );
    assert!(with(|h| h.scenario = serde_json::json!({})).contains("the settings {}"));
    let reference = TargetInfo {
        kind: TargetKind::Reference,
        version: None,
        forwarded: false,
        flags: None,
    };
    let error = with(|h| {
        h.target = TargetInfo {
            kind: TargetKind::Reference,
            version: None,
            forwarded: false,
            flags: None,
        };
    });
    assert!(error.contains(&format!("the target {reference:?}")));
    assert_eq!(merge(Vec::new()), Err(MergeError::Nothing));
    let headless = merge(vec![samples::passed(), Vec::new()]);
    assert_eq!(headless, Err(MergeError::NoHeader { number: 2 }));
}

/// A recording whose observer was late by this, and what came of its comparison.
fn observed(millis: u64, event: ObserverEvent) -> Vec<Line> {
    let mut lag = Latency::default();
    lag.record(Duration::from_millis(millis), 1_000);
    let line = ObserverLagLine::new(LagSource::Heartbeat, false, &lag);
    let mut lines = samples::passed();
    let second = lines.iter_mut().find_map(|line| match line {
        Line::Second(second) => Some(second),
        _ => None,
    });
    second.unwrap().observer_lag.push(line);
    let at = lines.last().unwrap().order().0;
    let line = ObserverLine::new(at, Site::Source, event);
    lines.insert(lines.len() - 1, Line::Observer(line));
    lines
}

fn verified() -> ObserverEvent {
    ObserverEvent::Verified {
        objects: 9,
        differing: 0,
        differences: Vec::new(),
    }
}

/// What `report --from-pods` wrote is read by `report`, and may be merged with a client that was
/// collected later.
#[test]
fn a_merge_holds_merges() {
    // One client in 150 was late, which is not much of all their deliveries, and much of its own.
    let mut clients: Vec<_> = (0..149).map(|_| observed(0, verified())).collect();
    clients.push(observed(900, verified()));
    let unverified = ObserverEvent::Unverified {
        reason: "no answer".to_owned(),
    };
    clients.push(observed(0, unverified));
    for (number, lines) in (0..).zip(&mut clients) {
        for line in lines {
            match line {
                Line::Target(sample) => sample.foreign_streams = Some(200_000),
                Line::Header(header) => {
                    header.streams_requested += number;
                    header.identity.recordings = vec![number.to_string()];
                }
                Line::Second(second) => {
                    second.endpoints = Some(EndpointsLine {
                        kubernetes: 30 + number,
                        clients: Some(30.0),
                    });
                }
                _ => {}
            }
        }
    }
    let merged = merge(clients.clone()).unwrap();
    assert_eq!(merge(vec![merged.clone()]), Ok(merged.clone()));
    let whole = Statistics::of(&merged).summary();
    assert!(whole.observer.lag_p99_seconds.unwrap() >= 0.9);
    assert_eq!(whole.observer.verified, None);
    for first in [1, 75, 150] {
        let parts = [&clients[..first], &clients[first..]];
        let parts = parts.map(|part| merge(part.to_vec()).unwrap());
        let of_parts = Statistics::of(&merge(parts.to_vec()).unwrap()).summary();
        assert_eq!(of_parts, whole, "{first}");
    }
}

#[test]
fn the_worst_clients_observer_is_the_observer_of_all() {
    let seen = |recordings| {
        Statistics::of(&merge(recordings).unwrap())
            .summary()
            .observer
    };
    let with = observed;
    let mut all: Vec<_> = (0..150).map(|_| with(0, verified())).collect();
    let healthy = seen(all.clone());
    assert_eq!(
        (healthy.lag_p99_seconds, healthy.verified),
        (Some(0.0), Some(true))
    );
    all.push(with(900, verified()));
    assert!(seen(all.clone()).lag_p99_seconds.unwrap() >= 0.9);
    all.push(with(
        0,
        ObserverEvent::Unverified {
            reason: "no answer".to_owned(),
        },
    ));
    let last = seen(all);
    assert_eq!(last.verified, None);
    assert_eq!(last.unverified_reason.as_deref(), Some("no answer"));
}
