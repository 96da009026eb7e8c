//! An event of a slice: what the Service promises now, beside what it promised before.

use std::{cell::RefCell, collections::BTreeSet, net::IpAddr};

use criterion::{BatchSize, Criterion};
use dst_load_oracle::{
    kubernetes::{self as k8s, EndpointTarget, ServicePort, Slice, SliceEndpoint, SlicePort},
    ledger::Observation,
};
use dst_load_scenario::action::Direction;

use super::service::{PORT, Service, endpoints, named, told};

const STREAMS: u32 = 500;
/// Endpoints of the slice, as many as Kubernetes puts into one.
const ENDPOINTS: u32 = 100;

/// An observed Service with one slice, of which the last endpoint comes and goes.
struct Observed {
    service: Service,
    object: k8s::Service,
    slice: Slice,
    addresses: BTreeSet<IpAddr>,
}

// === impl Observed ===

impl Observed {
    fn new() -> Self {
        let entry = |number| {
            let (address, pod) = named(number);
            SliceEndpoint {
                addresses: vec![address.into()],
                ready: true,
                target: EndpointTarget::Pod(pod),
                node: Some(format!("node-{}", number % 4)),
                hostname: None,
                zones: Vec::new(),
            }
        };
        Self {
            service: Service::new(STREAMS, &endpoints(0..ENDPOINTS)),
            object: k8s::Service {
                ports: vec![ServicePort {
                    name: "http".into(),
                    port: PORT,
                }],
                local_traffic_only: false,
                external_name: false,
            },
            slice: Slice {
                ports: vec![SlicePort {
                    name: "http".into(),
                    port: Some(PORT),
                }],
                endpoints: (0..ENDPOINTS).map(entry).collect(),
            },
            addresses: (0..ENDPOINTS).map(|it| named(it).0.into()).collect(),
        }
    }

    /// The last endpoint goes, or comes back; an action has asked for that. Its event is next.
    fn flip(&mut self) -> Observation {
        let ready = &mut self.slice.endpoints[ENDPOINTS as usize - 1].ready;
        *ready = !*ready;
        let direction = self.direction();
        self.service.intend(direction, 1);
        self.service.observation()
    }

    fn direction(&self) -> Direction {
        if self.slice.endpoints[ENDPOINTS as usize - 1].ready {
            Direction::Add
        } else {
            Direction::Remove
        }
    }

    /// What the observer does with the event.
    fn observe(&mut self, observation: &Observation) {
        let ledger = &mut self.service.ledger;
        ledger.name(observation.visible, &self.addresses);
        ledger.observe(observation, Some(&self.object), [&self.slice], PORT);
    }

    /// All streams learn of it. Returns how many did.
    fn learn(&mut self) -> u64 {
        let moved = endpoints(ENDPOINTS - 1..ENDPOINTS);
        let direction = self.direction();
        self.service.tell(&told(direction, &moved));
        let deliveries = self.service.gathered(direction).deliveries;
        deliveries.iter().map(|it| it.times).sum()
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut observed = Observed::new();
    for _ in 0..2 {
        let observation = observed.flip();
        observed.observe(&observation);
        assert_eq!(observed.learn(), u64::from(STREAMS));
    }
    let observation = observed.service.observation();
    observed.observe(&observation);
    assert!(!observed.service.ledger.has_open_changes());
    assert_eq!(observed.service.ledger.promised(), ENDPOINTS as usize);

    let mut group = criterion.benchmark_group("slice diff");
    group.bench_function("100 endpoints, nothing new", |bencher| {
        bencher.iter(|| observed.observe(&observation));
    });
    // The streams have learnt of the last change before the next is made: that is not timed.
    let observed = RefCell::new(observed);
    let observation = RefCell::new(observed.borrow_mut().flip());
    observed.borrow_mut().observe(&observation.borrow());
    group.bench_function("100 endpoints, one of them new or gone", |bencher| {
        let set_up = || {
            observed.borrow_mut().learn();
            *observation.borrow_mut() = observed.borrow_mut().flip();
        };
        let event = |()| observed.borrow_mut().observe(&observation.borrow());
        bencher.iter_batched(set_up, event, BatchSize::PerIteration);
    });
    group.finish();
}
