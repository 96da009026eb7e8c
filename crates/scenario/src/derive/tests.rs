//! Tests the derivation with clients that are made, of which everything is known.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::{
    scenario::{Lifecycle, Pattern, Scenario},
    seed,
};

const ALL: Wanted = Wanted {
    clients: None,
    scale: 1.0,
};

/// Clients that each draw Services without replacement, of rank `i` with weight `i^-exponent`.
#[derive(Clone, Copy, Debug)]
struct Fleet {
    seed: u64,
    clients: u64,
    nodes: u64,
    services: usize,
    targets: usize,
    exponent: f64,
}

impl Fleet {
    /// The Services of a client.
    fn chosen(&self, client: u64) -> BTreeSet<usize> {
        let mut rng = seed::rng(self.seed, "chosen", &client.to_string());
        // The first of so many clocks, each with an exponential distribution.
        let mut clocks: Vec<_> = (0..self.services)
            .map(|service| {
                let weight = ((service + 1) as f64).powf(-self.exponent);
                (-rng.random::<f64>().ln() / weight, service)
            })
            .collect();
        clocks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let first = clocks.iter().take(self.targets);
        first.map(|(_, service)| *service).collect()
    }

    fn observed(&self) -> Observed {
        let streams = (0..self.clients).flat_map(|client| {
            let node = Some((client % self.nodes) as usize);
            let chosen = self.chosen(client).into_iter();
            chosen.map(move |service| Group {
                service,
                node,
                subscribers: 1,
                ..Group::default()
            })
        });
        Observed {
            replicas: 1,
            groups: streams.collect(),
            ..Observed::default()
        }
    }
}

/// Each Service with so many streams, from one Node.
fn with(subscribers: &[u64]) -> Observed {
    let groups = subscribers.iter().enumerate();
    let groups = groups.map(|(service, &subscribers)| Group {
        service,
        node: Some(0),
        subscribers,
        ..Group::default()
    });
    Observed {
        replicas: 1,
        groups: groups.collect(),
        ..Observed::default()
    }
}

fn derived(observed: Observed, wanted: Wanted) -> Derived {
    Derived::of(observed, wanted).unwrap()
}

/// The scenario as it is read from the file, without a warning.
fn read(derived: &Derived) -> Scenario {
    let text = derived.to_string();
    let (scenario, warnings) = Scenario::from_yaml(&text, "derived.yaml", &[])
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(warnings, [] as [&str; 0], "{text}");
    scenario
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// With the number of clients known, everything comes back.
    #[test]
    fn known_clients_give_their_distribution_back(
        seed in 0..1_000_u64,
        clients in 300..600_u64,
        nodes in 1..40_u64,
        services in 40..120_usize,
        targets in 4..12_usize,
        exponent in 0.5..1.8_f64,
    ) {
        let fleet = Fleet { seed, clients, nodes, services, targets, exponent };
        let derived = derived(fleet.observed(), Wanted { clients: Some(clients), scale: 1.0 });
        prop_assert_eq!(derived.streams, clients * targets as u64);
        prop_assert_eq!(derived.targets, targets as u64);
        prop_assert_eq!(derived.clients, clients);
        prop_assert_eq!(derived.nodes, nodes);
        // Of few Services a client may ask for each: some have no stream.
        prop_assert!(derived.asked <= services as u64);
        let Popularity::Zipf { exponent: found } = derived.popularity else {
            return Err(TestCaseError::fail(format!("{fleet:?} is uniform")));
        };
        prop_assert!((found - exponent).abs() < 0.15, "{found} of {fleet:?}");
    }

    /// Without it, there are never more clients estimated to be there at least than there are; and
    /// the estimate is near where there is a Service that nearly all ask for.
    #[test]
    fn unknown_clients_are_at_least_those_that_are_told(
        seed in 0..1_000_u64,
        clients in 200..500_u64,
        nodes in 1..40_u64,
        services in 40..120_usize,
        targets in 4..12_usize,
        exponent in 0.0..1.8_f64,
    ) {
        let fleet = Fleet { seed, clients, nodes, services, targets, exponent };
        let derived = derived(fleet.observed(), ALL);
        prop_assert!(derived.least_clients <= clients, "{derived}");
        prop_assert!(derived.clients >= derived.least_clients, "{derived}");
        let streams = (derived.clients * derived.targets) as f64;
        let all = derived.streams as f64;
        prop_assert!((streams - all).abs() <= derived.targets as f64 / 2.0, "{derived}");
        if exponent >= 1.0 {
            prop_assert!(derived.clients as f64 > 0.65 * clients as f64, "{} of {fleet:?}", derived.clients);
        }
        read(&derived);
    }

    #[test]
    fn whatever_is_observed_gives_a_scenario_that_can_be_read(
        numbers in prop::collection::vec((0..3_usize, 0..9_usize, 1..5_000_u64, 0..3_000_u64, 0..200_u64), 1..60),
        copies in prop_oneof![Just(1_usize), Just(400)],
        window in prop::option::of(1..600_u64),
        scale in prop_oneof![Just(1.0), 0.001..3.0],
        profiles in prop::option::of(0..9_u64),
        cached in prop::option::of(0..900_u64),
    ) {
        let groups = (0..copies).flat_map(|copy| numbers.iter().enumerate().map(move |(index, it)| Group {
            service: copy * 60 + index / (1 + it.0),
            node: it.1.checked_sub(1),
            instance: it.0 == 2,
            subscribers: it.2,
            endpoints: it.3,
            events: it.4,
        }));
        let observed = Observed {
            replicas: 2,
            groups: groups.collect(),
            profile_streams: profiles,
            cached: Cached { nodes: cached, pods: cached, services: cached },
            window: window.map(Duration::from_secs),
            ..Observed::default()
        };
        let derived = derived(observed, Wanted { clients: None, scale });
        let (clients, targets) = (derived.scaled_clients(), derived.targets());
        prop_assert!(clients * targets <= MOST_STREAMS, "{derived}");
        let line = format!("  clients: {clients}");
        let text = derived.to_string();
        prop_assert!(text.lines().any(|it| it.split("  #").next() == Some(&*line)), "{text}");
        let scenario = read(&derived);
        prop_assert_eq!(scenario.streams(), clients * targets);
        if let Some(read) = scenario.client.targets {
            prop_assert_eq!(read.popularity, derived.popularity);
        }
        prop_assert_eq!(scenario.client.profiles, profiles > Some(0));
    }
}

