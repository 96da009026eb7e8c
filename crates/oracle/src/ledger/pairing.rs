//! Pairs the wanted states of one endpoint with the updates of one stream about it.
//!
//! A controller sends updates in order, and may leave out states that ended before it came to send
//! them. While a stream has one or two states to learn, an update can only be about the first. With
//! more than that it may be about an early state, late, or about a late one, early: which, the
//! updates that follow decide. As many updates as states: each is about its own. If fewer come, the
//! updates are paired with the latest states that they can be about, and what this says are lower
//! bounds.

use std::time::Duration;

use dst_load_scenario::{action::Direction, time::At};
use smallvec::SmallVec;

use super::{
    ServiceLedger,
    outbox::{After, Ended, Outcome},
    slots::SlotId,
    streams::StreamId,
    unexplained::Toggle,
};

/// One state that a stream has yet to learn.
#[derive(Clone, Copy, Debug)]
struct State {
    change: u64,
    direction: Direction,
    start: At,
    intended: Option<At>,
}

/// What became of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Learnt by this update, for certain.
    Learnt(At),
    /// Learnt by this update at the earliest, or not at all.
    AtLeast(At),
    /// It ended unlearnt.
    Unlearnt,
    /// The stream had not learnt the state before it, and so was in this one already.
    NothingToLearn,
    /// It is still to be learnt.
    Open,
}

// === impl State ===

impl State {
    /// The change and its intended instant.
    const fn named(&self) -> (u64, Option<At>) {
        (self.change, self.intended)
    }
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// A stream has toggled whether it holds the endpoint, while it has states of it to learn.
    pub(super) fn answer(&mut self, stream: StreamId, id: SlotId, toggle: Toggle) {
        if self.unexplained.toggles(id, stream).is_empty() && !toggle.snapshot {
            let (first, third) = {
                let mut entries = self.entries(stream, id);
                let first = entries.next().map(|entry| (entry.change, entry.intended));
                (first, entries.nth(1).is_some())
            };
            // Nearly always so: no update can be about a third state.
            if let (Some(first), false) = (first, third) {
                self.learnt(stream, id, first, toggle.at, toggle.is_evidence());
                return;
            }
        }
        self.unexplained.push(id, stream, toggle);
        let states = self.states(stream, id);
        let deferred = self.unexplained.toggles(id, stream);
        if deferred.len() == states.len() {
            self.unexplained.forget(id, stream);
            for (state, toggle) in states.into_iter().zip(deferred) {
                self.learnt(stream, id, state.named(), toggle.at, toggle.is_evidence());
            }
        } else if toggle.snapshot {
            // What the stream was not sent before its snapshot is not sent any more.
            self.conclude(stream, id);
        }
    }

    /// A stream was sent the removal of what it does not hold, and a removal is what it has to learn
    /// second: the first, an addition, was left out.
    pub(super) fn skip(&mut self, stream: StreamId, id: SlotId) -> bool {
        let skips =
            self.states(stream, id).len() == 2 && self.unexplained.toggles(id, stream).is_empty();
        if skips {
            self.conclude(stream, id);
        }
        skips
    }

    /// Waits no longer for updates about states that have ended.
    pub(super) fn conclude(&mut self, stream: StreamId, id: SlotId) {
        let states = self.states(stream, id);
        let toggles = self.unexplained.toggles(id, stream);
        if states.is_empty() {
            return;
        }
        self.unexplained.forget(id, stream);
        let silent = toggles.is_empty();
        for (number, fate) in (0..).zip(fates(&states, &toggles)) {
            let state = states[number];
            // Every state but the last has a successor, which ended it.
            let lasted = states
                .get(number + 1)
                .map_or(Duration::ZERO, |next| next.start.since(state.start));
            match fate {
                Fate::Learnt(at) => self.learnt(stream, id, state.named(), at, false),
                Fate::AtLeast(at) => {
                    let span = at.since(state.start);
                    self.unlearnt(stream, id, state, span, Outcome::Censored);
                }
                Fate::Unlearnt if self.limits.may_be_left_out(lasted) => {
                    self.outbox.counts.excluded += 1;
                    self.close(stream, id, state);
                }
                // An update that came since may have been about this one, late.
                Fate::Unlearnt => {
                    let never = silent && self.limits.is_never(lasted);
                    let outcome = if never {
                        Outcome::Never
                    } else {
                        Outcome::Censored
                    };
                    self.unlearnt(stream, id, state, lasted, outcome);
                }
                Fate::NothingToLearn => {
                    self.outbox.counts.superseded += 1;
                    self.close(stream, id, state);
                }
                Fate::Open => {}
            }
        }
    }

