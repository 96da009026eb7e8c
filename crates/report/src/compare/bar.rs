//! One measure's difference, drawn: its interval beside zero and beside what does not matter.
//!
//! Every bar has the same axis, counted in the measure's own threshold: zero is in the middle, and
//! what is worse lies to the right. So bars of different units can be read below one another.

use super::{Compared, Difference, Estimate, Worse};
use crate::document::Bar;

/// Thresholds from zero to either end of the axis.
const SPAN: f64 = 5.0;

/// `None` where nothing is known of a difference, or no way of it is worse.
pub(super) fn interval_bar(compared: &Compared) -> Option<Bar> {
    let difference = compared.difference.as_ref()?;
    if compared.worse == Worse::Neither {
        return None;
    }
    let at_least = |side: &Option<Estimate>| side.as_ref().is_some_and(|it| it.at_least);
    let open = match (at_least(&compared.baseline), at_least(&compared.candidate)) {
        // Two lower bounds say nothing of their difference.
        (true, true) => return None,
        // The baseline may be more, and the difference less.
        (true, false) => (true, false),
        (false, true) => (false, true),
        (false, false) => (false, false),
    };
    let scale = scale(compared, difference);
    let flipped = compared.worse == Worse::Less;
    let flip = |(low, high): (f64, f64)| if flipped { (-high, -low) } else { (low, high) };
    let open = if flipped { (open.1, open.0) } else { open };
    let (value, _) = flip((difference.absolute / scale, difference.absolute / scale));
    let known = difference.interval.map(|(low, high)| {
        let (low, high) = flip((low / scale, high / scale));
        (
            if open.0 { f64::NEG_INFINITY } else { low },
            if open.1 { f64::INFINITY } else { high },
        )
    });
    let ends = known.unwrap_or((value, value));
    let band = (compared.margin > 0.0).then(|| compared.margin / scale);
    let seen = known.filter(|&(low, high)| low <= SPAN && high >= -SPAN);
    Some(Bar {
        band: band.map(|margin| (place(-margin), place(margin))),
        interval: seen.map(|(low, high)| (place(low), place(high))),
        point: (value.abs() <= SPAN).then(|| place(value)),
        beyond: (ends.0 < -SPAN, ends.1 > SPAN),
        said: said(known, band),
    })
}

/// What is one on the axis: what does not matter or, where everything does, so much that all of it
/// can be seen.
fn scale(compared: &Compared, difference: &Difference) -> f64 {
    if compared.margin > 0.0 {
        return compared.margin;
    }
    let (low, high) = difference.interval.unwrap_or_default();
    let most = [low, high, difference.absolute]
        .iter()
        .fold(0.0_f64, |most, it| most.max(it.abs()));
    if most > 0.0 { most / (SPAN - 1.0) } else { 1.0 }
}

/// Where on the axis, in hundredths with one decimal.
fn place(value: f64) -> f64 {
    let hundredths = 50.0 + 50.0 * value.clamp(-SPAN, SPAN) / SPAN;
    (hundredths * 10.0).round() / 10.0
}

