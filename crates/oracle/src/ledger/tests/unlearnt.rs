//! States that end before a stream has learnt them.

use super::*;

/// Limits of 500 ms and 2 s, and a deadline of 5 s: those of `quick`.
const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(5),
    largest: Some(Duration::from_secs(2)),
    smallest: Some(Duration::from_millis(500)),
    lifecycle: Lifecycle::Eternal,
};

fn quick(streams: u32) -> Story {
    Story::within(LIMITS, streams)
}

/// Milliseconds and how it ended, of each observation.
fn ended(outbox: &Outbox) -> Vec<(Direction, u128, Outcome)> {
    let each = outbox.deliveries.iter().flat_map(|it| {
        let one = (it.direction, it.destination.as_millis(), it.outcome);
        std::iter::repeat_n(one, it.times as usize)
    });
    each.collect()
}

#[test]
fn a_destination_that_sends_nothing_does_not_pass_because_changes_and_their_reversals_cancel_out() {
    let mut story = quick(2);
    for cycle in 0..2 {
        story.promised(ms(10_000 + 6_000 * cycle), &[1, 2, 3]);
        story.promised(ms(13_000 + 6_000 * cycle), &[1, 2]);
    }
    story.ledger.expire(ms(60_000));
    let outbox = story.ledger.take_outbox();
    assert_eq!(
        ended(&outbox),
        [(Direction::Add, 3_000, Outcome::Never); 4],
        "each lasted longer than the largest limit"
    );
    assert_eq!(
        outbox.counts.superseded, 4,
        "there was nothing to go back from"
    );
    assert!(outbox.changes.iter().all(|it| it.known.is_empty()));
    assert_eq!(story.end(), (0, 0, 0, 0));
    assert!(story.ledger.is_settled());
}

#[test]
fn an_update_that_comes_after_the_state_has_ended_is_timed() {
    let mut story = quick(1);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.promised(ms(11_000), &[1, 2]);
    story.ledger.update(0, ms(11_500), &add(&[3]));
    story.ledger.update(0, ms(11_600), &remove(&[3]));
    assert_eq!(
        ended(&story.ledger.take_outbox()),
        [
            (Direction::Add, 1_500, Outcome::Learnt),
            (Direction::Remove, 600, Outcome::Learnt)
        ]
    );
    assert!(story.ledger.is_settled());
}

#[test]
fn a_state_that_is_left_out_is_censored_at_the_time_it_stood() {
    let mut story = quick(1);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.promised(ms(11_000), &[1, 2]);
    story.ledger.expire(ms(14_999));
    assert!(
        story.ledger.take_outbox().deliveries.is_empty(),
        "it may come yet"
    );
    story.ledger.expire(ms(15_000));
    let outbox = story.ledger.take_outbox();
    assert_eq!(ended(&outbox), [(Direction::Add, 1_000, Outcome::Censored)]);
    assert_eq!((outbox.counts.superseded, outbox.counts.excluded), (1, 0));
    // It comes after all, and is no news of anything.
    story.ledger.update(0, ms(16_000), &add(&[3]));
    story.ledger.update(0, ms(16_001), &remove(&[3]));
    story.ledger.expire(ms(60_000));
    let counts = story.ledger.take_outbox().counts;
    assert_eq!((counts.late, counts.unexpected), (2, 0));
}

#[test]
fn a_state_that_stood_for_less_than_a_fifth_of_the_smallest_limit_may_be_left_out() {
    let mut story = quick(1);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.promised(ms(10_099), &[1, 2]);
    story.promised(ms(20_000), &[1, 2, 3]);
    story.promised(ms(20_100), &[1, 2]);
    story.ledger.expire(ms(60_000));
    let outbox = story.ledger.take_outbox();
    assert_eq!(ended(&outbox), [(Direction::Add, 100, Outcome::Censored)]);
    assert_eq!((outbox.counts.excluded, outbox.counts.superseded), (1, 2));
}

#[test]
fn a_slow_controller_that_leaves_nothing_out_is_timed_exactly() {
    // 2.5 s behind, and each state stands for 1 s: three are open at a time.
    let mut story = quick(1);
    let mut happens: Vec<(u64, bool, u64)> = Vec::new();
    for state in 0..6 {
        happens.push((10_000 + 1_000 * state, true, state));
        happens.push((12_500 + 1_000 * state, false, state));
    }
    happens.sort_unstable();
    for (at, changes, state) in happens {
        let present = state % 2 == 0;
        match (changes, present) {
            (true, true) => story.promised(ms(at), &[1, 2, 3]),
            (true, false) => story.promised(ms(at), &[1, 2]),
            (false, true) => story.ledger.update(0, ms(at), &add(&[3])),
            (false, false) => story.ledger.update(0, ms(at), &remove(&[3])),
        }
    }
    story.ledger.expire(ms(60_000));
    let outbox = story.ledger.take_outbox();
    let seen = ended(&outbox);
    assert_eq!(seen.len(), 6);
    assert!(
        seen.iter()
            .all(|&(_, took, how)| (took, how) == (2_500, Outcome::Learnt)),
        "{seen:?}"
    );
    let counts = outbox.counts;
    assert_eq!(
        (counts.unexpected, counts.superseded, counts.late),
        (0, 0, 0)
    );
}

