//! What would make judgeable what was not judged.

use dst_load_recording::statistics::Summary;
use dst_load_scenario::criteria::LimitFrom;

use super::{Judged, latency::BETWEEN_TRIES};

/// The criteria that were asked for and not judged as reasons, those of one cause as one.
pub(super) fn reasons<'a>(
    open: impl Iterator<Item = &'a Judged>,
    summary: &Summary,
) -> Vec<String> {
    let mut causes: Vec<(&str, &str, Vec<&Judged>)> = Vec::new();
    for judged in open {
        let remedy = remedy(judged, summary);
        let alike = (causes.iter_mut())
            .find(|(scope, known, _)| (*scope, *known) == (judged.scope.as_str(), remedy));
        match alike {
            Some((_, _, all)) => all.push(judged),
            None => causes.push((&judged.scope, remedy, vec![judged])),
        }
    }
    let reason = |(scope, remedy, all): (&str, &str, Vec<&Judged>)| {
        let names: Vec<_> = all.iter().map(|judged| judged.name.to_string()).collect();
        let mut criteria: Vec<_> = all.iter().map(|judged| judged.name.criterion).collect();
        criteria.dedup();
        // What no scenario names can be listed in none.
        let optional = if criteria
            .iter()
            .any(|it| it.limit_from() == LimitFrom::Nowhere)
        {
            String::new()
        } else {
            let keys: Vec<_> = criteria.iter().map(ToString::to_string).collect();
            format!(", or list {} under criteria.optional", joined(&keys))
        };
        let verb = if names.len() == 1 { "was" } else { "were" };
        format!(
            "{} {verb} not judged: {scope}; {remedy}{optional}",
            joined(&names)
        )
    };
    causes.into_iter().map(reason).collect()
}

/// What makes it judgeable next time.
fn remedy(judged: &Judged, summary: &Summary) -> &'static str {
    let observation = judged.observation();
    if observation.is_of_target() && summary.target.samples == 0 {
        return "name where the controller serves its metrics, with --destination-metrics";
    }
    if judged.scope == BETWEEN_TRIES {
        return "limit that time with criteria.firstEndpoint, let streams wait where endpoints come from \
                zero (client.lifecycle: eternal)";
    }
    (observation.remedy)(judged, summary)
}

/// `a`, `a and b`, `a, b and c`.
fn joined(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
