//! How the streams are distributed over the Services.
//!
//! The model is the one by which a scenario's clients choose: each draws `k` of `n` Services without
//! replacement, the one of rank `i` with weight `i^-s` (Zipf). The chance that a client has the
//! Service of rank `i` is then `p_i = 1 - exp(-t i^-s)`, where `t` is such that the chances add up to
//! `k` (Rosén, *Asymptotic theory for successive sampling*, 1972). The exponent `s` is the one of the
//! greatest likelihood: `s_i` of `c` clients have the Service of rank `i`, which is binomial.
//!
//! A line through the logarithms of ranks and streams would be too flat where nearly every client has
//! the first Services, as no Service can have more streams than there are clients.

use crate::targets::Popularity;

/// The steepest distribution that is looked for: with it, the second Service has a sixteenth of the
/// first one's weight.
const STEEPEST: f64 = 4.0;

/// The distribution of these streams, a number for each Service in descending order, of so many
/// clients.
pub(super) fn fit(subscribers: &[u64], clients: u64) -> Popularity {
    if is_flat(subscribers) {
        return Popularity::Uniform;
    }
    let exponent = greatest(|exponent| likelihood(subscribers, clients, exponent));
    let exponent = (exponent * 100.0).round() / 100.0;
    if exponent > 0.0 {
        Popularity::Zipf { exponent }
    } else {
        Popularity::Uniform
    }
}

/// Whether the numbers differ no more than chance explains: their index of dispersion is that of a
/// Poisson distribution, within three standard deviations.
fn is_flat(numbers: &[u64]) -> bool {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<u64>() as f64 / count;
    let squares = numbers.iter().map(|&it| (it as f64 - mean).powi(2));
    let freedom = count - 1.0;
    squares.sum::<f64>() / mean <= freedom + 3.0 * (2.0 * freedom).sqrt()
}

/// The logarithm of the likelihood of these streams, but for what does not depend on the exponent.
fn likelihood(subscribers: &[u64], clients: u64, exponent: f64) -> f64 {
    let streams: u64 = subscribers.iter().sum();
    let rates = rates(subscribers.len(), streams as f64 / clients as f64, exponent);
    let parts = rates.iter().zip(subscribers).map(|(rate, &have)| {
        // ln p and ln (1 - p) of p = 1 - exp(-rate).
        let chance = (-(-rate).exp_m1()).ln();
        have as f64 * chance - clients.saturating_sub(have) as f64 * rate
    });
    parts.sum()
}

/// `t i^-s` of each rank `i`, where the chances add up to `targets`.
fn rates(services: usize, targets: f64, exponent: f64) -> Vec<f64> {
    let weights: Vec<_> = (1..=services)
        .map(|rank| (rank as f64).powf(-exponent))
        .collect();
    // As many as there are Services would be certain, at no finite rate.
    let targets = targets.min(services as f64 - 1e-3);
    let held = |scale: f64| -> f64 { weights.iter().map(|it| -(-scale * it).exp_m1()).sum() };
    let (mut low, mut high) = (0.0, 1.0);
    while held(high) < targets {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if held(middle) < targets {
            low = middle;
        } else {
            high = middle;
        }
    }
    weights.iter().map(|it| it * high).collect()
}

/// Where a function with one peak between 0 and [`STEEPEST`] has it, by golden section.
fn greatest(of: impl Fn(f64) -> f64) -> f64 {
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.0, STEEPEST);
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut of_left, mut of_right) = (of(left), of(right));
    while high - low > 1e-3 {
        if of_left > of_right {
            (high, right, of_right) = (right, left, of_left);
            left = high - golden * (high - low);
            of_left = of(left);
        } else {
            (low, left, of_left) = (left, right, of_right);
            right = low + golden * (high - low);
            of_right = of(right);
        }
    }
    (low + high) / 2.0
}
