//! What would make judgeable what was not judged.

use super::{Judged, latency::BETWEEN_TRIES};
use crate::model::statistics::Summary;

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
        let names: Vec<_> = all.iter().map(|judged| judged.name.as_str()).collect();
        let mut keys: Vec<_> = all.iter().map(|judged| judged.key()).collect();
        keys.dedup();
        let optional = if keys.contains(&"correctness") {
            String::new()
        } else {
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
    let target = &summary.target;
    if judged.is_of_target() && target.samples == 0 {
        return "name where the controller serves its metrics, with --destination-metrics";
    }
    if judged.scope == BETWEEN_TRIES {
        return "let streams wait where endpoints come from zero (client.lifecycle: eternal)";
    }
    match judged.key() {
        "correctness" => "keep streams open until the end",
        "target.memoryGrowthPerCycle" => {
            "run two whole cycles or more, whose low holds have a garbage collection (every 2 minutes \
             in Go)"
        }
        "target.memoryGrowthPerHour" => "run for longer, 80 minutes or more",
        "target.memorySpike" if target.peak_rss_bytes.is_some() => "hold before the first cycle",
        key if key.starts_with("target.") => "measure a build that has the metric",
        _ if judged.censored => "raise measure.deadline above the limit",
        _ => "run until changes of endpoints have reached the streams",
    }
}

/// `a`, `a and b`, `a, b and c`.
fn joined(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
