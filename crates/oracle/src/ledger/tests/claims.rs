//! Intents that another process reports, to the microsecond.

use super::*;

const SLACK: Duration = Duration::from_micros(200);

fn intent(at: At, add: u32, remove: u32) -> Intent {
    Intent { at, add, remove }
}

fn awaiting(streams: u32) -> Story {
    let mut story = Story::with_streams(streams);
    story.ledger.expect_late_intents();
    story
}

/// Kubernetes and end to end, in microseconds.
fn stages(outbox: &Outbox) -> (Vec<u128>, Vec<u128>) {
    let kubernetes = outbox.kubernetes.iter().map(|it| it.latency.as_micros());
    let early = outbox.deliveries.iter().filter_map(|it| it.end_to_end);
    let late = outbox.claimed.iter().map(|it| it.end_to_end);
    (
        kubernetes.collect(),
        early.chain(late).map(|it| it.as_micros()).collect(),
    )
}

#[test]
fn an_intent_that_comes_after_its_effect_still_times_it() {
    let at = At::from_micros;
    let mut story = awaiting(2);
    story.promised(at(1_000_500), &[1, 2, 3]);
    story.ledger.update(0, at(1_000_900), &add(&[3]));
    story.ledger.intend_late(intent(at(1_000_000), 1, 0), SLACK);
    story.ledger.update(1, at(1_001_000), &add(&[3]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(stages(&outbox), (vec![500], vec![1_000, 900]));
    assert_eq!(outbox.kubernetes[0].deliveries, 2);
    assert_eq!(outbox.changes[0].intended, Some(at(1_000_000)));
    assert_eq!(story.ledger.outstanding(), 0);
}

#[test]
fn a_change_that_all_know_waits_for_its_intent_before_it_is_handed_on() {
    let mut story = awaiting(1);
    story.promised(ms(1_000), &[1]);
    story.ledger.update(0, ms(1_001), &remove(&[2]));
    assert_eq!(story.ledger.take_outbox().changes, []);
    story.ledger.expire(ms(20_000));
    assert_eq!(story.ledger.take_outbox().changes, []);
    assert!(story.ledger.is_settled());
    story.ledger.intend_late(intent(ms(900), 0, 1), SLACK);
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.changes[0].intended, Some(ms(900)));
    assert_eq!(stages(&outbox), (vec![100_000], vec![101_000]));
}

#[test]
fn a_change_that_nobody_claims_is_handed_on_without_an_intended_instant() {
    let mut story = awaiting(1);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.update(0, ms(1_001), &add(&[3]));
    story.ledger.expire(ms(1_000) + CLAIM_WAIT);
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.changes[0].intended, None);
    // Its effect is over: nothing is left for the intent to claim, and what it asks for is to come.
    story.ledger.intend_late(intent(ms(900), 1, 0), SLACK);
    assert_eq!(story.ledger.outstanding(), 1);
    assert_eq!(stages(&story.ledger.take_outbox()), (vec![], vec![]));
}

#[test]
fn no_intent_claims_what_was_there_before_it() {
    let at = At::from_micros;
    let mut story = awaiting(1);
    // Somebody else's endpoint, then the one that was intended.
    story.promised(at(1_000_000), &[1, 2, 3]);
    story.promised(at(2_000_500), &[1, 2, 3, 4]);
    story.ledger.update(0, at(2_000_700), &add(&[3, 4]));
    story.ledger.intend_late(intent(at(2_000_000), 1, 0), SLACK);
    assert_eq!(stages(&story.ledger.take_outbox()), (vec![500], vec![700]));
    // Within what the clocks may be wrong by it may be its effect, and took no time then.
    story.promised(at(3_000_000), &[1, 2, 3, 4, 5]);
    story.ledger.intend_late(intent(at(3_000_150), 1, 0), SLACK);
    assert_eq!(stages(&story.ledger.take_outbox()).0, [0]);
}

#[test]
fn what_is_claimed_is_not_waited_for_again() {
    let mut story = awaiting(1);
    story.promised(ms(1_100), &[1, 2, 3, 4]);
    story.ledger.intend_late(intent(ms(1_000), 3, 0), SLACK);
    assert_eq!(story.ledger.outstanding(), 1);
    story.promised(ms(1_300), &[1, 2, 3, 4, 5]);
    assert_eq!(story.ledger.outstanding(), 0);
    let outbox = story.ledger.take_outbox();
    assert_eq!(stages(&outbox).0, [100_000, 100_000, 300_000]);
    assert_eq!(outbox.counts.starved, 0);
}

#[test]
fn whoever_comes_late_expects_only_what_is_missing_of_the_last_action() {
    let mut story = awaiting(1);
    story.ledger.resume(Some(ms(500)), 4);
    assert_eq!(story.ledger.outstanding(), 2);
    story.promised(ms(1_000), &[1, 2, 3, 4]);
    assert_eq!(stages(&story.ledger.take_outbox()).0, [500_000; 2]);
    // Intended before this clock began: expected, and not timed.
    story.ledger.resume(None, 3);
    story.promised(ms(2_000), &[1, 2, 3]);
    assert_eq!(stages(&story.ledger.take_outbox()).0, []);
    // So the next action's own endpoint is the next one's.
    story.ledger.intend_late(intent(ms(3_000), 0, 1), SLACK);
    story.promised(ms(3_010), &[1, 2]);
    assert_eq!(stages(&story.ledger.take_outbox()).0, [10_000]);
}

#[test]
fn the_end_of_watching_starves_nobody_and_hands_on_what_was_held() {
    let mut story = awaiting(1);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.update(0, ms(1_001), &add(&[3]));
    story.ledger.resume(Some(ms(2_000)), 50);
    story.ledger.abandon_intents();
    let outbox = story.ledger.take_outbox();
    assert_eq!((outbox.changes.len(), outbox.counts.starved), (1, 0));
}
