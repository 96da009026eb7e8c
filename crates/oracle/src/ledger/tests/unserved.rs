//! Streams that end and are, or are not, served again.

use super::*;

fn checked(story: &Story, at: u64) -> (u64, u64, u64) {
    let end = story.ledger.end_state(ms(at));
    (end.streams_checked, end.streams_wrong, end.streams_unjudged)
}

#[test]
fn a_stream_that_the_destination_cuts_and_never_serves_again_misses_everything() {
    let mut story = Story::with_streams(2);
    story
        .ledger
        .stream_closed(1, ms(1_000), EndedBy::Destination);
    story.ledger.stream_sent(1, ms(1_100));
    story
        .ledger
        .stream_closed(1, ms(1_101), EndedBy::Destination);
    assert_eq!(story.ledger.unserved_until(), Some(ms(31_000)));
    assert_eq!(checked(&story, 30_999), (1, 0, 1));
    assert_eq!(checked(&story, 31_000), (2, 1, 0));
    assert_eq!(story.end(), (1, 2, 0, 0));
    // Served again, it is like any other.
    story.ledger.stream_sent(1, ms(32_000));
    story.ledger.update(1, ms(32_001), &add(&[1, 2]));
    assert_eq!(story.end(), (0, 0, 0, 0));
    assert_eq!(story.ledger.unserved_until(), None);
}

#[test]
fn its_time_runs_on_until_its_next_snapshot() {
    let mut story = Story::with_streams(2);
    story.promised(ms(1_000), &[1, 3]);
    story
        .ledger
        .stream_closed(1, ms(1_001), EndedBy::Destination);
    // While it is closed, too.
    story.promised(ms(1_100), &[1, 3, 4]);
    story.ledger.update(0, ms(1_200), &add(&[3, 4]));
    story.ledger.update(0, ms(1_200), &remove(&[2]));
    story.ledger.stream_sent(1, ms(1_500));
    story.ledger.update(1, ms(1_600), &add(&[1, 3, 4]));
    let outbox = story.ledger.take_outbox();
    let took = |of: &Delivered| (of.direction, of.destination.as_millis());
    let seen: BTreeSet<_> = outbox.deliveries.iter().map(took).collect();
    let expected = [
        (Direction::Add, 100),
        (Direction::Add, 200),
        (Direction::Add, 500),
        (Direction::Add, 600),
        (Direction::Remove, 200),
        (Direction::Remove, 600),
    ];
    assert_eq!(seen, expected.into());
    assert_eq!((outbox.counts.left, outbox.counts.redundant), (0, 0));
    assert!(story.ledger.is_settled());
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn what_its_snapshot_lacks_it_has_yet_to_learn() {
    let mut story = Story::with_streams(1);
    story
        .ledger
        .stream_closed(0, ms(1_000), EndedBy::Destination);
    story.promised(ms(1_100), &[1, 2, 3]);
    story.ledger.stream_sent(0, ms(1_200));
    story.ledger.update(0, ms(1_300), &add(&[1, 2]));
    assert!(!story.ledger.is_settled());
    story.ledger.expire(ms(31_100));
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.deliveries[0].outcome, Outcome::Never);
    assert_eq!(story.end(), (1, 1, 0, 0));
}

#[test]
fn a_stream_that_we_ended_has_its_next_try_and_no_more() {
    let mut story = Story::with_streams(1);
    story.ledger.stream_closed(0, ms(1_000), EndedBy::Us);
    story.ledger.stream_retries(0, ms(21_000));
    assert_eq!(checked(&story, 23_999), (0, 0, 1));
    story.ledger.stream_sent(0, ms(21_000));
    story.ledger.stream_closed(0, ms(24_000), EndedBy::Us);
    story.ledger.stream_retries(0, ms(60_000));
    assert_eq!(checked(&story, 24_000), (1, 1, 0), "it has had its try");
}

#[test]
fn a_closed_stream_of_a_service_that_promises_nothing_is_right() {
    let mut story = Story::with_streams(1);
    story.promised(ms(900), &[]);
    story
        .ledger
        .stream_closed(0, ms(1_000), EndedBy::Destination);
    assert_eq!(checked(&story, 1_001), (1, 0, 0));
    // From its first endpoint on there is something to serve.
    story.promised(ms(50_000), &[1]);
    assert_eq!(
        checked(&story, 60_000),
        (1, 1, 0),
        "it was ended long before"
    );
}

#[test]
fn a_stream_between_two_tries_has_the_next_one_from_the_first_endpoint_on() {
    let mut story = Story::with_streams(1);
    story.promised(ms(900), &[]);
    story.ledger.update(0, ms(901), &remove(&[1, 2]));
    story.ledger.stream_closed(0, ms(2_000), EndedBy::Us);
    story.ledger.stream_retries(0, ms(40_000));
    story.promised(ms(3_000), &[1]);
    assert_eq!(story.ledger.unserved_until(), Some(ms(43_000)));
    assert_eq!(checked(&story, 42_999), (0, 0, 1));
    assert_eq!(checked(&story, 43_000), (1, 1, 0));
}

#[test]
fn an_empty_service_answers_a_stream_that_was_cut_with_silence() {
    let mut story = Story::with_streams(1);
    story
        .ledger
        .stream_closed(0, ms(1_000), EndedBy::Destination);
    story.promised(ms(1_100), &[]);
    story.ledger.stream_sent(0, ms(1_200));
    story.ledger.expire(ms(2_200));
    let outbox = story.ledger.take_outbox();
    assert_eq!((outbox.counts.left, outbox.deliveries.len()), (2, 0));
    assert!(story.ledger.is_settled());
    assert_eq!(story.end(), (0, 0, 0, 0));
}
