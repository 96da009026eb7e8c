//! Where the destination stage starts of what we wrote ourselves, to the microsecond.

use super::*;

/// The write of this version of the slice that [`Story::observed`] tells of.
fn written(version: u32) -> Written {
    Written {
        object: "slice-1".into(),
        resource_version: Some(version.to_string().into()),
    }
}

fn micros(outbox: &Outbox) -> Vec<u128> {
    let deliveries = outbox.deliveries.iter();
    deliveries.map(|it| it.destination.as_micros()).collect()
}

#[test]
fn a_write_of_our_own_counts_from_its_acknowledgement_if_that_came_before_the_observer() {
    let at = At::from_micros;
    let mut story = Story::with_streams(3);
    story.ledger.acknowledge(written(2), at(1_000_100));
    // Before the acknowledgement, between it and the observer, and after both.
    story.ledger.update(0, at(1_000_050), &add(&[3]));
    story.ledger.update(1, at(1_000_400), &add(&[3]));
    story.promised(at(1_000_500), &[1, 2, 3]);
    story.ledger.update(2, at(1_000_517), &add(&[3]));
    let outbox = story.ledger.take_outbox();
    // The first update proves that the change was there before it was acknowledged.
    assert_eq!(micros(&outbox), [0, 350, 467]);
    assert_eq!(outbox.counts.early, 2);
    let [change] = &outbox.changes[..] else {
        panic!("one change, closed: {:?}", outbox.changes)
    };
    assert_eq!(
        (change.start, change.visible),
        (at(1_000_050), at(1_000_500))
    );
}

#[test]
fn an_acknowledgement_after_the_observer_moves_nothing_back() {
    let at = At::from_micros;
    let mut story = Story::with_streams(1);
    story.ledger.acknowledge(written(2), at(1_000_900));
    story.promised(at(1_000_500), &[1, 2, 3]);
    story.ledger.update(0, at(1_000_600), &add(&[3]));
    assert_eq!(micros(&story.ledger.take_outbox()), [100]);

    // Known only later, but stamped before: what is still to come counts from it.
    story.promised(at(2_000_500), &[1, 2, 3, 4]);
    story.ledger.acknowledge(written(3), at(2_000_200));
    story.ledger.update(0, at(2_000_600), &add(&[4]));
    assert_eq!(micros(&story.ledger.take_outbox()), [400]);
}

#[test]
fn an_acknowledgement_is_of_one_write_and_of_no_other() {
    let mut story = Story::with_streams(1);
    story.ledger.acknowledge(written(7), ms(900));
    let gone = Written {
        resource_version: None,
        ..written(0)
    };
    story.ledger.acknowledge(gone, ms(950));
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.update(0, ms(1_001), &add(&[3]));
    assert_eq!(micros(&story.ledger.take_outbox()), [1_000]);

    let observation = Observation {
        visible: ms(1_100),
        gone: true,
        cycle: 1,
        object: "slice-1".into(),
        resource_version: "99".into(),
        timed: true,
    };
    story
        .ledger
        .observe_promised(&observation, &[endpoints(&[1, 2])]);
    story.ledger.update(0, ms(1_101), &remove(&[3]));
    assert_eq!(micros(&story.ledger.take_outbox()), [151_000]);
}

#[test]
fn an_acknowledgement_without_an_event_is_forgotten() {
    let mut story = Story::with_streams(1);
    story.ledger.acknowledge(written(2), ms(1_000));
    story.ledger.expire(ms(1_000) + DEADLINE);
    story.promised(ms(40_000), &[1, 2, 3]);
    story.ledger.update(0, ms(40_001), &add(&[3]));
    assert_eq!(micros(&story.ledger.take_outbox()), [1_000]);
}
