//! Keys under `churn.provoke`, and what they come to: one group of Services for each case,
//! named after it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Key,
    check::{backend::MOST_PROVOKED, churn::MOST_SERVICES},
    placed::Placed,
};
use crate::{
    quantity::{NonZeroSpan, Span},
    scenario::{Pattern, ServiceGroup},
    stale_state::StaleStateCase,
};

/// Services of a mix to which is done what Linkerd is known to mishandle.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ProvokeGroup {
    /// The stale-state cases; all if absent. The Services are named after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub(super) kinds: Key<Vec<Placed<StaleStateCase>>>,
    /// The number of Services for each kind; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST_SERVICES))]
    pub(super) services: Key<u32>,
    /// Endpoints a Service at rest: at most 100, which is one slice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST_PROVOKED))]
    pub(super) endpoints: Key<u32>,
    /// Time before it is done, and before it is done again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    pub(super) hold: Key<Span>,
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
            kinds: Some(Placed::from(vec![Placed::from(case)])),
            services: Some(Placed::from(group.count)),
            endpoints: Some(Placed::from(endpoints)),
            hold: Some(Placed::from(Span(every))),
        })
    }

    /// Takes in another one that differs in its kind alone; whether it does.
    pub(super) fn absorb(&mut self, other: Self) -> bool {
        let value = |key: &Key<u32>| key.map(|it| it.value);
        let hold = |of: &Self| of.hold.map(|it| it.value);
        let alike = value(&self.services) == value(&other.services)
            && value(&self.endpoints) == value(&other.endpoints)
            && hold(self) == hold(&other);
        if let (true, Some(mine), Some(more)) = (alike, &mut self.kinds, other.kinds) {
            mine.value.extend(more.value);
        }
        alike
    }
}
