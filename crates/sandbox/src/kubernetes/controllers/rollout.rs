//! How a Deployment's ReplicaSets are sized while one replaces the others, as
//! kube-controller-manager does it (`pkg/controller/deployment/rolling.go`).

/// What a Deployment wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rollout {
    pub(crate) desired: u32,
    /// How many pods there may be above `desired`.
    pub(crate) surge: u32,
    /// How many below `desired` may be ready.
    pub(crate) unavailable: u32,
    /// All old pods go before any new one comes.
    pub(crate) recreate: bool,
}

/// A ReplicaSet, as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// `spec.replicas`.
    pub(crate) wanted: u32,
    pub(crate) pods: u32,
    pub(crate) ready: u32,
}

// === impl Rollout ===

impl Rollout {
    /// The next `spec.replicas` of the new ReplicaSet and of the old ones, oldest first.
    pub(crate) fn plan(&self, new: Sizes, old: &[Sizes]) -> (u32, Vec<u32>) {
        if self.recreate {
            let gone = old.iter().all(|it| it.wanted == 0 && it.pods == 0);
            let size = if gone {
                self.desired
            } else {
                new.wanted.min(self.desired)
            };
            return (size, vec![0; old.len()]);
        }
        let grown = self.grow(new, old);
        // Kubernetes shrinks the old ones only when there is nothing to grow: its status must
        // first tell of the growth.
        let shrunk = if grown == new.wanted {
            self.shrink(new, old)
        } else {
            old.iter().map(|it| it.wanted).collect()
        };
        (grown, shrunk)
    }

    fn grow(&self, new: Sizes, old: &[Sizes]) -> u32 {
        if new.wanted >= self.desired {
            return self.desired;
        }
        // Pods that are still to be deleted count as much as wanted ones.
        let others: u32 = old.iter().map(|it| it.wanted.max(it.pods)).sum();
        let room = (self.desired + self.surge).saturating_sub(new.wanted + others);
        new.wanted + room.min(self.desired - new.wanted)
    }

    fn shrink(&self, new: Sizes, old: &[Sizes]) -> Vec<u32> {
        let mut sizes: Vec<u32> = old.iter().map(|it| it.wanted).collect();
        let minimum = self.desired.saturating_sub(self.unavailable());
        let all = new.wanted + sizes.iter().sum::<u32>();
        let starting = new.wanted.saturating_sub(new.ready);
        let mut room = all.saturating_sub(minimum + starting);
        // Pods that are not ready go first: they serve nobody.
        for (size, it) in sizes.iter_mut().zip(old) {
            let cut = size.saturating_sub(it.ready).min(room);
            *size -= cut;
            room -= cut;
        }
        let ready = new.ready + old.iter().map(|it| it.ready).sum::<u32>();
        let mut spare = ready.saturating_sub(minimum).min(room);
        for size in &mut sizes {
            let cut = (*size).min(spare);
            *size -= cut;
            spare -= cut;
        }
        sizes
    }

    /// Without any room a rollout would never move.
    fn unavailable(&self) -> u32 {
        if self.surge == 0 {
            self.unavailable.max(1)
        } else {
            self.unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a rollout in which every wanted pod becomes ready at once.
    fn play(rollout: Rollout, mut old: Sizes) -> Vec<(u32, u32)> {
        let mut new = Sizes::default();
        let mut seen = Vec::new();
        for _ in 0..1_000 {
            let (grown, shrunk) = rollout.plan(new, &[old]);
            if (grown, shrunk[0]) == (new.wanted, old.wanted) {
                return seen;
            }
            let settled = |wanted| Sizes {
                wanted,
                pods: wanted,
                ready: wanted,
            };
            (new, old) = (settled(grown), settled(shrunk[0]));
            seen.push((grown, shrunk[0]));
        }
        panic!("the rollout does not end: {seen:?}");
    }

    #[test]
    fn a_rollout_stays_within_its_surge_and_unavailable_pods_and_ends() {
        let ten = Sizes {
            wanted: 10,
            pods: 10,
            ready: 10,
        };
        for (surge, unavailable) in [(3, 2), (1, 0), (0, 1), (0, 0), (10, 10)] {
            let rollout = Rollout {
                desired: 10,
                surge,
                unavailable,
                recreate: false,
            };
            let seen = play(rollout, ten);
            assert_eq!(seen.last(), Some(&(10, 0)));
            for (new, old) in seen {
                assert!(new + old <= 10 + surge, "{new}+{old}");
                assert!(new + old + rollout.unavailable() >= 10, "{new}+{old}");
            }
        }
    }

    #[test]
    fn recreating_waits_until_the_old_pods_are_gone() {
        let rollout = Rollout {
            desired: 3,
            surge: 1,
            unavailable: 1,
            recreate: true,
        };
        let old = Sizes {
            wanted: 0,
            pods: 2,
            ready: 0,
        };
        assert_eq!(rollout.plan(Sizes::default(), &[old]), (0, vec![0]));
        assert_eq!(
            rollout.plan(Sizes::default(), &[Sizes::default()]),
            (3, vec![0])
        );
    }

    #[test]
    fn without_old_pods_a_scaling_is_one_step() {
        let rollout = Rollout {
            desired: 100,
            surge: 25,
            unavailable: 25,
            recreate: false,
        };
        let fifty = Sizes {
            wanted: 50,
            pods: 50,
            ready: 50,
        };
        assert_eq!(rollout.plan(fifty, &[]), (100, vec![]));
        let all = Sizes {
            wanted: 200,
            pods: 200,
            ready: 200,
        };
        assert_eq!(rollout.plan(all, &[]), (100, vec![]));
    }
}
