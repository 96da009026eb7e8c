//! Claims about which messages count, and for how many changes.

mod healthy;

use dst_load_scenario::flags::Flags;

use super::*;
use crate::promise::Unjudged;

impl Story {
    /// Messages that count and changes to be delivered since the last call, all waiting being over.
    fn counted(&mut self, now: u64) -> (u64, u64) {
        self.ledger.expire(ms(now));
        let updates = self.ledger.take_outbox().updates;
        (updates.counted, updates.due)
    }

    /// Messages of repeated additions alone that count since the last call, and those of them that
    /// may be a resync.
    fn repeated(&mut self, now: u64) -> (u64, u64) {
        self.ledger.expire(ms(now));
        let updates = self.ledger.take_outbox().updates;
        assert_eq!(updates.counted, updates.repeated);
        (updates.repeated, updates.resync)
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
fn a_state_that_is_left_out_is_due_and_one_that_comes_after_the_deadline_does_not_count() {
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
    assert_eq!(story.counted(209_000), (0, 0));
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

#[test]
fn repeated_additions_may_be_a_resync_once_in_ten_minutes_and_stream() {
    let mut story = Story::with_streams(2);
    let minute = 60_000;
    for stream in 0..2 {
        story.ledger.update(stream, ms(minute), &add(&[1]));
        // Another slice of the Service.
        story.ledger.update(stream, ms(minute + 4_000), &add(&[2]));
        story.ledger.update(stream, ms(minute + 6_000), &add(&[1]));
    }
    assert_eq!(story.repeated(minute + 9_000), (6, 4));
    story.ledger.update(0, ms(10 * minute), &add(&[1]));
    assert_eq!(story.repeated(11 * minute - 1), (1, 0), "too early");
    for at in [11 * minute, 12 * minute, 21 * minute] {
        story.ledger.update(0, ms(at), &add(&[1, 2]));
    }
    assert_eq!(story.repeated(22 * minute), (3, 2));
    // Another replica may serve a stream that is opened again.
    let at = 23 * minute;
    story.ledger.stream_closed(0, ms(at), EndedBy::Destination);
    story.ledger.stream_sent(0, ms(at + 1));
    story.ledger.update(0, ms(at + 2), &add(&[1, 2]));
    story.ledger.update(0, ms(at + 3), &add(&[1, 2]));
    assert_eq!(story.repeated(24 * minute), (1, 1));
}

#[test]
fn repeated_removals_are_never_a_resync() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1]);
    story.ledger.update(0, ms(1_001), &remove(&[2]));
    story.ledger.update(0, ms(1_002), &remove(&[2]));
    story.ledger.expire(ms(9_000));
    let updates = story.ledger.take_outbox().updates;
    assert_eq!((updates.counted, updates.due), (2, 1));
    assert_eq!((updates.repeated, updates.resync), (0, 0));
}

#[test]
fn an_addition_that_is_repeated_after_it_was_given_up_counts_once_at_most() {
    // A controller that is behind leaves out that endpoints went and came back.
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[]);
    story.promised(ms(1_001), &[1, 2]);
    assert_eq!(story.counted(40_000), (0, 2));
    // Pods change later, one by one, and each event of their slice adds one of them again.
    for (at, number) in [(50_000, 1), (60_000, 2)] {
        story.listed(at, &[1, 2]);
        story.ledger.update(0, ms(at + 1), &add(&[number]));
    }
    assert_eq!(story.counted(70_000), (0, 0));
}

#[test]
fn updates_that_come_after_the_deadline_do_not_count_each_by_itself() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1, 2, 3, 4, 5]);
    story.promised(ms(1_001), &[1, 2]);
    // Both were left out.
    assert_eq!(story.counted(40_000), (0, 2));
    // From here on the observer is behind, and each addition has an event of its own.
    for (at, number) in [(50_000, 3), (51_000, 4), (52_000, 5)] {
        story.ledger.update(0, ms(at), &add(&[number]));
    }
    story.promised(ms(52_100), &[1, 2, 3]);
    story.promised(ms(52_200), &[1, 2, 3, 4]);
    story.promised(ms(52_300), &[1, 2, 3, 4, 5]);
    let (counted, due) = story.counted(60_000);
    assert!(counted <= due, "{counted} messages for {due} changes");
}