#[test]
fn a_controller_that_sends_only_the_last_state_is_accused_of_nothing_that_it_may_not_have_done() {
    let mut story = quick(1);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.promised(ms(11_000), &[1, 2]);
    story.promised(ms(12_000), &[1, 2, 3]);
    story.ledger.update(0, ms(12_010), &add(&[3]));
    story.ledger.expire(ms(60_000));
    let outbox = story.ledger.take_outbox();
    // The first may have been learnt after 2.01 s, or never: 1 s at least. So with the last: 10 ms.
    assert_eq!(
        ended(&outbox),
        [
            (Direction::Add, 1_000, Outcome::Censored),
            (Direction::Add, 10, Outcome::Censored)
        ]
    );
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn a_removal_of_what_a_stream_was_never_told_of_says_that_the_addition_was_left_out() {
    let mut story = quick(1);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.promised(ms(13_000), &[1, 2]);
    story.ledger.update(0, ms(13_001), &remove(&[3]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(ended(&outbox), [(Direction::Add, 3_000, Outcome::Never)]);
    assert_eq!((outbox.counts.superseded, outbox.counts.redundant), (1, 0));
    assert!(story.ledger.is_settled());
}

#[test]
fn without_limits_a_state_has_the_deadline() {
    let mut story = Story::with_streams(1);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.promised(ms(39_999), &[1, 2]);
    story.ledger.expire(ms(60_000));
    let seen = ended(&story.ledger.take_outbox());
    assert_eq!(seen, [(Direction::Add, 29_999, Outcome::Censored)]);
    story.promised(ms(100_000), &[1, 2, 3]);
    story.promised(ms(130_000), &[1, 2]);
    story.ledger.expire(ms(200_000));
    let seen = ended(&story.ledger.take_outbox());
    assert_eq!(seen, [(Direction::Add, 30_000, Outcome::Never)]);
}

#[test]
fn the_end_leaves_nothing_open() {
    let mut story = quick(2);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.ledger.update(0, ms(10_010), &add(&[3]));
    let end = story.ledger.end_state(ms(11_000));
    assert_eq!((end.streams_wrong, end.streams_unjudged), (0, 1));
    story.ledger.conclude_all(ms(11_000));
    let seen = ended(&story.ledger.take_outbox());
    assert_eq!(
        seen,
        [
            (Direction::Add, 10, Outcome::Learnt),
            (Direction::Add, 1_000, Outcome::Censored)
        ]
    );
    assert!(!story.ledger.has_open_changes());
}

#[test]
fn what_happens_while_the_observer_lists_again_is_neither_timed_nor_accused() {
    let mut story = quick(1);
    story.promised(ms(10_000), &[1, 2, 3]);
    story.observed(ms(11_000), endpoints(&[1, 2]), false);
    story.ledger.expire(ms(60_000));
    let outbox = story.ledger.take_outbox();
    assert_eq!((ended(&outbox), outbox.counts.left), (vec![], 1));
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn the_first_update_that_brings_the_state_starts_the_clock() {
    let mut story = quick(3);
    story.ledger.update(0, ms(9_200), &add(&[3]));
    story.ledger.update(1, ms(9_300), &add(&[3]));
    story.promised(ms(10_000), &[1, 2, 3]);
    story.ledger.update(2, ms(10_100), &add(&[3]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(
        ended(&outbox),
        [
            (Direction::Add, 0, Outcome::Learnt),
            (Direction::Add, 100, Outcome::Learnt),
            (Direction::Add, 900, Outcome::Learnt)
        ]
    );
    let known: Vec<_> = outbox.changes[0]
        .known
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(known, [0, 100, 900]);
}

#[test]
fn neither_a_snapshot_nor_a_repetition_starts_it() {
    let mut story = quick(2);
    story.ledger.stream_closed(1, ms(9_000), EndedBy::Us);
    story.ledger.stream_sent(1, ms(9_100));
    // The snapshot is ahead of the observer by 800 ms.
    story.ledger.update(1, ms(9_200), &add(&[1, 2, 3]));
    story.ledger.update(1, ms(9_300), &add(&[3]));
    story.promised(ms(10_000), &[1, 2, 3]);
    story.ledger.update(0, ms(10_100), &add(&[3]));
    let seen = ended(&story.ledger.take_outbox());
    assert_eq!(seen, [(Direction::Add, 100, Outcome::Learnt)]);
}

#[test]
fn an_update_that_a_consistent_read_contradicts_is_premature() {
    let mut story = quick(2);
    story.ledger.update(0, ms(20_000), &add(&[9]));
    story.ledger.update(1, ms(20_000), &remove(&[1]));
    story.ledger.update(1, ms(20_100), &add(&[1]));
    assert_eq!(story.ledger.unexplained_since(), Some(ms(20_000)));
    // Asked before one of them came: it may be right.
    story.ledger.contradict(ms(20_000));
    assert_eq!(story.ledger.take_outbox().counts.premature, 0);
    story.ledger.contradict(ms(20_200));
    let counts = story.ledger.take_outbox().counts;
    assert_eq!((counts.premature, counts.unexpected_mended), (2, 1));
    assert_eq!(story.ledger.unexplained_since(), None);
    assert_eq!(story.end(), (1, 0, 0, 1));
}

#[test]
fn what_may_have_been_on_its_way_is_not_called_premature() {
    let mut story = quick(1);
    // Ended by us: the stream was not there for what happened to endpoint 3.
    story.ledger.stream_closed(0, ms(9_000), EndedBy::Us);
    story.promised(ms(9_100), &[1, 2, 3]);
    story.promised(ms(9_200), &[1, 2]);
    story.ledger.stream_sent(0, ms(9_300));
    story.ledger.update(0, ms(9_400), &add(&[1, 2]));
    // A controller that is behind sends both.
    story.ledger.update(0, ms(9_500), &add(&[3]));
    story.ledger.contradict(ms(9_550));
    story.ledger.update(0, ms(9_600), &remove(&[3]));
    story.ledger.contradict(ms(9_700));
    story.ledger.expire(ms(60_000));
    assert_eq!(story.ledger.take_outbox().counts.premature, 0);
    assert_eq!(story.end(), (0, 0, 0, 0));
}
