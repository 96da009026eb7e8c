//! Claims about clients that know replicas by different numbers.

use super::*;
use crate::recording::{IdentifiedLine, ReplicaInfo, ReplicaLine};

/// The replicas of the start, and when which others came, in the order of their numbers.
struct Known<'a> {
    start: &'a [&'a str],
    later: &'a [(u64, &'a [&'a str])],
}

/// A recording in which the replica of number `n` has `n + 1` deliveries and `10 + n` streams at the
/// end, of which `n` are wrong.
fn recording(known: &Known<'_>) -> Vec<Line> {
    let owned = |all: &[&str]| all.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
    let mut lines = samples::passed();
    let mut count = known.start.len();
    for (seconds, addresses) in known.later {
        count += addresses.len();
        lines.push(Line::Replicas {
            at: At::from_secs(*seconds),
            addresses: owned(addresses),
        });
    }
    let numbers = 0..u32::try_from(count).unwrap();
    for line in &mut lines {
        match line {
            Line::Header(header) => {
                let info = |address| ReplicaInfo {
                    address,
                    streams: None,
                    ..ReplicaInfo::default()
                };
                header.replicas = owned(known.start).into_iter().map(info).collect();
            }
            Line::EndState(end) => {
                end.streams_by_replica = numbers.clone().map(|n| (n, u64::from(10 + n))).collect();
                end.wrong_by_replica = numbers.clone().map(|n| (n, u64::from(n))).collect();
            }
            _ => {}
        }
    }
    let mut second = samples::passed().into_iter().find_map(|line| match line {
        Line::Second(second) => Some(second),
        _ => None,
    });
    let second = second.as_mut().unwrap();
    second.at = At::from_secs(50);
    let of = |replica| {
        let mut latency = Latency::default();
        latency.record(Duration::from_millis(1), u64::from(replica) + 1);
        ReplicaLine {
            replica,
            latency: latency.recorded(),
        }
    };
    second.replicas = numbers.clone().map(of).collect();
    lines.push(Line::Second(second.clone()));
    lines.extend(numbers.map(|replica| {
        Line::Identified(IdentifiedLine {
            at: At::from_secs(1),
            replica,
            reference: None,
        })
    }));
    lines.sort_by(Line::compare_places);
    lines
}

/// Of each replica: deliveries, streams, and those that are wrong.
fn summed(recordings: &[Known<'_>]) -> Vec<(String, u64, u64, u64)> {
    let merged = merge(recordings.iter().map(recording).collect()).unwrap();
    // What was merged can be read: each number is known before it is used.
    let mut replicas = None;
    for line in &merged {
        line.validate(replicas).unwrap();
        match line {
            Line::Header(header) => replicas = Some(header.replicas.len()),
            Line::Replicas { addresses, .. } => *replicas.as_mut().unwrap() += addresses.len(),
            Line::Identified(line) => assert!(line.replica < 5, "{line:?}"),
            _ => {}
        }
    }
    let summary = Statistics::of(&merged).summary();
    let each = summary.replicas.into_iter().map(|it| {
        let streams = it.streams.unwrap();
        (it.address, it.deliveries, streams, it.streams_wrong)
    });
    each.collect()
}

fn row(address: &str, deliveries: u64, streams: u64, wrong: u64) -> (String, u64, u64, u64) {
    (address.to_owned(), deliveries, streams, wrong)
}

/// End states in the sample: one a Service.
fn services() -> u64 {
    let ends = samples::passed();
    ends.iter()
        .filter(|line| matches!(line, Line::EndState(_)))
        .count() as u64
}

#[test]
fn replicas_are_matched_by_address_whatever_their_numbers() {
    let a = Known {
        start: &["a:1", "b:1"],
        later: &[(20, &["c:1"]), (30, &["d:1"])],
    };
    // It began later, in another order, and heard of the others the other way round.
    let b = Known {
        start: &["c:1", "b:1"],
        later: &[(25, &["e:1", "d:1"])],
    };
    let n = services();
    assert_eq!(
        summed(&[a, b]),
        [
            row("a:1", 1, 10 * n, 0),
            row("b:1", 2 + 2, (11 + 11) * n, (1 + 1) * n),
            row("c:1", 3 + 1, (12 + 10) * n, 2 * n),
            row("e:1", 3, 12 * n, 2 * n),
            row("d:1", 4 + 4, (13 + 13) * n, (3 + 3) * n),
        ]
    );
}

#[test]
fn a_replica_that_whoever_sampled_did_not_know_at_its_start_is_in_no_sample() {
    let unread = |each: &[Known<'_>]| {
        let merged = merge(each.iter().map(recording).collect()).unwrap();
        // It stays so when that is merged again.
        let again = merge(vec![merged.clone()]).unwrap();
        let of = |lines: &[Line]| Statistics::of(lines).summary().target.replicas_unread;
        assert_eq!(of(&again), of(&merged));
        of(&merged)
    };
    let early = || Known {
        start: &["a:1"],
        later: &[(20, &["b:1", "c:1"])],
    };
    let late = || Known {
        start: &["a:1", "b:1", "c:1"],
        later: &[],
    };
    assert_eq!(unread(&[early(), late()]), ["b:1", "c:1"]);
    assert_eq!(unread(&[late(), early()]), [""; 0]);
    assert_eq!(unread(&[early()]), ["b:1", "c:1"]);
}

#[test]
fn a_merge_of_one_says_what_the_one_says() {
    let alone = Known {
        start: &["a:1", "b:1"],
        later: &[(20, &["c:1"])],
    };
    let n = services();
    assert_eq!(
        summed(&[alone]),
        [
            row("a:1", 1, 10 * n, 0),
            row("b:1", 2, 11 * n, n),
            row("c:1", 3, 12 * n, 2 * n),
        ]
    );
}

#[test]
fn clients_that_share_no_replica_are_not_merged() {
    let of = |start| recording(&Known { start, later: &[] });
    for (first, other) in [
        (&["a:1", "b:1"][..], &["c:1", "d:1"][..]),
        (&["a:1", "b:1"], &[]),
        (&[], &["a:1", "b:1"]),
    ] {
        let error = merge(vec![of(first), of(other)]).unwrap_err().to_string();
        assert!(error.contains("the replicas"), "{error}");
    }
    // One that came later links the two.
    let joined = recording(&Known {
        start: &["a:1", "b:1"],
        later: &[(9, &["c:1"])],
    });
    assert!(merge(vec![joined, of(&["c:1", "d:1"])]).is_ok());
}
