//! A controller that sends each change at most once is never above one message a change, whatever
//! it coalesces, however late it or the observer is, and whenever streams are opened.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Something that happens, at its instant.
#[derive(Clone, Debug)]
enum Step {
    /// The observer receives an event: which endpoints a slice lists from now on.
    Observed(BTreeSet<u8>),
    /// The controller does.
    Controlled(BTreeSet<u8>),
    /// The controller sends a stream what has gathered.
    Sends(u32),
    /// It adds again what an event lists that a stream holds, as Linkerd does where Pods have changed.
    Repeats(u32),
    /// The destination or this tool ends a stream.
    Ends(u32, EndedBy),
    /// It is opened, and the controller sends it its snapshot so much later.
    Opens(u32, u64),
    /// The snapshot that was encoded when it was opened arrives.
    Snapshot(u32, BTreeSet<u8>),
}

/// One event: how long after the last, the endpoints toggled by it, how far the controller and the
/// observer are behind, whether the controller sends at once, and whether it repeats.
type Event = (u64, BTreeSet<u8>, u64, u64, bool, bool);

const STREAMS: u32 = 2;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let toggled = prop::collection::btree_set(1_u8..7, 0..4);
    let event = (
        1_u64..400,
        toggled,
        0_u64..300,
        0_u64..300,
        any::<bool>(),
        any::<bool>(),
    );
    prop::collection::vec(event, 1..30)
}

fn cuts() -> impl Strategy<Value = Vec<(u64, u32, bool, u64, u64)>> {
    let cut = (
        1_000_u64..9_000,
        0..STREAMS,
        any::<bool>(),
        1_u64..2_000,
        0_u64..200,
    );
    prop::collection::vec(cut, 0..4)
}

/// The steps in order: each side receives events in the order in which they happened.
fn steps(events: &[Event], cuts: &[(u64, u32, bool, u64, u64)]) -> BTreeMap<(u64, usize), Step> {
    let mut steps = BTreeMap::new();
    let mut push = |at: u64, step| {
        let number = steps.len();
        steps.insert((at, number), step);
    };
    let (mut at, mut listed) = (1_000, BTreeSet::from([1, 2]));
    let (mut controlled, mut observed) = (0, 0);
    for (wait, toggled, controller, observer, sends, repeats) in events {
        at += wait;
        listed = &listed ^ toggled;
        controlled = controlled.max(at + controller);
        observed = observed.max(at + observer);
        push(controlled, Step::Controlled(listed.clone()));
        push(observed, Step::Observed(listed.clone()));
        for stream in (0..STREAMS).filter(|_| *repeats) {
            push(controlled, Step::Repeats(stream));
        }
        for stream in (0..STREAMS).filter(|_| *sends) {
            push(controlled, Step::Sends(stream));
        }
    }
    for &(at, stream, ours, away, behind) in cuts {
        let by = if ours {
            EndedBy::Us
        } else {
            EndedBy::Destination
        };
        push(at, Step::Ends(stream, by));
        push(at + away, Step::Opens(stream, behind));
    }
    for stream in 0..STREAMS {
        push(30_000, Step::Opens(stream, 1));
        push(31_000, Step::Sends(stream));
    }
    steps
}

/// The controller's side of a stream: what it was sent, if it is open and has its snapshot.
type Sent = [Option<BTreeSet<u8>>; STREAMS as usize];

