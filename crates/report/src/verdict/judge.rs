//! All criteria against what was observed, and why those that are violated are.

use dst_load_recording::statistics::{Stage, Summary};
use dst_load_scenario::{
    action::Direction,
    criteria::{Bound, Criteria, Criterion},
    words::{self, counted},
};

use super::{Circumstances, Judged, observation::Asked};

/// All criteria, in the order in which a reader cares.
pub(super) fn all(
    criteria: &Criteria,
    summary: &Summary,
    circumstances: Circumstances,
) -> Vec<Judged> {
    let judge = |(criterion, limit): (Criterion, f64), first_endpoint_is_judged| {
        let asked = Asked {
            criterion,
            limit,
            summary,
            circumstances,
            first_endpoint_is_judged,
        };
        asked.judge()
    };
    let first = Criterion::FirstEndpoint;
    let first = criteria.limit(first).map(|limit| (first, limit));
    let mut first = first.into_iter().flat_map(|asked| judge(asked, false));
    let first_endpoint_is_judged = first.any(|it| it.met.is_some());
    let mut judged: Vec<_> = (criteria.judged())
        .flat_map(|asked| judge(asked, first_endpoint_is_judged))
        .collect();
    // A direction in which nothing was planned is no criterion. What was seen of it all the same is.
    judged.retain(|it| {
        it.observed.is_some()
            || it
                .name
                .direction
                .is_none_or(|direction| circumstances.plans(direction))
    });
    for it in &mut judged {
        it.optional = criteria.optional.contains(&it.name.criterion)
            || it.observation().is_excused(circumstances);
    }
    judged
}

/// Why a violated criterion is violated.
pub(super) fn reason(judged: &Judged, summary: &Summary) -> String {
    match judged.name.criterion {
        Criterion::Correctness => {
            let c = &summary.correctness;
            let example = c
                .examples
                .first()
                .map_or_else(String::new, |example| format!("; for example {example}"));
            format!(
                "correctness: {} of {} streams hold other than they were promised ({} missing, {} stale, {} unexpected){example}",
                words::count(c.streams_wrong),
                words::count(c.streams_checked),
                words::count(c.missing),
                words::count(c.stale),
                words::count(c.unexpected)
            )
        }
        Criterion::Never => {
            let both = Direction::BOTH.map(|it| summary.latency.get(Stage::Destination, it));
            format!(
                "never: {} of {} never delivered ({}), more than the {} allowed",
                words::count(both.iter().map(|it| it.never).sum()),
                counted(both.iter().map(|it| it.count).sum(), "update", "updates"),
                judged.words(judged.observed.unwrap_or_default()),
                judged.words(judged.limit),
            )
        }
        Criterion::Premature => format!(
            "premature: {} of an endpoint that Kubernetes had not changed",
            counted(summary.correctness.premature, "update", "updates")
        ),
        _ => beyond_the_limit(judged),
    }
}

/// What was observed, and on which side of the limit that is.
fn beyond_the_limit(judged: &Judged) -> String {
    let observed = judged
        .observed
        .map_or_else(|| "nothing".to_owned(), |observed| judged.words(observed));
    let bound = if judged.censored { "at least " } else { "" };
    let relation = match judged.bound() {
        Bound::AtMost => "above the limit of",
        Bound::AtLeast => "below the limit of",
        Bound::Exactly => "not the wanted",
    };
    format!(
        "{}: {bound}{observed} in {} is {relation} {}",
        judged.name,
        judged.scope,
        judged.words(judged.limit)
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(super) const fn count(n: u64) -> f64 {
    n as f64
}
