//! Claims about which messages count, and for how many changes.

mod healthy;

use dst_load_scenario::flags::Flags;

use super::*;
use crate::promise::Unjudged;

impl Story {
    /// Messages that count and changes to be delivered since the last call, all waiting being over.
    fn counted(&mut self, now: u64) -> (u64, u64) {
        self.ledger.expire(ms(now));
        let UpdateCounts { counted, due } = self.ledger.take_outbox().updates;
        (counted, due)
    }

    fn listed(&mut self, at: u64, numbers: &[u8]) {
        let listed = numbers.iter().map(|&n| endpoint(n).address.ip()).collect();
        self.ledger.name(ms(at), &listed);
    }
}

#[test]
fn a_change_is_due_once_for_each_stream_and_a_message_counts_once_for_all_its_changes() {
    let mut story = Story::with_streams(2);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.promised(ms(1_010), &[1, 2, 3, 4, 5]);
    story.ledger.update(0, ms(1_020), &add(&[3, 4, 5]));
    story.ledger.update(1, ms(1_020), &add(&[3, 4, 5]));
    assert_eq!(story.counted(9_000), (2, 4));
}

#[test]
fn a_change_in_several_messages_counts_each_of_them() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1, 2, 3, 4, 5]);
    for (after, number) in [(1, 3), (2, 4), (3, 5)] {
        story.ledger.update(0, ms(1_000 + after), &add(&[number]));
    }
    assert_eq!(story.counted(9_000), (3, 1));
}

#[test]
fn a_removal_and_an_addition_of_one_event_are_two_and_so_is_a_pod_in_place_of_another() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[2, 3]);
    story.ledger.update(0, ms(1_002), &add(&[3]));
    story.ledger.update(0, ms(1_003), &remove(&[1]));
    assert_eq!(story.counted(9_000), (2, 2));
    let next = [endpoint(3), named(2, "pod-9")].into();
    story.observed(ms(10_000), next, true);
    let upsert = Update::Add(vec![named(2, "pod-9")]);
    story.ledger.update(0, ms(10_004), &upsert);
    assert_eq!(story.counted(19_000), (1, 2));
}

#[test]
fn what_was_sent_before_counts_unless_an_event_of_its_slice_explains_it() {
    let mut story = Story::with_streams(1);
    story.listed(1_000, &[1, 2, 3]);
    story.promised(ms(1_000), &[1, 2, 3, 4]);
    for _ in 0..2 {
        story.ledger.update(0, ms(1_001), &add(&[3, 4]));
    }
    assert_eq!(story.counted(9_000), (2, 1), "an addition");
    story.promised(ms(50_000), &[1, 2]);
    for _ in 0..2 {
        story.ledger.update(0, ms(50_001), &remove(&[3, 4]));
    }
    assert_eq!(story.counted(59_000), (2, 1), "a removal");
    // The event may come before it or after, and need not be about all of it.
    story.listed(100_000, &[1]);
    story.ledger.update(0, ms(100_001), &add(&[1, 2]));
    story.ledger.update(0, ms(200_000), &add(&[2, 1]));
    story.listed(200_001, &[2]);
    assert_eq!(story.counted(209_000), (0, 0), "an event explains it");
    story.ledger.update(0, ms(300_000), &add(&[1, 2]));
    assert_eq!(story.counted(309_000), (1, 0), "nothing explains it");
    let empty = Update::NoEndpoints { exists: true };
    story.promised(ms(400_000), &[]);
    story.ledger.update(0, ms(400_001), &empty);
    story.ledger.update(0, ms(400_002), &empty);
    assert_eq!(story.counted(409_000), (1, 1), "it names no endpoint");
}

#[test]
fn a_repetition_beside_a_delivery_is_no_message_of_its_own() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.update(0, ms(1_001), &add(&[1, 3]));
    assert_eq!(story.counted(9_000), (1, 1));
    story.promised(ms(10_000), &[1, 2]);
    story.ledger.update(0, ms(10_001), &remove(&[3, 77]));
    assert_eq!(story.counted(19_000), (1, 1));
}

#[test]
fn the_first_message_of_a_stream_does_not_count_however_often_it_is_opened() {
    let mut story = Story::with_streams(1);
    for by in [EndedBy::Us, EndedBy::Destination] {
        story.ledger.stream_closed(0, ms(1_000), by);
        story.ledger.stream_sent(0, ms(1_100));
        story.ledger.update(0, ms(1_101), &add(&[1, 2]));
    }
    assert_eq!(story.counted(9_000), (0, 0));
    // What changes while a stream is away that the destination ended is due, and in its snapshot.
    story
        .ledger
        .stream_closed(0, ms(10_000), EndedBy::Destination);
    story.promised(ms(10_001), &[1, 2, 3]);
    story.ledger.stream_sent(0, ms(10_100));
    story.ledger.update(0, ms(10_101), &add(&[1, 2, 3]));
    assert_eq!(story.counted(19_000), (0, 1));
}