    /// What became of a state that still stands after `span`, and was not learnt.
    pub(super) fn missed(
        &mut self,
        stream: StreamId,
        id: SlotId,
        span: Duration,
        outcome: Outcome,
    ) {
        if let Some(&state) = self.states(stream, id).first() {
            self.unlearnt(stream, id, state, span, outcome);
            self.forget_unexplained(stream, id);
        }
    }

    /// How many states of the endpoint the stream has yet to learn, and since when.
    pub(super) fn to_learn(&self, stream: StreamId, id: SlotId) -> (usize, Option<At>) {
        let mut states = self.entries(stream, id);
        let first = states.next().map(|entry| self.changes.start(entry.change));
        (usize::from(first.is_some()) + states.count(), first)
    }

    fn entries(&self, stream: StreamId, id: SlotId) -> impl Iterator<Item = &super::slots::Entry> {
        let open = self.slots.get(id).open.iter();
        open.filter(move |entry| entry.pending.contains(stream as usize))
    }

    /// What the stream has yet to learn of the endpoint, oldest first.
    fn states(&self, stream: StreamId, id: SlotId) -> SmallVec<[State; 4]> {
        let state = |entry: &super::slots::Entry| State {
            change: entry.change,
            direction: entry.direction,
            start: self.changes.start(entry.change),
            intended: entry.intended,
        };
        self.entries(stream, id).map(state).collect()
    }

    pub(super) fn learnt(
        &mut self,
        stream: StreamId,
        id: SlotId,
        state: (u64, Option<At>),
        at: At,
        evidence: bool,
    ) {
        let (change, _) = state;
        self.take_out(stream, id, change);
        if evidence {
            self.changes.proven(change, at);
        }
        self.changes.deliver(change, stream, at);
        self.unclaimed.known(change, id, at);
        self.end(stream, state, After::Learnt(at), at);
    }

    fn unlearnt(
        &mut self,
        stream: StreamId,
        id: SlotId,
        state: State,
        span: Duration,
        outcome: Outcome,
    ) {
        if outcome == Outcome::Never {
            self.give_up_on(stream, id, state);
            self.changes.miss(state.change, stream);
        } else {
            self.close(stream, id, state);
        }
        let after = After::Unlearnt(span, outcome);
        self.end(stream, state.named(), after, state.start + span);
    }

    /// Nothing is said of the state.
    fn close(&mut self, stream: StreamId, id: SlotId, state: State) {
        self.give_up_on(stream, id, state);
        self.changes.supersede(state.change, stream);
    }

    /// What is sent about the state from now on is late.
    fn give_up_on(&mut self, stream: StreamId, id: SlotId, state: State) {
        self.take_out(stream, id, state.change);
        let late = self.slots.get_mut(id).late_mut(state.direction);
        late.grow_and_insert(stream as usize);
    }

    fn take_out(&mut self, stream: StreamId, id: SlotId, change: u64) {
        let slot = self.slots.get_mut(id);
        let entry = slot.open.iter_mut().find(|entry| entry.change == change);
        let Some(entry) = entry else { return };
        entry.pending.remove(stream as usize);
        if entry.pending.is_empty() {
            slot.drop_learnt();
        }
    }

