//! Which Services each client asks for, where it does not ask for all of them.
//!
//! A client draws its Services without replacement, a popular one more likely than another. Which
//! Services are popular is drawn too, once for all clients, so that it does not depend on the order
//! of the scenario's groups. All of it follows from the seed, the client's number and the number of
//! Services: no client's choice depends on another client.

use std::{cmp::Ordering, fmt, num::NonZeroU32, str::FromStr};

use rand::{RngExt, seq::SliceRandom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    quantity::decimal,
    seed,
    words::{count, counted, excerpt},
};

/// The largest exponent of a Zipf distribution: with more, all clients ask for the same Services.
pub const LARGEST_EXPONENT: f64 = 10.0;

/// How many Services each client asks for, and which.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Targets {
    /// Services that each client asks for; all, if there are fewer.
    pub count: NonZeroU32,
    /// How popular the Services are.
    #[serde(flatten)]
    pub popularity: Popularity,
}

/// How likely clients ask for one Service rather than another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "distribution", rename_all = "camelCase")]
pub enum Popularity {
    /// By Zipf's law: the *n*-th most popular Service has the weight 1 / *n*^`exponent`.
    Zipf {
        /// The exponent, at least 0.
        exponent: f64,
    },
    /// All alike.
    Uniform,
}

/// A text that says no [`Targets`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no number of Services; write for example 12, 12:uniform, or 12:zipf:0.8 with an \
     exponent of at most {LARGEST_EXPONENT}"
)]
pub struct InvalidTargets(String);

/// The Services of each client of a scenario.
#[derive(Clone, Debug)]
pub struct TargetChoice {
    seed: u64,
    count: usize,
    /// The Services by popularity, the most popular one first, each with the reciprocal of its
    /// weight.
    services: Vec<(usize, f64)>,
}

// === impl Targets ===

impl Targets {
    /// Services that a client asks for where there are this many.
    #[must_use]
    pub fn of(&self, services: u64) -> u64 {
        u64::from(self.count.get()).min(services)
    }

    /// In words, where there are so many `services`: `12 of 400 Services (Zipf, exponent 1)`.
    #[must_use]
    pub fn among(&self, services: u64) -> String {
        format!(
            "{} of {} ({})",
            count(self.of(services)),
            counted(services, "Service", "Services"),
            self.popularity
        )
    }
}

impl FromStr for Targets {
    type Err = InvalidTargets;

    fn from_str(text: &str) -> Result<Self, InvalidTargets> {
        let refused = || InvalidTargets(excerpt(text));
        let mut parts = text.split(':');
        let count = parts.next().and_then(|count| count.parse().ok());
        let popularity = match (parts.next(), parts.next()) {
            (None, _) | (Some("zipf"), None) => Some(Popularity::default()),
            (Some("zipf"), Some(exponent)) => decimal(exponent)
                .filter(|exponent| *exponent <= LARGEST_EXPONENT)
                .map(|exponent| Popularity::Zipf { exponent }),
            (Some("uniform"), None) => Some(Popularity::Uniform),
            _ => None,
        };
        match (count, popularity, parts.next()) {
            (Some(count), Some(popularity), None) => Ok(Self { count, popularity }),
            _ => Err(refused()),
        }
    }
}

// === impl Popularity ===

impl Popularity {
    /// The reciprocal of the weight of the Service at `rank`, from 0.
    fn rarity(self, rank: usize) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "Services are few")]
            Self::Zipf { exponent } => ((rank + 1) as f64).powf(exponent),
            Self::Uniform => 1.0,
        }
    }
}

impl Default for Popularity {
    fn default() -> Self {
        Self::Zipf { exponent: 1.0 }
    }
}

impl fmt::Display for Popularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zipf { exponent } => write!(f, "Zipf, exponent {exponent}"),
            Self::Uniform => f.write_str("uniform"),
        }
    }
}

// === impl TargetChoice ===

impl TargetChoice {
    /// The choice among so many `services`.
    #[must_use]
    pub fn new(targets: &Targets, seed: u64, services: usize) -> Self {
        let mut order: Vec<usize> = (0..services).collect();
        order.shuffle(&mut seed::rng(seed, "targets", "popularity"));
        let ranked = order.into_iter().enumerate();
        let services = ranked.map(|(rank, service)| (service, targets.popularity.rarity(rank)));
        Self {
            seed,
            count: usize::try_from(targets.count.get()).unwrap_or(usize::MAX),
            services: services.collect(),
        }
    }

    /// The positions of the Services that client number `client`, from 0 over all replicas, asks
    /// for, in ascending order.
    ///
    /// Each Service is given an exponentially distributed time whose rate is its weight, and the
    /// first ones win: drawing one after the other, by weight, gives the same distribution
    /// (Efraimidis and Spirakis, *Weighted random sampling with a reservoir*, 2006).
    #[must_use]
    pub fn of(&self, client: u64) -> Vec<usize> {
        let mut rng = seed::rng(self.seed, "targets", &format!("client/{client}"));
        let mut drawn: Vec<(f64, usize)> = (self.services.iter())
            .map(|&(service, rarity)| {
                // From 0 to below 1, so that the logarithm is of no 0.
                let uniform: f64 = rng.random();
                (-(1.0 - uniform).ln() * rarity, service)
            })
            .collect();
        let earlier = |a: &(f64, usize), b: &(f64, usize)| -> Ordering {
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        };
        if self.count < drawn.len() {
            drawn.select_nth_unstable_by(self.count, earlier);
            drawn.truncate(self.count);
        }
        let mut chosen: Vec<usize> = drawn.into_iter().map(|(_, service)| service).collect();
        chosen.sort_unstable();
        chosen
    }