#[test]
fn the_first_endpoints_of_an_empty_service_are_due_and_are_no_message_that_counts() {
    for early in [false, true] {
        let mut story = Story::with_streams(0);
        story.promised(ms(0), &[]);
        story.ledger.add_stream(Place::default());
        story.ledger.stream_sent(0, ms(10));
        if early {
            story.ledger.update(0, ms(4_999), &add(&[1]));
        }
        story.promised(ms(5_000), &[1]);
        if !early {
            story.ledger.update(0, ms(5_001), &add(&[1]));
        }
        assert_eq!(story.counted(9_000), (0, 1), "{early}");
    }
}

#[test]
fn what_a_stream_missed_while_it_was_opened_is_neither_due_nor_counted() {
    let mut story = Story::with_streams(1);
    story.ledger.stream_closed(0, ms(900), EndedBy::Us);
    story.ledger.stream_sent(0, ms(999));
    story.promised(ms(1_000), &[2, 3]);
    // The controller is behind the observer: the snapshot is older than the change.
    story.ledger.update(0, ms(1_001), &add(&[1, 2]));
    story.ledger.update(0, ms(1_002), &add(&[3]));
    story.ledger.update(0, ms(1_002), &remove(&[1]));
    assert_eq!(story.counted(9_000), (0, 0));
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn a_state_that_is_left_out_is_due_and_one_that_comes_late_counts() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.promised(ms(1_050), &[1, 2]);
    story.ledger.update(0, ms(1_060), &remove(&[3]));
    assert_eq!(story.counted(40_000), (1, 2), "a removal alone");
    story.promised(ms(50_000), &[2]);
    story.promised(ms(50_050), &[1, 2]);
    story.ledger.update(0, ms(50_060), &add(&[1]));
    assert_eq!(story.counted(99_000), (0, 2), "an addition alone");
    story.promised(ms(100_000), &[1, 2, 4]);
    assert_eq!(story.counted(199_000), (0, 1));
    story.ledger.update(0, ms(199_500), &add(&[4]));
    assert_eq!(story.counted(209_000), (1, 0));
}

#[test]
fn untimed_changes_and_services_that_cannot_be_judged_have_no_part_in_it() {
    let mut story = Story::with_streams(1);
    story.observed(ms(1_000), endpoints(&[2, 3]), false);
    story.ledger.update(0, ms(1_001), &add(&[3]));
    story.ledger.update(0, ms(1_002), &remove(&[1]));
    assert_eq!(story.counted(9_000), (0, 0));
    story.ledger.follow(Flags {
        endpoint_slices: Some(false),
        ..Flags::DEFAULT
    });
    let observation = Observation {
        visible: ms(9_999),
        gone: false,
        cycle: 1,
        object: "service".into(),
        resource_version: "1".into(),
        timed: true,
    };
    story.ledger.observe(&observation, None, [], 8080);
    assert_eq!(story.ledger.unjudged(), Some(Unjudged::EndpointSlicesOff));
    story.ledger.update(0, ms(10_000), &remove(&[2]));
    story.ledger.update(0, ms(10_001), &remove(&[2]));
    assert_eq!(story.counted(19_000), (0, 0));
}

#[test]
fn messages_before_the_observer_count_once_the_change_is_known() {
    let mut story = Story::with_streams(1);
    story.ledger.update(0, ms(990), &add(&[3, 4]));
    assert_eq!(story.counted(991), (0, 0));
    story.promised(ms(1_000), &[1, 2, 3]);
    story.promised(ms(1_001), &[1, 2, 3, 4]);
    assert_eq!(story.counted(9_000), (1, 2), "one message of two changes");
    story.ledger.update(0, ms(9_990), &remove(&[4]));
    story.ledger.update(0, ms(9_991), &remove(&[4]));
    story.promised(ms(10_000), &[1, 2, 3]);
    assert_eq!(story.counted(19_000), (2, 1), "one that is repeated");
    story.promised(ms(20_000), &[1, 2, 3, 5]);
    story.ledger.update(0, ms(20_001), &add(&[5, 6]));
    story.promised(ms(20_002), &[1, 2, 3, 5, 6]);
    assert_eq!(story.counted(29_000), (1, 2), "half of it was due before");
}

#[test]
fn parts_that_came_before_the_observer_may_have_been_changes_of_their_own() {
    let mut story = Story::with_streams(1);
    story.ledger.update(0, ms(990), &add(&[3]));
    story.ledger.update(0, ms(991), &add(&[4]));
    story.promised(ms(1_000), &[1, 2, 3, 4]);
    assert_eq!(story.counted(9_000), (1, 1), "all of it was early");
    story.ledger.update(0, ms(9_990), &add(&[5]));
    story.promised(ms(10_000), &[1, 2, 3, 4, 5, 6]);
    story.ledger.update(0, ms(10_001), &add(&[6]));
    assert_eq!(story.counted(19_000), (1, 1), "the rest counts");
}
