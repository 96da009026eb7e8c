//! What is folded of a proxy's life, and of several replicas.

use dst_load_oracle::ledger::{FirstEndpoint, RetainedCounts};

use super::*;
use crate::recording::{HeldCounts, HeldKind, KindCounts, ProxyCounts, ReplicaInfo};

fn replicated() -> Line {
    let Line::Header(mut header) = header() else {
        panic!("a header")
    };
    header.replicas = ["a:1", "b:1"]
        .map(|address| ReplicaInfo {
            address: address.to_owned(),
            streams: Some(500),
            ..ReplicaInfo::default()
        })
        .into();
    Line::Header(header)
}

#[test]
fn what_proxies_and_profiles_did_adds_up_over_the_seconds() {
    let of_names = KindCounts {
        requested: 6,
        opened: 5,
        messages: 4,
        bytes: 300,
        errors: 2,
        unimplemented: 1,
    };
    let second = |at: At| {
        let mut interval = Interval::default();
        interval.streams.proxy = ProxyCounts {
            first_item_timeouts: 1,
            idle: 2,
            expired: 3,
            refused: 4,
            first_not_add: 5,
        };
        interval.streams.closed = 6;
        interval.streams.profiles = HeldCounts {
            requested: 10,
            opened: 9,
            reopened: 8,
            messages: 7,
            closed: 6,
            ended_ok: 5,
            drained: 3,
            errors: [("Unknown".to_owned(), 4)].into(),
            unconnected: 2,
            kinds: [(HeldKind::Name, of_names)].into(),
        };
        interval.streams.policies.request(HeldKind::Outbound);
        Line::Second(Box::new(interval.take(at, 1).unwrap()))
    };
    let summary = Statistics::of(&[header(), second(at(1)), second(at(2))]).summary();
    let proxy = &summary.streams.proxy;
    assert_eq!(
        [
            proxy.first_item_timeouts,
            proxy.idle,
            proxy.expired,
            proxy.refused,
            proxy.first_not_add
        ],
        [2, 4, 6, 8, 10]
    );
    assert_eq!(
        (summary.streams.closed, summary.streams.unexpected_resets),
        (12, 0)
    );
    let profiles = summary.profiles.unwrap();
    assert_eq!(
        [
            profiles.requested,
            profiles.opened,
            profiles.reopened,
            profiles.messages
        ],
        [20, 18, 16, 14]
    );
    assert_eq!(
        (profiles.errors["Unknown"], profiles.unexpected_resets),
        (8, 18)
    );
    let twice = KindCounts {
        requested: 12,
        opened: 10,
        messages: 8,
        bytes: 600,
        errors: 4,
        unimplemented: 2,
    };
    assert_eq!(profiles.kinds, [(HeldKind::Name, twice)].into());
    assert_eq!(profiles.connection_errors, 4);
    assert_eq!(summary.policies.unwrap().requested, 2);
}

#[test]
fn a_method_is_unimplemented_where_one_stream_was_told_so_and_none_received_anything() {
    let mut counts = HeldCounts::default();
    counts.request(HeldKind::Outbound);
    let holds = |counts: &HeldCounts| {
        let mut interval = Interval::default();
        interval.streams.policies = counts.clone();
        let line = Line::Second(Box::new(interval.take(at(1), 1).unwrap()));
        let policies = Statistics::of(&[header(), line]).summary().policies;
        policies.unwrap().holds(HeldKind::Outbound)
    };
    assert!(!holds(&counts));
    counts.send(HeldKind::Outbound, false);
    assert!(holds(&counts));
    counts.fail(HeldKind::Outbound, "Unimplemented".to_owned(), true);
    assert!(!holds(&counts));
    // Another replica of it does.
    counts.receive(HeldKind::Outbound, 7);
    assert!(holds(&counts));
}

#[test]
fn a_wait_between_two_tries_is_kept_apart_from_latency() {
    let waited = |seconds, never, between_tries| FirstEndpoint {
        latency: Duration::from_secs(seconds),
        never,
        between_tries,
    };
    let outbox = Outbox {
        first_endpoints: vec![
            waited(1, false, true),
            waited(2, false, true),
            waited(9, true, true),
            waited(40, false, false),
        ],
        ..Outbox::default()
    };
    let summary = Statistics::of(&[second_with(at(1), outbox).unwrap()]).summary();
    let first = &summary.streams.first_endpoint;
    assert_eq!((first.count, first.never), (4, 1));
    assert!(first.max_seconds.unwrap() >= 40.0);
    let between = &summary.streams.reconnect_gap;
    assert_eq!((between.count, between.never), (3, 1));
    assert_eq!(
        between.quantile("max").map(|(_, censored)| censored),
        Some(true)
    );
    assert_eq!(summary.latency, StageSummary::default());
}

#[test]
fn replicas_share_the_deliveries_out_among_them() {
    let by = |replica, micros, never| Delivered {
        replica: Some(replica),
        ..samples::delivered(1, Direction::Add, micros, never)
    };
    let outbox = Outbox {
        deliveries: vec![
            by(0, 500, false),
            by(1, 900, false),
            by(1, 30_000_000, true),
        ],
        ..Outbox::default()
    };
    let mut end = samples::end_state(9, 3, 0);
    if let Line::EndState(end) = &mut end {
        end.wrong_by_replica = [(1, 3)].into();
    }
    let lines = [replicated(), second_with(at(1), outbox).unwrap(), end];
    let [first, second] = &Statistics::of(&lines).summary().replicas[..] else {
        panic!("two replicas")
    };
    assert_eq!(
        (first.deliveries, first.never, first.p99_seconds),
        (1, 0, Some(0.000_5))
    );
    assert_eq!(
        (second.deliveries, second.never, second.streams_wrong),
        (2, 1, 3)
    );
    assert!(second.is_censored() && !first.is_censored());
    assert!(Statistics::of(&[header()]).summary().replicas.is_empty());
}

