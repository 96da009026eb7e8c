//! In which directions a plan changes endpoints.

use super::Plan;
use crate::{action::Direction, scenario::Scenario, time::At};

/// Cycles that are looked at: in the first a Service may have nothing to remove.
const CYCLES: u32 = 2;

/// In which directions endpoints change once the Services exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Endpoints are added.
    pub adds: bool,
    /// Endpoints are removed.
    pub removes: bool,
}

// === impl Planned ===

impl Planned {
    /// Both directions.
    pub const BOTH: Self = Self {
        adds: true,
        removes: true,
    };

    /// Neither direction.
    pub const NONE: Self = Self {
        adds: false,
        removes: false,
    };

    /// Whether any endpoints change.
    #[must_use]
    pub const fn any(self) -> bool {
        self.adds || self.removes
    }

    /// Whether endpoints change in this direction.
    #[must_use]
    pub const fn changes(self, direction: Direction) -> bool {
        match direction {
            Direction::Add => self.adds,
            Direction::Remove => self.removes,
        }
    }
}

/// Both directions or neither, where no more is known.
impl From<bool> for Planned {
    fn from(any: bool) -> Self {
        if any { Self::BOTH } else { Self::NONE }
    }
}

// === impl Plan ===

impl Plan {
    /// In which directions `scenario` changes endpoints once its Services exist and before it ends.
    #[must_use]
    pub fn changes(scenario: &Scenario) -> Planned {
        let plan = Self::new(scenario);
        let mut planned = Planned::NONE;
        // The first Service of a group is the first to be scaled.
        for first in plan.services.iter().filter(|it| it.position == 0) {
            let rhythm = &first.rhythm;
            let cycles = rhythm.cycle_end(CYCLES).or_else(|| rhythm.cycle_end(1));
            let until = [cycles.map(At::from), plan.end].into_iter().flatten().min();
            let scalings = (0..)
                .map_while(|nth| rhythm.scaling(first.position, nth))
                .take_while(|scaling| until.is_none_or(|until| At::from(scaling.at) < until));
            for scaling in scalings {
                let (add, remove) = scaling.verb.expects();
                planned.adds |= add > 0;
                planned.removes |= remove > 0;
            }
        }
        planned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the churn section with these further lines adds endpoints, and whether it removes any.
    fn changes(lines: &str) -> (bool, bool) {
        let file = format!("churn:\n  services: 2\n{lines}");
        let (scenario, _) = Scenario::from_yaml(&file, "it.yaml", &[]).unwrap();
        let planned = Plan::changes(&scenario);
        (planned.adds, planned.removes)
    }

    #[test]
    fn a_direction_without_planned_changes_is_known() {
        const OSCILLATE: &str = "  pattern: oscillate\n  minEndpoints: 1\n  maxEndpoints: 9\n  \
                                 minHold: 2m\n  maxHold: 5m\n";
        let with = |more: &str| changes(&format!("{OSCILLATE}{more}"));
        assert_eq!(
            changes("  pattern: stable\n  endpoints: 5\n"),
            (false, false)
        );
        assert_eq!(with(""), (true, true));
        assert_eq!(with("  cycles: 1\n"), (true, true));
        // The end comes before the way down, and before the way up.
        assert_eq!(with("  duration: 3m\n"), (true, false));
        assert_eq!(with("  duration: 90s\n"), (false, false));
        let ramp = |from, to| {
            changes(&format!(
                "  pattern: scale-up\n  scaleFrom: {from}\n  scaleTo: {to}\n  scaleDuration: 1m\n"
            ))
        };
        assert_eq!(ramp(1, 9), (true, false));
        assert_eq!(ramp(9, 1), (false, true));
    }

    #[test]
    fn a_stale_state_case_may_change_no_promise_however_often_it_is_repeated() {
        let provoke = |kind: &str, more: &str| {
            let file = format!(
                "churn:\n  backend: pods\n  provoke:\n    kinds: [{kind}]\n    services: 1\n    \
                 endpoints: 5\n    hold: 5s\n{more}"
            );
            let (scenario, _) = Scenario::from_yaml(&file, "it.yaml", &[]).unwrap();
            let planned = Plan::changes(&scenario);
            (planned.adds, planned.removes)
        };
        assert_eq!(provoke("sharedEndpoint", ""), (false, false));
        assert_eq!(provoke("sliceBeforePods", "  cycles: 1\n"), (true, false));
        assert_eq!(provoke("sliceBeforePods", ""), (true, true));
        assert_eq!(provoke("podMoved", "  cycles: 1\n"), (true, true));
    }
}
