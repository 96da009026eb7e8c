//! Which replica a stream is opened on: what a proxy's client of its control plane does.
//!
//! That client (`linkerd/app/core/src/control.rs` of linkerd2-proxy, `balance` and `EWMA_CONFIG`) is
//! tower's power of two choices with a peak EWMA of the time to the first data, multiplied by the
//! requests that still wait for theirs (`PendingUntilFirstData`). So a stream that has received its
//! first message is no load any more, and the number of open streams on a replica has no part in
//! the choice.

use std::time::Duration;

use dst_load_scenario::{seed, time::At};

/// The estimate for a replica that has not answered yet.
const DEFAULT_RTT: Duration = Duration::from_millis(30);
/// The time in which an estimate falls to 1/e.
const DECAY: Duration = Duration::from_secs(10);
/// Estimates are compared in units of this, and are one at least: instants are of whole microseconds.
/// In virtual time, where an answer takes no time, replicas would else differ by their age and by
/// rounding alone.
const RESOLUTION: Duration = Duration::from_micros(1);

/// The load of one replica, as one client sees it (tower's `load::PeakEwma`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeakEwma {
    /// The estimate of the time to the first data, seconds.
    rtt: f64,
    updated: At,
    /// Requests that have not received anything yet.
    pending: u32,
}

// === impl PeakEwma ===

impl PeakEwma {
    /// The load of a replica that is new at `at`.
    pub(crate) const fn new(at: At) -> Self {
        Self {
            rtt: DEFAULT_RTT.as_secs_f64(),
            updated: at,
            pending: 0,
        }
    }

    /// A request is sent.
    pub(crate) const fn send(&mut self) {
        self.pending = self.pending.saturating_add(1);
    }

    /// A request that was sent at `sent` has received its first data at `at`, or has ended.
    pub(crate) fn complete(&mut self, sent: At, at: At) {
        self.pending = self.pending.saturating_sub(1);
        self.update(at.since(sent), at);
    }

    /// What another request would cost at `at`, in units of the resolution.
    pub(crate) fn cost(&mut self, at: At) -> f64 {
        self.update(Duration::ZERO, at);
        let rtt = (self.rtt / RESOLUTION.as_secs_f64()).round().max(1.0);
        rtt * f64::from(self.pending.saturating_add(1))
    }

    /// Above the estimate the observed time is the new one. Below it, the estimate approaches the
    /// observed time as time passes.
    fn update(&mut self, rtt: Duration, at: At) {
        let rtt = rtt.as_secs_f64();
        if self.rtt < rtt {
            self.rtt = rtt;
        } else {
            let elapsed = at.since(self.updated).as_secs_f64();
            let kept = (-elapsed / DECAY.as_secs_f64()).exp();
            self.rtt = self.rtt * kept + rtt * (1.0 - kept);
        }
        self.updated = at;
    }
}

/// Of so many candidates, two that differ are drawn for `entity`, and the one that costs less is
/// chosen, the first where they cost the same. A single candidate is chosen without a draw; `None`
/// where there is none.
pub(crate) fn choose(
    count: usize,
    seed: u64,
    entity: &str,
    mut cost: impl FnMut(usize) -> f64,
) -> Option<usize> {
    if count < 2 {
        return count.checked_sub(1);
    }
    let draw = |purpose, below: usize| {
        // The remainder's bias is below one in 2^50 for so few.
        let number = seed::number(seed, purpose, entity) % below as u64;
        usize::try_from(number).unwrap_or_default()
    };
    let first = draw("replica", count);
    let other = draw("other replica", count - 1);
    let second = if other < first { other } else { other + 1 };
    Some(if cost(first) <= cost(second) {
        first
    } else {
        second
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(costs: &[f64], entity: usize) -> Option<usize> {
        choose(costs.len(), 1, &entity.to_string(), |index| costs[index])
    }

    /// How often each is chosen in 3,000 draws.
    fn shares(costs: &[f64]) -> Vec<usize> {
        let mut shares = vec![0; costs.len()];
        for entity in 0..3_000 {
            shares[chosen(costs, entity).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn of_two_that_are_drawn_the_cheaper_one_is_chosen() {
        assert_eq!(shares(&[2.0, 1.0]), [0, 3_000]);
        // The dearest of three is never the cheaper of a pair, and the cheapest is in two of three.
        let [middle, cheapest, dearest] = shares(&[2.0, 1.0, 3.0])[..] else {
            panic!()
        };
        assert_eq!(dearest, 0);
        assert!((1_900..2_100).contains(&cheapest), "{cheapest}");
        assert!((900..1_100).contains(&middle), "{middle}");
    }

    #[test]
    fn replicas_that_cost_the_same_are_chosen_alike() {
        for share in shares(&[1.0; 3]) {
            assert!((900..1_100).contains(&share), "{share}");
        }
    }

    #[test]
    fn one_replica_is_chosen_without_a_look_and_none_is_none() {
        assert_eq!(choose(1, 1, "", |_| panic!("asked")), Some(0));
        assert_eq!(choose(0, 1, "", |_| panic!("asked")), None);
    }

    #[test]
    fn the_same_stream_and_life_draw_the_same() {
        let draws = || -> Vec<_> { (0..100).map(|it| chosen(&[1.0; 5], it)).collect() };
        assert_eq!(draws(), draws());
    }

    /// What another request would cost, milliseconds.
    fn cost(load: &mut PeakEwma, at: At) -> f64 {
        load.cost(at) / 1e3
    }

    #[test]
    fn pending_requests_multiply_the_time_that_the_first_data_takes() {
        let mut load = PeakEwma::new(At::ZERO);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-3, "{found}");
        near(cost(&mut load, At::ZERO), 30.0);
        load.send();
        load.send();
        near(cost(&mut load, At::ZERO), 90.0);
        // A peak counts at once.
        let later = At::from_millis(200);
        load.complete(At::ZERO, later);
        near(cost(&mut load, later), 400.0);
        // A stream that goes on after its first data is no load.
        load.complete(later, later);
        near(cost(&mut load, later), 200.0);
    }

    #[test]
    fn an_estimate_falls_to_a_third_in_ten_seconds_and_not_below_a_microsecond() {
        let mut load = PeakEwma::new(At::ZERO);
        let third = cost(&mut load, At::from_secs(10));
        assert!((third - 30.0 / std::f64::consts::E).abs() < 1e-3, "{third}");
        assert!((load.cost(At::from_secs(1_000)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn replicas_of_the_same_age_cost_the_same_however_often_they_were_looked_at() {
        let (mut often, mut once) = (PeakEwma::new(At::ZERO), PeakEwma::new(At::ZERO));
        for millis in 1..3_000 {
            often.cost(At::from_millis(millis));
        }
        let at = At::from_secs(3);
        assert!(often.cost(at).total_cmp(&once.cost(at)).is_eq());
    }
}
