//! Streams that wait for the first endpoints of an empty Service, and streams that miss changes.

use super::*;

fn first(millis: u64) -> FirstEndpoint {
    FirstEndpoint {
        latency: Duration::from_millis(millis),
        never: false,
        between_tries: false,
    }
}

/// A stream that got its first endpoint after so long, having been between two tries.
fn between(millis: u64) -> FirstEndpoint {
    FirstEndpoint {
        between_tries: true,
        ..first(millis)
    }
}

/// One that got none in so long.
fn missed(millis: u64) -> FirstEndpoint {
    FirstEndpoint {
        never: true,
        ..between(millis)
    }
}

/// Two streams of a Service that has promised nothing since 0 s; the second is between two tries.
fn between_two_tries() -> Story {
    let mut story = Story {
        ledger: ServiceLedger::new(DEADLINE),
        version: 0,
    };
    for _ in 0..3 {
        story.ledger.add_stream(Place::default());
    }
    story.promised(ms(0), &[]);
    for stream in 0..2 {
        story.ledger.stream_sent(stream, ms(10));
    }
    story.ledger.stream_closed(1, ms(3_010), EndedBy::Us);
    story.ledger.stream_retries(1, ms(3_110));
    story
}

#[test]
fn a_stream_between_two_tries_is_in_no_audience_and_its_wait_counts_from_visible() {
    let mut story = between_two_tries();
    story.promised(ms(3_050), &[1]);
    story.ledger.update(0, ms(3_051), &add(&[1]));
    assert!(!story.ledger.is_settled(), "one stream has yet to hear");
    story.ledger.stream_sent(1, ms(3_110));
    story.ledger.update(1, ms(3_112), &add(&[1]));
    assert!(story.ledger.is_settled());
    let outbox = story.ledger.take_outbox();
    // Only the one that lasted is timed as a delivery.
    assert_eq!(outbox.deliveries.len(), 1);
    assert_eq!(outbox.changes[0].audience, 1);
    assert_eq!(outbox.first_endpoints, [first(1), between(62)]);
    assert_eq!(outbox.counts.unexpected, 0);
}

#[test]
fn a_stream_that_never_was_sent_waits_for_nothing() {
    let mut story = between_two_tries();
    story.promised(ms(3_050), &[1]);
    story.ledger.update(0, ms(3_051), &add(&[1]));
    story.ledger.stream_sent(1, ms(3_110));
    story.ledger.update(1, ms(3_112), &add(&[1]));
    story.ledger.stream_sent(2, ms(9_000));
    story.ledger.update(2, ms(9_001), &add(&[1]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.first_endpoints, [first(1), between(62)]);
}

#[test]
fn a_stream_that_never_hears_is_counted_with_the_time_it_went_without() {
    let mut story = between_two_tries();
    story.promised(ms(3_050), &[1]);
    assert!(!story.ledger.is_settled());
    // It is waited for no longer than for an update.
    story.ledger.update(0, ms(3_051), &add(&[1]));
    story.ledger.expire(ms(3_049) + DEADLINE);
    assert!(!story.ledger.is_settled());
    story.ledger.expire(ms(3_050) + DEADLINE);
    assert!(story.ledger.is_settled());
    story.ledger.abandon_waiting(ms(10_050));
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.first_endpoints, [first(1), missed(7_000)]);
}

#[test]
fn endpoints_that_are_gone_before_a_stream_hears_of_them_are_missed() {
    let mut story = between_two_tries();
    story.promised(ms(3_050), &[1]);
    story.promised(ms(3_060), &[]);
    story.ledger.stream_sent(1, ms(3_110));
    story.ledger.abandon_waiting(ms(4_000));
    let in_audience = FirstEndpoint {
        between_tries: false,
        ..missed(10)
    };
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.first_endpoints, [in_audience, missed(10)]);
}

#[test]
fn when_endpoints_went_that_a_relist_no_longer_has_is_not_known() {
    let mut story = between_two_tries();
    story.promised(ms(3_050), &[1]);
    story.ledger.update(0, ms(3_051), &add(&[1]));
    story.observed(ms(9_000), endpoints(&[]), false);
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.first_endpoints, [first(1), missed(0)]);
}

