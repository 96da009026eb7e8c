//! Criteria in words: what was asked for, what was seen, and how far apart the two are.

use dst_load_scenario::{criteria::Bound, words::number};

use super::{Report, prose::nothing};
use crate::{
    document::{Cell, Column, Kind, Row, Table, Tone},
    verdict::Judged,
};

/// A criterion's cells below the heads of the table.
struct Words {
    observed: String,
    limit: String,
    margin: String,
    /// Where that was, or why it is unjudged.
    place: String,
}

/// The table of all criteria.
pub(super) fn table(report: &Report) -> Table {
    Table {
        caption: "Each criterion with its limit and what was observed".to_owned(),
        cards: Some("criteria"),
        columns: vec![
            Column::new("criterion", Kind::Name),
            Column::new("result", Kind::Result),
            Column::new("observed", Kind::Number),
            Column::new("limit", Kind::Limit),
            Column::new("margin", Kind::Number),
            Column::new("where", Kind::Remark),
        ],
        rows: report.criteria.iter().map(row).collect(),
    }
}

fn row(judged: &Judged) -> Row {
    let (tone, result) = match judged.met {
        Some(true) => (Tone::Good, "met"),
        Some(false) => (Tone::Bad, "violated"),
        None => (Tone::Doubtful, "unjudged"),
    };
    let words = words(judged);
    let margin = Cell {
        text: words.margin,
        used: used(judged),
        ..Cell::default()
    };
    Row {
        tone,
        key: None,
        cells: vec![
            Cell::code(judged.name.to_string()),
            result.into(),
            words.observed.into(),
            words.limit.into(),
            margin,
            words.place.into(),
        ],
    }
}

fn words(judged: &Judged) -> Words {
    Words {
        observed: judged.observed.map_or_else(nothing, |observed| {
            let lower = if judged.censored { "≥ " } else { "" };
            format!("{lower}{}", judged.words(observed))
        }),
        limit: format!("{} {}", judged.bound().sign(), judged.words(judged.limit)),
        margin: margin(judged),
        place: if judged.met.is_none() {
            let optional = if judged.optional { " (optional)" } else { "" };
            format!("unjudged{optional}: {}", judged.scope)
        } else {
            judged.scope.clone()
        },
    }
}

/// The same as one sentence.
pub(super) fn sentence(judged: &Judged) -> String {
    let words = words(judged);
    if judged.met.is_none() {
        return format!("{}; asked for {}", words.place, words.limit);
    }
    let margin = if words.margin == nothing() {
        String::new()
    } else {
        format!(" ({})", words.margin)
    };
    format!(
        "{} in {}; asked for {}{margin}",
        words.observed, words.place, words.limit
    )
}

/// How much of a limit was used, percent; `None` where that is no share.
fn used(judged: &Judged) -> Option<f64> {
    let (Some(_), Some(observed), Bound::AtMost) = (judged.met, judged.observed, judged.bound())
    else {
        return None;
    };
    (judged.limit > 0.0).then(|| (100.0 * observed / judged.limit).clamp(0.0, 100.0))
}

/// How much of the limit is left, or how often it was used.
fn margin(judged: &Judged) -> String {
    let (Some(_), Some(observed)) = (judged.met, judged.observed) else {
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
            met: observed.map(|it| it <= limit),
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
            let limit = criterion.unit().words(0.25);
            assert_eq!(row(&judged).cells[0].text, criterion.key());
            let limit = format!("{} {limit}", criterion.bound().sign());
            assert_eq!(words(&judged).limit, limit);
        }
        let views = judged("target.viewsActive", 1_000.0, Some(990.0));
        let said = |judged: &Judged| [words(judged).limit, words(judged).observed];
        assert_eq!(said(&views), ["= 1,000", "990"]);
        let rate = judged("throughputMin", 1_000.0, Some(990.0));
        assert_eq!(said(&rate), ["≥ 1,000/s", "990/s"]);
    }
}
