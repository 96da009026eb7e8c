//! An interval for the difference of two means, by resampling.
//!
//! The percentile bootstrap (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993,
//! chapters 8 and 13): each side is drawn again with replacement, and the interval lies between
//! two quantiles of the differences that this gives. With few values that is too narrow, since a
//! resample's spread is √((n − 1)/n) of the sample's, and since the quantiles ignore that the
//! spread itself is not known (Hesterberg, *What Teachers Should Know About the Bootstrap*, The
//! American Statistician 69, 2015, section 4). Each half is therefore stretched by
//! √(n/(n − 1)) · t/z, with Welch's degrees of freedom for t, as Hesterberg corrects his expanded
//! percentile interval; stretching instead of moving to outer quantiles also works where three
//! values have no outer quantiles.

use dst_load_scenario::seed;
use rand::RngExt;

/// Resamples drawn.
pub const RESAMPLES: usize = 10_000;
/// The bootstrap's own seed: the same recordings give the same interval.
const SEED: u64 = 1;
/// Beyond so many degrees of freedom Student's t is the normal distribution, to three digits.
const MOST_FREEDOM: f64 = 1_000.0;

/// A difference with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    /// The difference of the means.
    pub(super) estimate: f64,
    /// The lower end.
    pub(super) low: f64,
    /// The upper end.
    pub(super) high: f64,
}

/// The mean of `candidate` less that of `baseline`, with an interval of this `confidence` (0 to
/// 1). `None` if a side has fewer than two values: one alone says nothing of its spread.
///
/// The order of values does not matter, and swapping the sides gives the mirror image to the bit.
/// Draws are named by `measure`.
pub(super) fn difference(
    baseline: &[f64],
    candidate: &[f64],
    confidence: f64,
    measure: &str,
) -> Option<Interval> {
    of_resamples(baseline, candidate, confidence, measure, RESAMPLES)
}

fn of_resamples(
    baseline: &[f64],
    candidate: &[f64],
    confidence: f64,
    measure: &str,
    resamples: usize,
) -> Option<Interval> {
    if baseline.len() < 2 || candidate.len() < 2 {
        return None;
    }
    let (baseline, candidate) = (sorted(baseline), sorted(candidate));
    // Each side's draws go by its place in this order, so that a swap changes only the sign.
    let swap = order(&baseline, &candidate).is_gt();
    let (first, second) = if swap {
        (&candidate, &baseline)
    } else {
        (&baseline, &candidate)
    };
    let interval = of_sorted(first, second, confidence, measure, resamples);
    if first == second {
        // Neither comes first, so the interval is its own mirror image.
        let half = interval.high.max(-interval.low);
        return Some(Interval {
            estimate: 0.0,
            low: -half,
            high: half,
        });
    }
    Some(if swap {
        Interval {
            estimate: -interval.estimate,
            low: -interval.high,
            high: -interval.low,
        }
    } else {
        interval
    })
}

fn of_sorted(
    first: &[f64],
    second: &[f64],
    confidence: f64,
    measure: &str,
    resamples: usize,
) -> Interval {
    let estimate = mean(second) - mean(first);
    let mut draw_first = seed::rng(SEED, "bootstrap", &format!("{measure}/first"));
    let mut draw_second = seed::rng(SEED, "bootstrap", &format!("{measure}/second"));
    let mut drawn: Vec<f64> = (0..resamples)
        .map(|_| resampled(second, &mut draw_second) - resampled(first, &mut draw_first))
        .collect();
    drawn.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let stretch = stretch(first, second, tail);
    // Skewed draws may lie on one side altogether; the interval always holds its estimate.
    let below = (estimate - rank(&drawn, tail)).max(0.0);
    let above = (rank(&drawn, 1.0 - tail) - estimate).max(0.0);
    Interval {
        estimate,
        low: estimate - stretch * below,
        high: estimate + stretch * above,
    }
}

fn resampled(values: &[f64], rng: &mut impl rand::Rng) -> f64 {
    let sum: f64 = (0..values.len())
        .map(|_| values[rng.random_range(0..values.len())])
        .sum();
    sum / count(values)
}

/// By how much each half of the interval is too narrow.
fn stretch(first: &[f64], second: &[f64], tail: f64) -> f64 {
    let (a, b) = (
        variance(first) / count(first),
        variance(second) / count(second),
    );
    if a + b <= 0.0 {
        return 1.0;
    }
    // What the resamples' variance lacks, weighted by what each side contributes to it.
    let (n, m) = (count(first), count(second));
    let shrunk = a * (n - 1.0) / n + b * (m - 1.0) / m;
    let freedom = (a + b).powi(2) / (a.powi(2) / (n - 1.0) + b.powi(2) / (m - 1.0));
    ((a + b) / shrunk).sqrt() * student(freedom, tail) / student(MOST_FREEDOM, tail)
}

