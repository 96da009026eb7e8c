//! How many endpoints the plan wants when.

use dst_load_recording::recording::Header;
use dst_load_scenario::{
    action::Verb,
    plan::{Plan, Step},
    scenario::Scenario,
    time::At,
};
use serde::Serialize;

use super::{
    buckets::{Buckets, Extent},
    timeline::{Amount, Point},
};

/// What was intended. Over two clusters a Service that is asked for in two ways counts twice, as it
/// does elsewhere on the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// Endpoints, over all Services.
    pub endpoints: Vec<Point>,
    /// Endpoints that were to appear.
    pub additions: Vec<Amount>,
    /// Endpoints that were to go.
    pub removals: Vec<Amount>,
}

/// When the plan's own time starts, as far as is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// The start of churn.
    pub(super) churning: Option<At>,
    /// The start of the first cycle, whose instant in the plan is known: it counts, since a
    /// process that watches alone has phases of its own.
    pub(super) first_cycle: Option<At>,
}

/// What the scenario in a recording's header intended until `end`; `None` if it has no plan, or its
/// churn did not start.
pub(super) fn planned(header: &Header, origin: Origin, end: At, width: u64) -> Option<Planned> {
    header.scenario.get("churn")?;
    let scenario = Scenario::from_effective(&header.scenario, &header.name).ok()?;
    let plan = Plan::new(&scenario);
    let cycle = plan.cycle_bounds(1).map(|(start, _)| start);
    let began = match (origin.first_cycle, cycle) {
        (Some(seen), Some(intended)) => At::from(seen.since(intended)),
        _ => origin.churning?,
    };

    let mut ways = vec![0_u64; scenario.services().count()];
    for watched in scenario.watched() {
        ways[watched.position] += 1;
    }
    let mut endpoints = Buckets::<Extent>::default();
    let mut additions = Buckets::<u64>::default();
    let mut removals = Buckets::<u64>::default();
    let mut now = 0_u64;
    for step in plan {
        let at = began + step.at().since_start();
        if at > end {
            break;
        }
        let Step::Act(action) = step else { continue };
        let (added, removed) = action.verb.expects();
        let times = |n: u32| u64::from(n) * ways[action.service];
        let (added, removed) = (times(added), times(removed));
        now = (now + added).saturating_sub(removed);
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        endpoints.at(at).add(now as f64);
        if !matches!(action.verb, Verb::Create { .. }) {
            *additions.at(at) += added;
            *removals.at(at) += removed;
        }
    }
    // The creations are one step as far as anybody sees.
    Some(Planned {
        endpoints: Point::all(&endpoints.coarsened(width)),
        additions: Amount::all(&additions.coarsened(width)),
        removals: Amount::all(&removals.coarsened(width)),
    })
}
