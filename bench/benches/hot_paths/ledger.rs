//! From a change that is observed until the last stream knows it.

use std::collections::BTreeSet;

use criterion::{BenchmarkId, Criterion, Throughput};
use dst_load_oracle::{endpoint::Endpoint, ledger::Outbox, update::Update};
use dst_load_scenario::action::Direction;

use super::service::{Service, endpoints, told};

/// Endpoints that are there all the time.
const STAYING: u32 = 10;

/// A Service some endpoints of which come and go.
struct Round {
    service: Service,
    /// What is promised, the change and what a stream is told of it, for each direction.
    changes: [(Direction, [BTreeSet<Endpoint>; 1], Update); 2],
    moving: u32,
}

// === impl Round ===

impl Round {
    fn new(streams: u32, moving: u32) -> Self {
        let staying = endpoints(0..STAYING);
        let movers = endpoints(STAYING..STAYING + moving);
        let without = BTreeSet::from_iter(staying.iter().copied());
        let with = without.iter().chain(&movers).copied().collect();
        Self {
            service: Service::new(streams, &staying),
            changes: [
                (Direction::Add, [with], told(Direction::Add, &movers)),
                (
                    Direction::Remove,
                    [without],
                    told(Direction::Remove, &movers),
                ),
            ],
            moving,
        }
    }

    /// The endpoints come, and each stream learns it; then they go again, and each learns that.
    fn play(&mut self) -> [Outbox; 2] {
        self.changes
            .each_ref()
            .map(|(direction, promised, update)| {
                let service = &mut self.service;
                service.intend(*direction, self.moving);
                let observation = service.observation();
                service.ledger.observe_promised(&observation, promised);
                service.tell(update);
                service.gathered(*direction)
            })
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");
    for (streams, moving) in [(100, 1), (2_500, 1), (100, 100)] {
        let mut round = Round::new(streams, moving);
        let addresses = u64::from(streams) * u64::from(moving);
        for outbox in round.play() {
            let made = outbox.deliveries.iter().map(|it| it.times).sum::<u64>();
            assert_eq!(made, addresses);
            assert_eq!(outbox.changes.len(), 1);
        }
        assert!(round.service.ledger.is_settled());
        group.throughput(Throughput::Elements(2 * addresses));
        let id = BenchmarkId::new(format!("{streams} streams"), format!("{moving} addresses"));
        group.bench_function(id, |bencher| bencher.iter(|| round.play()));
    }
    group.finish();
}