/// The value that Student's t with `freedom` degrees exceeds with probability `tail`.
///
/// With x = √ν · tan θ the density of θ is proportional to cos^(ν−1) θ, which needs no gamma
/// function; the area is summed by the midpoint rule.
fn student(freedom: f64, tail: f64) -> f64 {
    const STEPS: u32 = 20_000;
    let freedom = freedom.clamp(1.0, MOST_FREEDOM);
    let width = std::f64::consts::PI / f64::from(STEPS);
    // From the upper end down; half of the area lies above θ = 0.
    let slice = |step: u32| {
        let theta = std::f64::consts::FRAC_PI_2 - (f64::from(step) + 0.5) * width;
        theta.cos().powf(freedom - 1.0)
    };
    let wanted = 2.0 * tail * (0..STEPS / 2).map(slice).sum::<f64>();
    let mut area = 0.0;
    for step in 0..STEPS / 2 {
        let here = slice(step);
        if area + here >= wanted {
            let theta =
                std::f64::consts::FRAC_PI_2 - (f64::from(step) + (wanted - area) / here) * width;
            return freedom.sqrt() * theta.tan();
        }
        area += here;
    }
    0.0
}

/// The value at the share `q` of a sorted list, by nearest rank.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank lies between 0 and the length"
)]
fn rank(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * count(sorted)).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The mean of a list that is not empty.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values)
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    squares / (count(values) - 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "runs are few")]
const fn count(values: &[f64]) -> f64 {
    values.len() as f64
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn order(a: &[f64], b: &[f64]) -> std::cmp::Ordering {
    let each = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    each.fold(a.len().cmp(&b.len()), std::cmp::Ordering::then)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal values, by Box and Muller; or what a latency is more like, their exponentials.
    fn drawn(n: usize, skewed: bool, entity: &str) -> Vec<f64> {
        let mut rng = seed::rng(5, "synthetic", entity);
        (0..n)
            .map(|_| {
                let (u, v): (f64, f64) = (rng.random(), rng.random());
                let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
                if skewed { (0.5 * normal).exp() } else { normal }
            })
            .collect()
    }

    /// How many of 100 intervals between two sides of one distribution hold the truth, which is 0.
    fn coverage(n: usize, skewed: bool) -> f64 {
        const DRAWS: u32 = 400;
        let held = (0..DRAWS).filter(|draw| {
            let a = drawn(n, skewed, &format!("{n}/{draw}/a"));
            let b = drawn(n, skewed, &format!("{n}/{draw}/b"));
            let interval = of_resamples(&a, &b, 0.95, "x", 1_000).unwrap();
            interval.low <= 0.0 && interval.high >= 0.0
        });
        f64::from(u32::try_from(held.count()).unwrap()) / f64::from(DRAWS) * 100.0
    }

    #[test]
    fn about_95_of_100_intervals_hold_the_truth_with_as_few_as_three_runs() {
        for (n, skewed) in [(3, false), (5, false), (5, true), (10, true)] {
            let covered = coverage(n, skewed);
            assert!((92.0..=99.5).contains(&covered), "{n} {skewed}: {covered}");
        }
    }

    #[test]
    fn a_real_difference_is_found_and_the_interval_narrows_with_runs() {
        let far = |n: usize| -> Vec<f64> {
            let near = drawn(n, false, "far");
            near.into_iter().map(|value| value + 5.0).collect()
        };
        let width = |n| {
            let interval = difference(&drawn(n, false, "near"), &far(n), 0.95, "x").unwrap();
            assert!(interval.low > 0.0 && interval.high < 10.0, "{interval:?}");
            interval.high - interval.low
        };
        assert!(width(40) < width(10) / 1.5);
    }

    #[test]
    fn swapping_the_sides_gives_the_mirror_image_and_order_does_not_matter() {
        let (a, b) = ([3.0, 1.0, 2.0, 2.5], [2.0, 4.0, 5.5]);
        let there = difference(&a, &b, 0.95, "x").unwrap();
        let back = difference(&b, &a, 0.95, "x").unwrap();
        assert_eq!(
            (back.estimate, back.low, back.high),
            (-there.estimate, -there.high, -there.low)
        );
        assert_eq!(
            difference(&[1.0, 2.0, 2.5, 3.0], &b, 0.95, "x").unwrap(),
            there
        );
    }

    #[test]
    fn the_same_values_on_both_sides_do_not_differ() {
        for values in [drawn(5, true, "same"), vec![7.0; 4]] {
            let interval = difference(&values, &values, 0.95, "x").unwrap();
            assert_eq!(interval.estimate, 0.0);
            assert!(interval.low <= 0.0 && interval.high >= 0.0);
        }
    }

    #[test]
    fn one_value_says_nothing_of_its_spread() {
        assert_eq!(difference(&[1.0], &[2.0, 3.0], 0.95, "x"), None);
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, expected) in [(1.0, 12.706), (2.0, 4.303), (8.0, 2.306), (30.0, 2.042)] {
            let found = student(freedom, 0.025);
            assert!((found / expected - 1.0).abs() < 0.001, "{freedom}: {found}");
        }
    }
}