#[test]
fn a_stream_that_is_cancelled_before_its_update_was_between_two_tries() {
    let mut story = between_two_tries();
    story.ledger.stream_sent(1, ms(3_110));
    story.promised(ms(5_000), &[1]);
    // The controller takes its time, and a proxy waits for 3 s.
    story.ledger.stream_closed(1, ms(6_110), EndedBy::Us);
    story.ledger.stream_sent(1, ms(6_510));
    for stream in 0..2 {
        story.ledger.update(stream, ms(7_000), &add(&[1]));
    }
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.counts.left, 1);
    assert_eq!(outbox.deliveries.len(), 1);
    assert_eq!(outbox.first_endpoints, [first(2_000), between(2_000)]);
}

#[test]
fn a_stream_that_had_the_first_endpoint_before_the_observer_saw_it_waited_for_nothing() {
    let mut story = between_two_tries();
    story.ledger.update(0, ms(3_049), &add(&[1]));
    story.promised(ms(3_050), &[1]);
    assert_eq!(story.ledger.take_outbox().first_endpoints, [first(0)]);
    // What it was sent is what it is promised, or the wait goes on.
    let mut story = between_two_tries();
    story.promised(ms(3_050), &[1]);
    story.ledger.update(0, ms(3_060), &add(&[2]));
    assert_eq!(story.ledger.take_outbox().first_endpoints, []);
    story.promised(ms(3_070), &[1, 2]);
    assert_eq!(story.ledger.take_outbox().first_endpoints, [first(20)]);
}

#[test]
fn only_the_first_endpoints_are_waited_for() {
    let mut story = Story::with_streams(2);
    story.ledger.stream_closed(1, ms(1_000), EndedBy::Us);
    story.promised(ms(1_010), &[1, 2, 3]);
    story.ledger.update(0, ms(1_011), &add(&[3]));
    story.ledger.stream_sent(1, ms(1_100));
    story.ledger.update(1, ms(1_101), &add(&[1, 2, 3]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(
        (outbox.deliveries.len(), outbox.first_endpoints.len()),
        (1, 0)
    );
    // What it missed while it was closed, its snapshot has put right.
    assert_eq!(story.end(), (0, 0, 0, 0));
    assert_eq!(outbox.counts.redundant, 0);
}

#[test]
fn deliveries_and_wrong_streams_are_told_apart_by_replica() {
    let mut story = Story::with_streams(2);
    for stream in 0..2 {
        story.ledger.assign_replica(stream, stream, ms(0));
    }
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.update(1, ms(1_001), &add(&[3]));
    story.ledger.expire(ms(40_000));
    let outbox = story.ledger.take_outbox();
    let delivered: Vec<_> = (outbox.deliveries.iter())
        .map(|delivered| (delivered.replica, delivered.outcome))
        .collect();
    assert_eq!(
        delivered,
        [(Some(1), Outcome::Learnt), (Some(0), Outcome::Never)]
    );
    let end = story.ledger.end_state(ms(40_000));
    assert_eq!(end.wrong_by_replica, [(0, 1)].into());
}

#[test]
fn what_ended_on_a_replica_is_that_replicas_though_the_stream_moved_since() {
    let mut story = Story::with_streams(1);
    story.ledger.assign_replica(0, 0, ms(0));
    // The first replica drops an endpoint that comes, goes and comes again.
    story.promised(ms(1_000), &[1, 2, 3]);
    story.promised(ms(40_000), &[1, 2]);
    story.promised(ms(80_000), &[1, 2, 3]);
    story
        .ledger
        .stream_closed(0, ms(90_000), EndedBy::Destination);
    story.ledger.assign_replica(0, 1, ms(90_100));
    story.ledger.stream_sent(0, ms(90_100));
    // Nobody answers there.
    story
        .ledger
        .stream_closed(0, ms(91_000), EndedBy::Destination);
    story.ledger.assign_replica(0, 2, ms(91_200));
    story.ledger.stream_sent(0, ms(91_200));
    story.ledger.update(0, ms(91_300), &add(&[1, 2, 3]));
    let outbox = story.ledger.take_outbox();
    let of: Vec<_> = (outbox.deliveries.iter())
        .map(|delivered| (delivered.replica, delivered.outcome))
        .collect();
    // Which of the two times the snapshot is about is not known.
    assert_eq!(
        of,
        [(Some(0), Outcome::Censored), (Some(2), Outcome::Censored)]
    );
    let end = story.ledger.end_state(ms(120_000));
    assert_eq!(end.streams_by_replica, [(2, 1)].into());
}
