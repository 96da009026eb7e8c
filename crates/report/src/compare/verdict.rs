//! What comes of each measure, and of all together.

use super::{
    Compared, Difference, Estimate, Options, Outcome, Resampled, Run, Worse, bootstrap,
    measure::Measure, run::Values, threshold,
};

/// One measure of the runs that count.
pub(super) fn compared(
    measure: Measure,
    baseline: &[&Run],
    candidate: &[&Run],
    floor: Option<f64>,
    options: &Options,
) -> Compared {
    let (before, after) = (side(measure, baseline), side(measure, candidate));
    let threshold = threshold(measure, options);
    let mut compared = Compared {
        key: measure.key().to_owned(),
        name: measure.name().to_owned(),
        unit: measure.unit(),
        worse: measure.worse(),
        headline: measure.is_headline(),
        baseline: before,
        candidate: after,
        difference: None,
        threshold,
        margin: 0.0,
        outcome: None,
        note: None,
    };
    let (Some(before), Some(after)) = (&compared.baseline, &compared.candidate) else {
        compared.note = Some(unmeasured(&compared));
        // What the candidate alone does not say may be worse there; and what is wrong at all counts
        // even without a baseline.
        let lost = compared.baseline.is_some() && compared.candidate.is_none();
        let wrong = measure.is_exact() && compared.candidate.is_some();
        if (lost || wrong) && measure.worse() != Worse::Neither {
            compared.outcome = Some(Outcome::Inconclusive);
        }
        return compared;
    };
    // The smaller of the two, so that a swap of the sides does not move it.
    let scale = before.mean.abs().min(after.mean.abs());
    let floor = measure.timed().and(floor).unwrap_or_default();
    let coarse = baseline.iter().chain(candidate);
    let coarse = coarse.map(|run| run.values(measure).resolution);
    compared.margin = coarse.fold((threshold * scale).max(floor), f64::max);
    let interval = bootstrap::difference(
        &before.values,
        &after.values,
        options.confidence,
        measure.key(),
    );
    let absolute = after.mean - before.mean;
    let share = |value: f64| value / before.mean.abs();
    let related = before.mean.abs() > 0.0;
    compared.difference = Some(Difference {
        absolute,
        relative: related.then(|| share(absolute)),
        interval: interval.map(|it| (it.low, it.high)),
        relative_interval: interval
            .filter(|_| related)
            .map(|it| (share(it.low), share(it.high))),
    });
    let missing = interval.is_none().then(|| single(before, after));
    compared.outcome = match measure.worse() {
        Worse::Neither => None,
        worse => {
            let sign = if worse == Worse::More { 1.0 } else { -1.0 };
            let ends = interval.map(|it| (it.low, it.high));
            Some(outcome(measure, before, after, sign, ends, compared.margin))
        }
    };
    // What is judged without an interval does not lack it.
    if compared.outcome == Some(Outcome::Inconclusive) {
        compared.note = missing;
    }
    compared.told();
    compared
}

/// Nine digits, which is more than any of it is worth, and no negative zero.
fn digits(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value) + 0.0
}

// === impl Compared ===

impl Compared {
    /// Rounds its numbers for printing, once they have been judged.
    fn told(&mut self) {
        for side in [&mut self.baseline, &mut self.candidate] {
            let Some(side) = side else { continue };
            side.mean = digits(side.mean);
            for value in &mut side.values {
                *value = digits(*value);
            }
        }
        self.margin = digits(self.margin);
        if let Some(it) = &mut self.difference {
            let both = |(low, high)| (digits(low), digits(high));
            it.absolute = digits(it.absolute);
            it.relative = it.relative.map(digits);
            it.interval = it.interval.map(both);
            it.relative_interval = it.relative_interval.map(both);
        }
    }
}

/// A difference matters if all of its interval lies beyond the margin, and does not if all of it
/// lies within. (Criterion.rs judges by its noise threshold in the same way.)
fn outcome(
    measure: Measure,
    before: &Estimate,
    after: &Estimate,
    sign: f64,
    interval: Option<(f64, f64)>,
    margin: f64,
) -> Outcome {
    if before.mean == 0.0 && after.mean == 0.0 {
        return Outcome::NoDifference;
    }
    // No noise makes a stream wrong, so once is enough.
    if measure.is_exact() && before.mean == 0.0 {
        return Outcome::Regression;
    }
    let Some((low, high)) = interval else {
        return Outcome::Inconclusive;
    };
    let (low, high) = if sign < 0.0 {
        (-high, -low)
    } else {
        (low, high)
    };
    if low > margin {
        Outcome::Regression
    } else if high < -margin {
        Outcome::Improvement
    } else if low >= -margin && high <= margin {
        Outcome::NoDifference
    } else {
        Outcome::Inconclusive
    }
}

/// What comes of all measures together.
pub(super) fn overall(measures: &[Compared]) -> Outcome {
    let any = |outcome| measures.iter().any(|it| it.outcome == Some(outcome));
    let order = [
        Outcome::Regression,
        Outcome::Improvement,
        Outcome::Inconclusive,
        Outcome::NoDifference,
    ];
    let found = order.into_iter().find(|&outcome| any(outcome));
    found.unwrap_or(Outcome::Inconclusive)
}

/// What a side says: its runs' values, or the cycles' of its only one.
fn side(measure: Measure, runs: &[&Run]) -> Option<Estimate> {
    let said: Vec<&Values> = runs.iter().map(|run| run.values(measure)).collect();
    let at_least = said.iter().any(|values| values.at_least);
    let of_runs: Vec<f64> = said.iter().filter_map(|values| values.run).collect();
    let (of, mut values) = match said.as_slice() {
        // What is exact adds up over cycles, and its mean over them would be less than it.
        [only] if only.cycles.len() > 1 && !measure.is_exact() => {
            (Resampled::Cycles, only.cycles.clone())
        }
        _ => (Resampled::Runs, of_runs),
    };
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some(Estimate {
        mean: bootstrap::mean(&values),
        at_least,
        of,
        values,
    })
}

/// Which sides have no number.
fn unmeasured(compared: &Compared) -> String {
    match (&compared.baseline, &compared.candidate) {
        (None, None) => "not measured",
        (None, _) => "not measured in the baseline",
        _ => "not measured in the candidate",
    }
    .to_owned()
}

/// Which sides have one value alone.
fn single(before: &Estimate, after: &Estimate) -> String {
    let one = |side: &Estimate| side.values.len() < 2;
    match (one(before), one(after)) {
        (true, true) => "one value a side: no interval",
        (true, false) => "one value in the baseline: no interval",
        _ => "one value in the candidate: no interval",
    }
    .to_owned()
}