    /// How many of these clients ask for each Service.
    #[must_use]
    pub fn audiences(&self, clients: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut audiences = vec![0; self.services.len()];
        for service in clients.into_iter().flat_map(|client| self.of(client)) {
            audiences[service] += 1;
        }
        audiences
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn targets(text: &str) -> Targets {
        text.parse().unwrap()
    }

    /// How many clients ask for each Service, the most popular one first.
    fn sorted_audiences(text: &str, services: usize, clients: u64) -> Vec<u64> {
        let mut audiences = TargetChoice::new(&targets(text), 7, services).audiences(0..clients);
        audiences.sort_unstable_by(|a, b| b.cmp(a));
        audiences
    }

    fn popularity() -> impl Strategy<Value = Popularity> {
        prop_oneof![
            Just(Popularity::Uniform),
            (0.0..=LARGEST_EXPONENT).prop_map(|exponent| Popularity::Zipf { exponent }),
        ]
    }

    proptest! {
        #[test]
        fn a_client_asks_for_as_many_distinct_services_as_it_should(
            count in 1_u32..60,
            services in 0_usize..50,
            client in 0_u64..1_000,
            seed in any::<u64>(),
            popularity in popularity(),
        ) {
            let count = NonZeroU32::new(count).unwrap();
            let choice = TargetChoice::new(&Targets { count, popularity }, seed, services);
            let chosen = choice.of(client);
            prop_assert_eq!(chosen.len(), services.min(count.get() as usize));
            prop_assert!(chosen.is_sorted_by(|a, b| a < b), "{:?}", chosen);
            prop_assert!(chosen.iter().all(|service| *service < services));
            let again = TargetChoice::new(&Targets { count, popularity }, seed, services);
            prop_assert_eq!(again.of(client), chosen);
        }
    }

    #[test]
    fn by_zipf_a_few_services_are_asked_for_by_nearly_all_and_some_by_few() {
        let audiences = sorted_audiences("12", 400, 5_000);
        assert_eq!(audiences.iter().sum::<u64>(), 60_000);
        assert!(audiences[0] > 4_200, "{}", audiences[0]);
        assert!(audiences[399] < 100, "{}", audiences[399]);
        // Drawn one after the other by weight, the first Service is among the twelve of a client
        // with a probability of about 1 − exp(−t), where all of these add up to twelve.
        let expected = |t: f64| (1..=400).map(move |n| 1.0 - (-t / f64::from(n)).exp());
        let t = (1..1_000)
            .map(|it| f64::from(it) / 100.0)
            .find(|t| expected(*t).sum::<f64>() >= 12.0);
        for (seen, share) in audiences.iter().zip(expected(t.unwrap())).take(5) {
            let share = 5_000.0 * share;
            assert!((*seen as f64 - share).abs() < 250.0, "{seen} for {share}");
        }
    }

    #[test]
    fn a_larger_exponent_makes_the_popular_ones_more_popular() {
        let first = |text| sorted_audiences(text, 100, 2_000)[0];
        assert!(first("5:zipf:0.5") < first("5") && first("5") < first("5:zipf:2"));
        // Without an exponent all are alike.
        assert!(sorted_audiences("5:zipf:0", 100, 2_000)[99] > 60);
    }

    #[test]
    fn uniform_is_uniform() {
        let audiences = sorted_audiences("10:uniform", 100, 10_000);
        // A thousand clients each, with a standard deviation of 30.
        assert!(audiences[0] < 1_150, "{}", audiences[0]);
        assert!(audiences[99] > 850, "{}", audiences[99]);
    }

    #[test]
    fn which_services_are_popular_follows_from_the_seed_and_not_from_their_order() {
        let first = |seed| {
            let audiences = TargetChoice::new(&targets("3"), seed, 50).audiences(0..500);
            let all = audiences.iter().enumerate();
            all.max_by_key(|(_, clients)| **clients).unwrap().0
        };
        assert_eq!(first(1), first(1));
        let seeds: std::collections::BTreeSet<_> = (0..20).map(first).collect();
        assert!(seeds.len() > 10, "{seeds:?}");
    }

    #[test]
    fn clients_of_different_numbers_or_seeds_differ() {
        let of = |seed, client| TargetChoice::new(&targets("5:uniform"), seed, 200).of(client);
        assert_ne!(of(1, 0), of(1, 1));
        assert_ne!(of(1, 0), of(2, 0));
    }

    #[test]
    fn targets_are_read_from_a_flag() {
        let zipf = |exponent| Popularity::Zipf { exponent };
        for (text, count, popularity) in [
            ("12", 12, zipf(1.0)),
            ("12:zipf", 12, zipf(1.0)),
            ("1:zipf:0.8", 1, zipf(0.8)),
            ("7:uniform", 7, Popularity::Uniform),
        ] {
            let count = NonZeroU32::new(count).unwrap();
            assert_eq!(text.parse(), Ok(Targets { count, popularity }), "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "x",
            "12:",
            "12:even",
            "12:uniform:1",
            "12:zipf:-1",
            "12:zipf:11",
            "12:zipf:1:1",
            "12:zipf:NaN",
        ] {
            let error = text.parse::<Targets>().unwrap_err().to_string();
            assert!(error.contains("is no number of Services"), "{error}");
        }
    }
}