/// How the interval lies, for those who cannot see it.
fn said(known: Option<(f64, f64)>, band: Option<f64>) -> String {
    let Some((low, high)) = known else {
        return "no interval".to_owned();
    };
    let (edge, what) = match band {
        Some(margin) => (margin, "the threshold"),
        None => (0.0, "zero"),
    };
    if low > edge {
        format!("the whole interval lies beyond {what}, on the worse side")
    } else if high < -edge {
        format!("the whole interval lies beyond {what}, on the better side")
    } else if low >= -edge && high <= edge {
        match band {
            Some(_) => "the whole interval lies within the threshold".to_owned(),
            None => "the interval is zero".to_owned(),
        }
    } else {
        format!("the interval reaches over {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Outcome, Resampled};
    use dst_load_scenario::criteria::Unit;

    /// A measure of about 100 whose threshold is 5.
    fn compared(absolute: f64, interval: Option<(f64, f64)>) -> Compared {
        let side = |mean: f64| Estimate {
            mean,
            at_least: false,
            of: Resampled::Runs,
            values: vec![mean; 5],
        };
        Compared {
            key: "some".into(),
            name: "Some".into(),
            unit: Unit::Seconds,
            worse: Worse::More,
            headline: false,
            baseline: Some(side(100.0)),
            candidate: Some(side(100.0 + absolute)),
            difference: Some(Difference {
                absolute,
                relative: Some(absolute / 100.0),
                interval,
                relative_interval: None,
            }),
            threshold: 0.05,
            margin: 5.0,
            outcome: Some(Outcome::Inconclusive),
            note: None,
        }
    }

    fn drawn(absolute: f64, low: f64, high: f64) -> Bar {
        interval_bar(&compared(absolute, Some((low, high)))).unwrap()
    }

    #[test]
    fn every_axis_counts_in_thresholds_with_zero_in_its_middle() {
        let bar = drawn(10.0, 5.0, 15.0);
        assert_eq!(bar.band, Some((40.0, 60.0)));
        assert_eq!((bar.point, bar.interval), (Some(70.0), Some((60.0, 80.0))));
        assert_eq!(bar.beyond, (false, false));
    }

    #[test]
    fn what_does_not_fit_ends_at_the_edge_and_says_so() {
        let bar = drawn(40.0, -10.0, 90.0);
        assert_eq!((bar.point, bar.interval), (None, Some((30.0, 100.0))));
        assert_eq!(bar.beyond, (false, true));
        let bar = drawn(-40.0, -42.0, -38.0);
        assert_eq!(
            (bar.point, bar.interval, bar.beyond),
            (None, None, (true, false))
        );
    }

    #[test]
    fn how_it_lies_is_said_as_it_is_judged() {
        for (low, high, words) in [
            (
                6.0,
                9.0,
                "the whole interval lies beyond the threshold, on the worse side",
            ),
            (
                -9.0,
                -6.0,
                "the whole interval lies beyond the threshold, on the better side",
            ),
            (-4.0, 4.0, "the whole interval lies within the threshold"),
            (-4.0, 6.0, "the interval reaches over the threshold"),
        ] {
            assert_eq!(drawn((low + high) / 2.0, low, high).said, words);
        }
        assert_eq!(
            interval_bar(&compared(1.0, None)).unwrap().said,
            "no interval"
        );
    }

    #[test]
    fn less_that_is_worse_lies_to_the_right() {
        let mut of = compared(-10.0, Some((-15.0, -6.0)));
        of.worse = Worse::Less;
        let bar = interval_bar(&of).unwrap();
        assert_eq!((bar.point, bar.interval), (Some(70.0), Some((62.0, 80.0))));
        assert!(bar.said.ends_with("on the worse side"), "{}", bar.said);
        of.worse = Worse::Neither;
        assert_eq!(interval_bar(&of), None);
    }

    #[test]
    fn a_lower_bound_has_no_end_and_two_have_no_difference() {
        let mut of = compared(10.0, Some((5.0, 15.0)));
        let bound = |side: &mut Option<Estimate>| side.as_mut().unwrap().at_least = true;
        bound(&mut of.candidate);
        let bar = interval_bar(&of).unwrap();
        assert_eq!(
            (bar.interval, bar.beyond),
            (Some((60.0, 100.0)), (false, true))
        );
        bound(&mut of.baseline);
        assert_eq!(interval_bar(&of), None);
    }

    #[test]
    fn where_any_difference_matters_there_is_no_band_and_all_of_it_is_seen() {
        let mut of = compared(3.0, Some((1.0, 4.0)));
        of.margin = 0.0;
        let bar = interval_bar(&of).unwrap();
        assert_eq!((bar.band, bar.interval), (None, Some((60.0, 90.0))));
        of = compared(0.0, None);
        of.margin = 0.0;
        assert_eq!(interval_bar(&of).unwrap().point, Some(50.0));
    }
}