#[test]
fn services_that_differ_by_chance_alone_are_asked_for_uniformly() {
    let fleet = Fleet {
        seed: 1,
        clients: 400,
        nodes: 10,
        services: 80,
        targets: 6,
        exponent: 0.0,
    };
    let known = Wanted {
        clients: Some(400),
        ..ALL
    };
    for seed in 0..20 {
        let derived = derived(Fleet { seed, ..fleet }.observed(), known);
        assert_eq!(derived.popularity, Popularity::Uniform, "{seed}");
        assert!(
            derived
                .to_string()
                .contains("\n  targets:\n    count: 6\n    distribution: uniform\n"),
            "{derived}"
        );
    }
    let steep = Fleet {
        exponent: 0.5,
        ..fleet
    };
    let steep = derived(steep.observed(), known).to_string();
    assert!(
        steep.contains("\n  targets:\n    count: 6\n    distribution: zipf\n    exponent: 0."),
        "{steep}"
    );
}

#[test]
fn clients_that_ask_for_everything_have_no_targets() {
    let derived = derived(with(&[50; 4]), ALL);
    assert_eq!((derived.clients, derived.targets), (50, 4));
    assert!(!derived.to_string().contains("targets:"), "{derived}");
    assert_eq!(read(&derived).streams(), 200);
}

#[test]
fn a_service_on_each_node_says_how_many_clients_there_are_at_least() {
    let group = |service, node, subscribers| Group {
        service,
        node,
        subscribers,
        ..Group::default()
    };
    let instance = |it| Group {
        instance: true,
        ..it
    };
    let least = |groups: &[Group]| least_clients(groups.iter());
    let (here, there) = (Some(0), Some(1));
    // One after the other has the most.
    let apart = [group(0, here, 7), group(1, here, 2), group(1, there, 5)];
    assert_eq!(least(&apart), 12);
    // Over two replicas.
    assert_eq!(least(&[group(0, here, 3), group(0, here, 4)]), 7);
    assert_eq!(least(&[group(0, None, 3), group(0, here, 4)]), 7);
    // A client may ask for each instance of a Service.
    assert_eq!(least(&[instance(group(0, here, 9)), group(1, here, 2)]), 2);
    assert_eq!(least(&[instance(group(0, here, 9))]), 1);
}

#[test]
fn each_replica_has_a_part_of_the_streams_and_all_of_the_endpoints_and_events() {
    let mut observed = with(&[6, 2]);
    for group in &mut observed.groups {
        (group.endpoints, group.events) = (10 + group.subscribers, 30);
    }
    let twice = observed.groups.clone();
    // On a Node in another zone, whose group was made later.
    let fewer = twice.iter().map(|it| Group {
        node: Some(1),
        endpoints: 4,
        events: 1,
        ..*it
    });
    observed.groups.extend(fewer);
    observed.replicas = 2;
    observed.window = Some(Duration::from_secs(60));
    let derived = derived(observed, ALL);
    assert_eq!((derived.streams, derived.asked), (16, 2));
    let sizes = derived.sizes.unwrap();
    assert_eq!((sizes.median, sizes.most, sizes.mean), (12, 16, 14.0));
    assert_eq!(derived.unsized_services, 0);
    let rates = derived.rates.unwrap();
    assert_eq!((rates.events, rates.services), (60, 2));
    // 8 streams saw 30 events each, and 8 saw 1.
    assert_eq!(rates.updates, 8.0 * 30.0 + 8.0);
}