#[test]
fn streams_are_those_of_the_end_and_a_replica_that_came_has_a_row() {
    let mut end = samples::end_state(9, 0, 0);
    if let Line::EndState(end) = &mut end {
        end.streams_by_replica = [(0, 4), (2, 5)].into();
    }
    let mut start = replicated();
    if let Line::Header(header) = &mut start {
        header.replicas.iter_mut().for_each(|it| it.streams = None);
    }
    let came = Line::Replicas {
        at: at(1),
        addresses: vec!["c:1".to_owned()],
    };
    let of = |lines: &[Line]| -> Vec<_> {
        let replicas = Statistics::of(lines).summary().replicas;
        replicas
            .into_iter()
            .map(|it| (it.address, it.streams))
            .collect()
    };
    let row = |address: &str, streams| (address.to_owned(), streams);
    assert_eq!(
        of(&[start.clone(), came.clone(), end]),
        [
            row("a:1", Some(4)),
            row("b:1", Some(0)),
            row("c:1", Some(5))
        ]
    );
    // A run that was cut off does not say, and an older one says it at its start.
    assert_eq!(
        of(&[start, came]),
        [row("a:1", None), row("b:1", None), row("c:1", None)]
    );
    assert_eq!(
        of(&[replicated()]),
        [row("a:1", Some(500)), row("b:1", Some(500))]
    );
}

#[test]
fn replicas_without_metrics_of_their_own_are_counted_where_some_have_them() {
    for (metrics, unnamed) in [(0, 0), (1, 1), (2, 0), (3, 0)] {
        let mut start = replicated();
        if let Line::Header(header) = &mut start {
            header.metrics = vec!["http://a:9996/metrics".to_owned(); metrics];
        }
        let target = Statistics::of(&[start]).summary().target;
        assert_eq!(target.replicas_unnamed, unnamed, "{metrics}");
    }
}

#[test]
fn one_that_nobody_joined_is_no_row_and_those_that_join_it_are_in_no_sample() {
    let mut alone = replicated();
    if let Line::Header(header) = &mut alone {
        header.replicas.truncate(1);
    }
    let came = Line::Replicas {
        at: at(1),
        addresses: vec!["c:1".to_owned()],
    };
    let of = |lines: &[Line]| {
        let summary = Statistics::of(lines).summary();
        (summary.replicas.len(), summary.target.replicas_unread)
    };
    assert_eq!(of(std::slice::from_ref(&alone)), (0, vec![]));
    assert_eq!(of(&[alone, came]), (2, vec!["c:1".to_owned()]));
}

#[test]
fn an_older_recording_has_none_of_this() {
    let text = r#"{"opened":1,"reopened":0,"snapshots":1,"closed":0,"ended_ok":0,"not_found":0}"#;
    let streams: StreamCounts = serde_json::from_str(text).unwrap();
    assert!(streams.proxy.is_zero() && streams.profiles.is_zero() && streams.policies.is_zero());
    assert_eq!(serde_json::to_string(&streams).unwrap(), text);
    // Profiles were counted before their kinds were.
    let text = r#"{"requested":4,"opened":4,"reopened":0,"messages":9,"closed":0,"ended_ok":0}"#;
    let profiles: HeldCounts = serde_json::from_str(text).unwrap();
    assert!(profiles.messages == 9 && profiles.kinds.is_empty());
    assert_eq!(serde_json::to_string(&profiles).unwrap(), text);
}

/// Three seconds of one client, and its Services' ends, of which the last says this.
fn kept(last: Option<RetainedCounts>) -> Vec<Line> {
    let counts = |kept, streams, stale_seconds, longest_us| RetainedCounts {
        kept,
        streams,
        stale_seconds,
        longest_us,
    };
    let seconds = [counts(3, 0, 0.0, 0), counts(1, 2, 4.5, 3_000_000)];
    let seconds = seconds.into_iter().zip(1..).map(|(retained, second)| {
        let outbox = Outbox {
            retained,
            ..Outbox::default()
        };
        second_with(at(second), outbox).unwrap()
    });
    let ends = [Some(counts(2, 1, 1.0, 5_000_000)), last].map(|retained| {
        let mut end = samples::end_state(9, 0, 0);
        if let Line::EndState(end) = &mut end {
            end.retained = retained;
        }
        end
    });
    seconds.chain(ends).collect()
}

#[test]
fn what_streams_kept_adds_up_and_the_longest_time_is_the_longest() {
    let lines = kept(Some(RetainedCounts::default()));
    let expected = Retained {
        kept: 4,
        streams: 2,
        streams_at_end: 1,
        stale_endpoint_seconds: 5.5,
        longest_seconds: 5.0,
    };
    let one = Statistics::of(&lines).summary().streams.retained;
    assert_eq!(one, Some(expected.clone()));
    // Those of several clients are one after the other.
    let both = [lines.clone(), lines].concat();
    let both = Statistics::of(&both).summary().streams.retained;
    let twice = Retained {
        kept: 8,
        streams: 4,
        streams_at_end: 2,
        stale_endpoint_seconds: 11.0,
        ..expected
    };
    assert_eq!(both, Some(twice));
}

#[test]
fn where_a_recording_does_not_say_what_streams_kept_it_is_not_known() {
    assert_eq!(Statistics::of(&kept(None)).summary().streams.retained, None);
    assert_eq!(Statistics::of(&[header()]).summary().streams.retained, None);
    let older = Statistics::of(&samples::passed()).summary().streams;
    assert_eq!((older.retained, older.first_endpoint.count), (None, 0));
}
