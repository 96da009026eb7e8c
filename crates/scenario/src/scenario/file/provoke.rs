//! Keys under `churn.provoke`, and what they come to: one group of Services for each case,
//! named after it.

use std::num::NonZeroU32;

use super::{
    check::{Checker, Result},
    churn::groups::MOST_SERVICES,
    placed::{Key, Placed, count, key, number},
    section::sections,
};
use crate::{
    pattern::Pattern, quantity::NonZeroSpan, scenario::ServiceGroup, stale_state::StaleStateCase,
};

/// Endpoints of a Service that is provoked: what one slice holds, so that all of them are struck
/// at once.
const MOST_PROVOKED: u32 = 100;

sections! {
    /// Services of a mix to which is done what Linkerd is known to mishandle.
    ProvokeGroup: Serialize {
        /// The stale-state cases; all if absent. The Services are named after them.
        #[schemars(extend("uniqueItems" = true))]
        kinds: Key<Vec<Placed<StaleStateCase>>>,
        /// The number of Services for each kind; 1 if absent.
        #[schemars(range(max = MOST_SERVICES))]
        services: Key<NonZeroU32>,
        /// Endpoints a Service at rest: at most 100, which is one slice.
        #[schemars(range(max = MOST_PROVOKED))]
        endpoints: Key<NonZeroU32>,
        /// Time before it is done, and before it is done again.
        hold: Key<NonZeroSpan>,
    }
}

// === impl Checker ===

impl Checker<'_> {
    /// One group for each kind, named after it.
    pub(super) fn provoked(&self, section: Placed<ProvokeGroup>) -> Result<Vec<ServiceGroup>> {
        let Placed { value, at } = section;
        let services = number(value.services).unwrap_or(1);
        let endpoints = self.required(value.endpoints, at, "endpoints")?;
        if endpoints.value.get() > MOST_PROVOKED {
            let message = format!(
                "{} is more than {MOST_PROVOKED}, what one slice holds",
                endpoints.value
            );
            return Err(self.tree.error(endpoints.at, &message));
        }
        let every = self.hold(value.hold, at, "hold")?;
        let all = || {
            StaleStateCase::ALL
                .iter()
                .copied()
                .map(Placed::from)
                .collect()
        };
        let mut groups: Vec<ServiceGroup> = Vec::new();
        for kind in value.kinds.map_or_else(all, |kinds| kinds.value) {
            let prefix = kind.value.name().to_owned();
            if groups.iter().any(|group| group.prefix == prefix) {
                return Err(self.tree.error(kind.at, "is given twice"));
            }
            groups.push(ServiceGroup {
                prefix,
                first: 1,
                count: services,
                pattern: Pattern::Provoke {
                    case: kind.value,
                    endpoints: endpoints.value.get(),
                    every,
                },
            });
        }
        Ok(groups)
    }
}

// === impl ProvokeGroup ===

impl ProvokeGroup {
    /// The section that makes `group`; `None` if none does.
    pub(super) fn of(group: &ServiceGroup) -> Option<Self> {
        let Pattern::Provoke {
            case,
            endpoints,
            every,
        } = group.pattern
        else {
            return None;
        };
        let named = group.prefix == case.name() && group.first == 1;
        named.then(|| Self {
            kinds: key(vec![Placed::from(case)]),
            services: count(group.count),
            endpoints: count(endpoints),
            hold: key(NonZeroSpan(every)),
        })
    }

    /// Takes in another one that differs in its kind alone; whether it does.
    pub(super) fn absorb(&mut self, other: Self) -> bool {
        let rest = |of: &Self| {
            (
                number(of.services),
                number(of.endpoints),
                of.hold.map(|it| it.value),
            )
        };
        let alike = rest(self) == rest(&other);
        if let (true, Some(mine), Some(more)) = (alike, &mut self.kinds, other.kinds) {
            mine.value.extend(more.value);
        }
        alike
    }
}