#[test]
fn a_stream_that_missed_a_removal_may_be_sent_the_addition_that_undoes_it() {
    let mut story = Story::with_streams(1);
    story.ledger.stream_closed(0, ms(900), EndedBy::Us);
    story.ledger.stream_sent(0, ms(990));
    story.promised(ms(1_000), &[]);
    // The controller is behind the observer with what the snapshot has.
    story.ledger.update(0, ms(1_001), &add(&[1, 2]));
    story.promised(ms(1_010), &[1, 3]);
    // Both events are one to it, and the Pod has changed.
    story.ledger.update(0, ms(1_020), &add(&[1]));
    story.ledger.update(0, ms(1_021), &add(&[3]));
    story.ledger.update(0, ms(1_022), &remove(&[2]));
    assert_eq!(story.counted(9_000), (1, 1));
    story.ledger.update(0, ms(10_000), &add(&[1]));
    assert_eq!(story.counted(19_000), (1, 0), "once");
}

#[test]
fn the_end_of_a_service_is_one_message_whatever_follows_for_its_slices() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[]);
    story.ledger.update(0, ms(1_001), &remove(&[1, 2]));
    let empty = Update::NoEndpoints { exists: false };
    story.ledger.update(0, ms(1_002), &empty);
    assert_eq!(story.counted(9_000), (1, 1));
}

#[test]
fn a_change_of_the_service_itself_is_due_once_for_each_of_its_slices() {
    let mut story = Story::with_streams(1);
    let service = |name: &str| Service {
        ports: vec![ServicePort {
            name: name.to_owned(),
            port: 8080,
        }],
        ..Service::default()
    };
    let slice = |n: u8, name: &str| Slice {
        ports: vec![SlicePort {
            name: name.to_owned(),
            port: Some(8080),
        }],
        endpoints: vec![SliceEndpoint {
            addresses: vec![endpoint(n).address.ip()],
            ready: true,
            target: EndpointTarget::Pod(format!("pod-{n}")),
            node: None,
            hostname: None,
            zones: Vec::new(),
        }],
    };
    let observation = |at: u64| Observation {
        visible: ms(at),
        gone: false,
        cycle: 1,
        object: "object".into(),
        resource_version: at.to_string().into(),
        timed: true,
    };
    let http = [slice(1, "http"), slice(2, "http")];
    let all = [&http[..], &[slice(3, "grpc"), slice(4, "grpc")]].concat();
    let observe = |story: &mut Story, at, name: Option<&str>, slices: &[Slice]| {
        let service = name.map(service);
        let ledger = &mut story.ledger;
        ledger.observe(&observation(at), service.as_ref(), slices, 8080);
    };
    // What is promised stays the same.
    observe(&mut story, 500, Some("http"), &http);
    observe(&mut story, 600, Some("http"), &all);
    assert_eq!(story.counted(900), (0, 0));
    // Another port: a controller applies the slices one after the other.
    observe(&mut story, 1_000, Some("grpc"), &all);
    story.ledger.update(0, ms(1_001), &remove(&[1]));
    story.ledger.update(0, ms(1_002), &remove(&[2]));
    story.ledger.update(0, ms(1_003), &add(&[3]));
    story.ledger.update(0, ms(1_004), &add(&[4]));
    let (counted, due) = story.counted(9_000);
    assert_eq!((counted, due), (4, 8), "four slices, two directions");
    // An event of a slice is one change, however many slices there are.
    observe(&mut story, 10_000, Some("grpc"), &all[..3]);
    story.ledger.update(0, ms(10_001), &remove(&[4]));
    assert_eq!(story.counted(19_000), (1, 1));
    // A Service that is gone ends all of them at once.
    observe(&mut story, 20_000, None, &all[..3]);
    story.ledger.update(0, ms(20_001), &remove(&[3]));
    assert_eq!(story.counted(29_000), (1, 1));
}