/// What came of it, and how many messages there were, snapshots and repetitions aside.
fn run(limits: Limits, events: &[Event], cuts: &[(u64, u32, bool, u64, u64)]) -> (Story, u64) {
    let mut story = Story::within(limits, STREAMS);
    let mut sent: Sent = [(); STREAMS as usize].map(|()| Some(BTreeSet::from([1, 2])));
    let mut listed = BTreeSet::from([1, 2]);
    let mut steps = steps(events, cuts);
    let mut opened = [true; STREAMS as usize];
    let mut messages = 0;
    let mut expired = 0;
    while let Some(((at, _), step)) = steps.pop_first() {
        // As the session does, every second.
        while expired + 1_000 <= at {
            expired += 1_000;
            story.ledger.expire(ms(expired));
        }
        match step {
            Step::Observed(now) => {
                let numbers: Vec<_> = now.iter().copied().collect();
                story.listed(at, &numbers);
                story.promised(ms(at), &numbers);
            }
            Step::Controlled(now) => listed = now,
            Step::Sends(stream) => {
                let Some(held) = &mut sent[stream as usize] else {
                    continue;
                };
                let added: Vec<_> = listed.difference(held).copied().collect();
                let removed: Vec<_> = held.difference(&listed).copied().collect();
                messages += u64::from(!added.is_empty()) + u64::from(!removed.is_empty());
                if !added.is_empty() {
                    story.ledger.update(stream, ms(at), &add(&added));
                }
                if !removed.is_empty() {
                    story.ledger.update(stream, ms(at), &remove(&removed));
                }
                held.clone_from(&listed);
            }
            Step::Repeats(stream) => {
                let held = sent[stream as usize].iter().flatten();
                let again: Vec<_> = held.filter(|it| listed.contains(it)).copied().collect();
                if !again.is_empty() {
                    story.ledger.update(stream, ms(at), &add(&again));
                }
            }
            Step::Ends(stream, by) => {
                if std::mem::take(&mut opened[stream as usize]) {
                    sent[stream as usize] = None;
                    story.ledger.stream_closed(stream, ms(at), by);
                    steps.retain(|_, step| !matches!(step, Step::Snapshot(of, _) if *of == stream));
                }
            }
            Step::Opens(stream, behind) => {
                if !std::mem::replace(&mut opened[stream as usize], true) {
                    story.ledger.stream_sent(stream, ms(at));
                    let snapshot = Step::Snapshot(stream, listed.clone());
                    steps.insert((at + behind, usize::MAX - stream as usize), snapshot);
                }
            }
            Step::Snapshot(stream, held) => {
                // An empty Service is answered with silence, and its stream has its snapshot yet to come.
                let numbers: Vec<_> = held.iter().copied().collect();
                if !numbers.is_empty() {
                    story.ledger.update(stream, ms(at), &add(&numbers));
                }
                sent[stream as usize] = Some(held);
            }
        }
    }
    (story, messages)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_controller_that_sends_what_changed_once_is_never_above_one(
        events in events(),
        cuts in cuts(),
    ) {
        let (mut story, _) = run(DEADLINE.into(), &events, &cuts);
        let (counted, due) = story.counted(99_000);
        prop_assert!(counted <= due, "{counted} messages for {due} changes");
        prop_assert_eq!(story.end(), (0, 0, 0, 0));
    }

    #[test]
    fn nor_is_it_where_updates_come_after_the_deadline(
        events in events(),
        cuts in cuts(),
        // A repetition that comes later than that has no event that explains it.
        deadline in 400_u64..3_000,
        smallest in prop::option::of(1_u64..2_000),
    ) {
        let limits = Limits {
            deadline: Duration::from_millis(deadline),
            largest: None,
            smallest: smallest.map(Duration::from_millis),
            lifecycle: Lifecycle::Eternal,
        };
        let (mut story, _) = run(limits, &events, &cuts);
        let (counted, due) = story.counted(99_000);
        prop_assert!(counted <= due, "{counted} messages for {due} changes");
    }

    #[test]
    fn a_controller_that_coalesces_nothing_is_at_one_exactly(mut events in events()) {
        for (_, _, _, _, sends, repeats) in &mut events {
            (*sends, *repeats) = (true, false);
        }
        let (mut story, messages) = run(DEADLINE.into(), &events, &[]);
        prop_assert_eq!(story.counted(99_000), (messages, messages));
    }
}
