//! Claims about endpoints that are long gone.

use super::*;

#[test]
fn an_endpoint_that_comes_and_goes_is_looked_at_once() {
    let mut story = Story::with_streams(1);
    for round in 1..50 {
        story.promised(ms(round * 70_000), &[1]);
        story
            .ledger
            .update(0, ms(round * 70_000 + 1), &remove(&[2]));
        // Each time that it is looked whether the slot is free, the endpoint has just gone again.
        story.ledger.expire(ms(round * 70_000 + 2));
        story.promised(ms(round * 70_000 + 3), &[1, 2]);
        story.ledger.update(0, ms(round * 70_000 + 4), &add(&[2]));
    }
    assert_eq!(story.ledger.slots.retired.len(), 1);
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn endpoints_long_gone_give_their_slots_back() {
    let mut story = Story::with_streams(1);
    for round in 0..200_u64 {
        let start = 100_000 * (round + 1);
        let n = u8::try_from(round % 200).unwrap() + 20;
        story.promised(ms(start), &[1, 2, n]);
        story.ledger.update(0, ms(start + 1), &add(&[n]));
        story.promised(ms(start + 10), &[1, 2]);
        story.ledger.update(0, ms(start + 11), &remove(&[n]));
        story.ledger.expire(ms(start + 90_000));
    }
    assert!(story.ledger.slots.iter().count() < 8);
    assert_eq!(story.end(), (0, 0, 0, 0));
}