    /// A state has been learnt, or has ended, at `at`.
    fn end(
        &mut self,
        stream: StreamId,
        (change, intended): (u64, Option<At>),
        after: After,
        at: At,
    ) {
        self.made += 1;
        self.endings.end(Ended {
            times: 1,
            change,
            after,
            intended,
            replica: self.streams.replica_at(stream, at),
        });
    }
}

/// What became of each state, oldest first, now that no further update about those that have ended
/// is waited for. There are fewer updates than states; both take turns in direction, beginning with
/// the same one.
fn fates(states: &[State], toggles: &[Toggle]) -> SmallVec<[Fate; 4]> {
    let mut fates: SmallVec<[Fate; 4]> = SmallVec::from_elem(Fate::Open, states.len());
    // The latest states that the updates can be about.
    let mut paired: SmallVec<[usize; 4]> = SmallVec::new();
    let mut before = states.len();
    for (number, toggle) in toggles.iter().enumerate().rev() {
        let fits = |&state: &usize| {
            states[state].direction == toggle.direction && states[state].start <= toggle.at
        };
        // An update is never about a state earlier than its own number.
        let latest = (number..before).rev().find(fits).unwrap_or(number);
        paired.push(latest);
        before = latest;
    }
    paired.reverse();
    for (number, (&state, toggle)) in paired.iter().zip(toggles).enumerate() {
        fates[state] = if state == number {
            Fate::Learnt(toggle.at)
        } else {
            Fate::AtLeast(toggle.at)
        };
    }
    // Between those, states come in pairs: one that was not learnt, and the way back.
    let mut next = 0;
    for &state in paired.iter().chain([&states.len()]) {
        for first in (next..state).step_by(2).filter(|first| first + 1 < state) {
            fates[first] = Fate::Unlearnt;
            fates[first + 1] = Fate::NothingToLearn;
        }
        next = state + 1;
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(starts: &[u64]) -> Vec<State> {
        let direction = |number: usize| Direction::BOTH[number % 2];
        let state = |(number, &start): (usize, &u64)| State {
            change: number as u64,
            direction: direction(number),
            start: At::from_secs(start),
            intended: None,
        };
        starts.iter().enumerate().map(state).collect()
    }

    fn toggles(at: &[u64]) -> Vec<Toggle> {
        let toggle = |(number, &at): (usize, &u64)| Toggle {
            at: At::from_secs(at),
            direction: Direction::BOTH[number % 2],
            snapshot: false,
            provable: true,
            message: None,
        };
        at.iter().enumerate().map(toggle).collect()
    }

    #[test]
    fn what_is_left_out_is_left_out_with_its_way_back() {
        use Fate::{AtLeast, Learnt, NothingToLearn, Open, Unlearnt};
        let s = At::from_secs;
        let of = |starts: &[u64], at: &[u64]| fates(&states(starts), &toggles(at)).to_vec();
        assert_eq!(of(&[0], &[]), [Open]);
        assert_eq!(of(&[0, 3], &[]), [Unlearnt, NothingToLearn]);
        assert_eq!(of(&[0, 3, 6], &[]), [Unlearnt, NothingToLearn, Open]);
        // After the third began it may be about the first or the third; before that, the first.
        assert_eq!(
            of(&[0, 3, 6], &[7]),
            [Unlearnt, NothingToLearn, AtLeast(s(7))]
        );
        assert_eq!(
            of(&[0, 3, 6], &[5]),
            [Learnt(s(5)), Unlearnt, NothingToLearn]
        );
        assert_eq!(
            of(&[0, 3, 6, 9], &[7]),
            [Unlearnt, NothingToLearn, AtLeast(s(7)), Open]
        );
        assert_eq!(
            of(&[0, 3, 6, 9, 12], &[1, 2, 13]),
            [
                Learnt(s(1)),
                Learnt(s(2)),
                Unlearnt,
                NothingToLearn,
                AtLeast(s(13))
            ]
        );
    }
}
