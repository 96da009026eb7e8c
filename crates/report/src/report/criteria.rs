//! Criteria in words: what was asked for, what was seen, and how far apart the two are.

use dst_load_scenario::{criteria::Bound, words::number};

use super::prose::nothing;
use crate::verdict::Judged;

/// The heads of the criteria's table, after the mark.
pub(super) const HEADS: [&str; 5] = ["criterion", "limit", "observed", "margin", "where"];

/// A criterion's mark (held, not held, not judged) and its cells below [`HEADS`].
pub(super) fn row(judged: &Judged) -> (&'static str, Vec<String>) {
    let mark = match judged.held {
        Some(true) => "√",
        Some(false) => "×",
        None => "-",
    };
    let limit = format!("{} {}", judged.bound().sign(), judged.words(judged.limit));
    let observed = judged.observed.map_or_else(nothing, |observed| {
        let lower = if judged.censored { "≥ " } else { "" };
        format!("{lower}{}", judged.words(observed))
    });
    let place = if judged.held.is_none() {
        let optional = if judged.optional { " (optional)" } else { "" };
        format!("not judged{optional}: {}", judged.scope)
    } else {
        judged.scope.clone()
    };
    let cells = vec![
        judged.name.to_string(),
        limit,
        observed,
        margin(judged),
        place,
    ];
    (mark, cells)
}

/// The same as one sentence.
pub(super) fn sentence(judged: &Judged) -> String {
    let (_, cells) = row(judged);
    let [_, limit, observed, margin, place] = cells.as_slice() else {
        return String::new();
    };
    if judged.held.is_none() {
        return format!("{place}; asked for {limit}");
    }
    let margin = if *margin == nothing() {
        String::new()
    } else {
        format!(" ({margin})")
    };
    format!("{observed} in {place}; asked for {limit}{margin}")
}

/// How much of the limit is left, or how often it was used.
fn margin(judged: &Judged) -> String {
    let (Some(_), Some(observed)) = (judged.held, judged.observed) else {
        return nothing();
    };
    let used = match judged.bound() {
        Bound::AtMost => observed / judged.limit,
        Bound::AtLeast => judged.limit / observed,
        Bound::Exactly => return nothing(),
    };
    // Of a limit of none nothing can be left.
    if !used.is_finite() || judged.limit == 0.0 {
        return nothing();
    }
    if used <= 1.0 {
        format!("{:.0} % left", (1.0 - used) * 100.0)
    } else {
        format!("{}× the limit", number(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Name;
    use dst_load_scenario::criteria::Criterion;

    fn judged(name: &str, limit: f64, observed: Option<f64>) -> Judged {
        let name: Name = name.parse().unwrap();
        Judged {
            name,
            unit: name.criterion.unit(),
            limit,
            observed,
            censored: false,
            held: observed.map(|it| it <= limit),
            scope: "cycle 2".to_owned(),
            optional: false,
        }
    }

    #[test]
    fn a_margin_is_what_is_left_or_how_often_the_limit_was_used() {
        let said = |name, limit, observed| margin(&judged(name, limit, observed));
        assert_eq!(
            said("updateLatency.p95 (add)", 0.5, Some(0.013)),
            "97 % left"
        );
        assert_eq!(said("updateLatency.p95 (add)", 0.5, Some(0.5)), "0 % left");
        assert_eq!(
            said("updateLatency.p95 (add)", 0.5, Some(1.6)),
            "3.2× the limit"
        );
        assert_eq!(said("unexpectedResets", 0.0, Some(3.0)), "-");
        assert_eq!(said("throughputMin", 1_000.0, Some(500.0)), "2× the limit");
        assert_eq!(said("target.viewsActive", 1_000.0, Some(1_000.0)), "-");
        assert_eq!(said("target.cpuMax", 1.0, None), "-");
    }

    #[test]
    fn every_limit_is_written_with_the_bound_and_the_unit_of_its_criterion() {
        for criterion in Criterion::all() {
            let judged = judged(criterion.key(), 0.25, Some(0.5));
            let (_, cells) = row(&judged);
            let limit = criterion.unit().words(0.25);
            assert_eq!(cells[0], criterion.key());
            assert_eq!(cells[1], format!("{} {limit}", criterion.bound().sign()));
        }
        let views = judged("target.viewsActive", 1_000.0, Some(990.0));
        assert_eq!(row(&views).1[1..3], ["= 1,000", "990"]);
        let rate = judged("throughputMin", 1_000.0, Some(990.0));
        assert_eq!(row(&rate).1[1..3], ["≥ 1,000/s", "990/s"]);
    }
}
