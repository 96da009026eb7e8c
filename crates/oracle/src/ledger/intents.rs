//! Planned actions, to which changes of endpoints are attributed.

use std::collections::VecDeque;

use dst_load_scenario::{action::Direction, time::At};

/// The effect that one planned action should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// When it was intended.
    pub at: At,
    /// Endpoints that should appear.
    pub add: u32,
    /// Endpoints that should go.
    pub remove: u32,
}

/// Intents in the order they were registered, with what is left of each.
#[derive(Debug, Default)]
pub(super) struct Intents {
    open: VecDeque<Open>,
}

/// What is left of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// When it was intended; `None` before the run's clock began, or at an instant unknown.
    pub(super) at: Option<At>,
    pub(super) add: u32,
    pub(super) remove: u32,
}

// === impl Intents ===

impl Intents {
    /// Appends an intent. Returns how many endpoints of earlier intents can no longer come.
    ///
    /// What is left in both directions cancels out: the first action was reverted before Kubernetes
    /// had got there, and those endpoints will never have existed.
    pub(super) fn register(&mut self, intent: impl Into<Open>) -> u64 {
        let (add, remove) = self.left();
        let cancelled = add.min(remove);
        self.consume(Direction::Add, cancelled);
        self.consume(Direction::Remove, cancelled);
        self.open.push_back(intent.into());
        self.drop_spent();
        cancelled
    }

    /// Takes one endpoint off the oldest intent in this direction: its intended instant, where one
    /// is known, or `None` if nothing of the kind was intended.
    pub(super) fn attribute(&mut self, direction: Direction) -> Option<Option<At>> {
        let mut open = self.open.iter_mut();
        let (at, left) = open.find_map(|intent| {
            let at = intent.at;
            let left = intent.left_mut(direction);
            (*left > 0).then_some((at, left))
        })?;
        *left -= 1;
        self.drop_spent();
        Some(at)
    }

    pub(super) fn outstanding(&self) -> u64 {
        let (add, remove) = self.left();
        add + remove
    }

    /// Endpoints that never came, or never went: one that Kubernetes was asked to make and then to
    /// end again is one.
    pub(super) fn unreached(&self) -> u64 {
        let (add, remove) = self.left();
        add.max(remove)
    }

    fn left(&self) -> (u64, u64) {
        self.open.iter().fold((0, 0), |(add, remove), i| {
            (add + u64::from(i.add), remove + u64::from(i.remove))
        })
    }

    fn consume(&mut self, direction: Direction, mut count: u64) {
        for intent in &mut self.open {
            let left = intent.left_mut(direction);
            let taken = u64::from(*left).min(count);
            *left -= u32::try_from(taken).expect("invariant: at most a u32 was left");
            count -= taken;
        }
    }

    fn drop_spent(&mut self) {
        while self
            .open
            .front()
            .is_some_and(|i| i.add == 0 && i.remove == 0)
        {
            self.open.pop_front();
        }
    }
}

// === impl Open ===

impl From<Intent> for Open {
    fn from(Intent { at, add, remove }: Intent) -> Self {
        Self {
            at: Some(at),
            add,
            remove,
        }
    }
}

impl Open {
    fn left_mut(&mut self, direction: Direction) -> &mut u32 {
        match direction {
            Direction::Add => &mut self.add,
            Direction::Remove => &mut self.remove,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(at: u64, add: u32, remove: u32) -> Intent {
        Intent {
            at: At::from_secs(at),
            add,
            remove,
        }
    }

    #[test]
    fn endpoints_go_to_the_oldest_intent_of_their_direction() {
        let mut intents = Intents::default();
        intents.register(intent(1, 2, 0));
        intents.register(intent(2, 1, 1));
        let mut taken = || intents.attribute(Direction::Add).flatten();
        assert_eq!(
            [taken(), taken(), taken(), taken()],
            [
                Some(At::from_secs(1)),
                Some(At::from_secs(1)),
                Some(At::from_secs(2)),
                None
            ]
        );
        assert_eq!(
            intents.attribute(Direction::Remove),
            Some(Some(At::from_secs(2)))
        );
        assert_eq!(intents.outstanding(), 0);
    }

    #[test]
    fn what_kubernetes_did_not_reach_before_it_was_told_to_go_back_is_starved() {
        let mut intents = Intents::default();
        assert_eq!(intents.register(intent(1, 190, 0)), 0);
        for _ in 0..50 {
            intents.attribute(Direction::Add);
        }
        assert_eq!(intents.register(intent(2, 0, 190)), 0);
        for _ in 0..50 {
            intents.attribute(Direction::Remove);
        }
        assert_eq!(intents.register(intent(3, 190, 0)), 140);
        assert_eq!(
            intents.attribute(Direction::Add),
            Some(Some(At::from_secs(3)))
        );
    }

    #[test]
    fn an_endpoint_that_was_asked_for_and_back_counts_once() {
        let mut intents = Intents::default();
        intents.register(intent(1, 10, 0));
        intents.register(intent(2, 0, 10));
        assert_eq!((intents.outstanding(), intents.unreached()), (20, 10));
    }
}