#[test]
fn the_measured_rate_of_events_is_the_rate_of_scalings() {
    let pattern = |events: Option<u64>, services: usize| {
        let mut observed = with(&vec![3; services]);
        observed.window = events.map(|_| Duration::from_secs(60));
        observed.groups[0].events = events.unwrap_or_default();
        observed.groups[0].endpoints = 12;
        let scenario = read(&derived(observed, ALL));
        scenario.churn.groups[0].pattern.clone()
    };
    let batch = |pattern: &Pattern| match *pattern {
        Pattern::Batch {
            wave,
            size,
            interval,
        } => {
            assert_eq!((wave.min, wave.max), (12, 13));
            assert_eq!((wave.min_hold, wave.max_hold), (interval, interval));
            (size, interval.as_millis())
        }
        ref other => panic!("{other}"),
    };
    assert_eq!(batch(&pattern(Some(73), 50)), (1, 822));
    assert_eq!(batch(&pattern(Some(60_000), 500)), (100, 100));
    // All of them together, at most.
    assert_eq!(batch(&pattern(Some(60_000), 50)), (50, 50));
    assert_eq!(batch(&pattern(None, 50)), (1, 1_000));
    assert_eq!(pattern(Some(0), 50), Pattern::Stable { endpoints: 12 });
}

#[test]
fn endpoints_are_those_that_are_known_else_the_pods_by_services_else_a_guess() {
    let endpoints = |known: u64, pods: Option<u64>| {
        let mut observed = with(&[5, 5, 5]);
        observed.groups[1].endpoints = known;
        (observed.cached.pods, observed.cached.services) = (pods, Some(100));
        let derived = derived(observed, ALL);
        let text = derived.to_string();
        let unknown = format!(
            "unknown of {} Services, which had no event yet\n",
            if known > 0 { 2 } else { 3 }
        );
        assert!(text.contains(&unknown), "{text}");
        derived.endpoints()
    };
    assert_eq!(endpoints(7, Some(900)), 7);
    assert_eq!(endpoints(0, Some(900)), 9);
    assert_eq!(endpoints(0, Some(0)), 1);
    assert_eq!(endpoints(0, None), 10);
}

#[test]
fn a_share_has_as_many_clients_and_nodes_less_and_the_same_services() {
    let fleet = Fleet {
        seed: 3,
        clients: 500,
        nodes: 50,
        services: 60,
        targets: 5,
        exponent: 1.0,
    };
    let wanted = Wanted {
        clients: Some(500),
        scale: 0.1,
    };
    let derived = derived(fleet.observed(), wanted);
    let scenario = read(&derived);
    assert_eq!(scenario.client.clients, 50);
    assert_eq!(scenario.sandbox.nodes, 5);
    assert_eq!(u64::from(scenario.churn.groups[0].count), derived.asked);
    assert!(
        derived.to_string().contains("--scale 0.1 of 500"),
        "{derived}"
    );
    assert!(
        derived.to_string().contains("250 streams in all"),
        "{derived}"
    );
}

#[test]
fn profiles_are_held_as_a_proxy_does_where_they_are() {
    for (streams, subscribers, held) in [
        (None, 0, false),
        (Some(0), 0, false),
        (Some(1), 0, true),
        (None, 1, true),
    ] {
        let mut observed = with(&[5]);
        (observed.profile_streams, observed.profile_subscribers) = (streams, subscribers);
        let client = read(&derived(observed, ALL)).client;
        assert_eq!(client.profiles, held);
        let lifecycle = if held {
            Lifecycle::Proxy
        } else {
            Lifecycle::Eternal
        };
        assert_eq!(client.lifecycle, lifecycle);
    }
}

#[test]
fn what_gives_no_scenario_is_refused() {
    let refused = |observed, wanted| Derived::of(observed, wanted).unwrap_err();
    assert_eq!(refused(with(&[]), ALL), DeriveError::NoSubscribers);
    assert_eq!(refused(with(&[0]), ALL), DeriveError::NoSubscribers);
    let given = Wanted {
        clients: Some(4),
        ..ALL
    };
    let few = DeriveError::TooFewClients { given: 4, least: 5 };
    assert_eq!(refused(with(&[5, 1]), given), few);
}
