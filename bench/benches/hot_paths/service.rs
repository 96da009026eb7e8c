//! A Service's ledger with streams on it, and a clock that is moved by hand.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use dst_load_oracle::{
    endpoint::Endpoint,
    kubernetes::Place,
    ledger::{Intent, Observation, Outbox, ServiceLedger},
    update::Update,
};
use dst_load_scenario::{action::Direction, time::At};

pub(crate) const PORT: u16 = 8080;

/// The address and the Pod of the endpoint with this number.
pub(crate) fn named(number: u32) -> (Ipv4Addr, String) {
    let first = Ipv4Addr::new(10, 244, 0, 1).to_bits();
    let pod = format!("test-service-1-6f7d8c9b4d-{number:05x}");
    (Ipv4Addr::from_bits(first + number), pod)
}

/// The endpoints with these numbers.
pub(crate) fn endpoints(numbers: impl Iterator<Item = u32>) -> Vec<Endpoint> {
    let endpoint = |number| {
        let (address, pod) = named(number);
        Endpoint::of_pod((address, PORT).into(), &pod)
    };
    numbers.map(endpoint).collect()
}

/// What a stream is told when these endpoints come or go.
pub(crate) fn told(direction: Direction, endpoints: &[Endpoint]) -> Update {
    match direction {
        Direction::Add => Update::Add(endpoints.to_vec()),
        Direction::Remove => {
            let bare = endpoints.iter().map(|it| Endpoint::bare(it.address));
            Update::Remove(bare.collect())
        }
    }
}

/// A ledger whose streams know all that there is.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) ledger: ServiceLedger,
    streams: u32,
    now: At,
    version: u64,
}

// === impl Service ===

impl Service {
    /// One that promises these endpoints to this many streams.
    pub(crate) fn new(streams: u32, endpoints: &[Endpoint]) -> Self {
        let mut service = Self {
            ledger: ServiceLedger::new(Duration::from_secs(30)),
            streams,
            now: At::ZERO,
            version: 0,
        };
        for _ in 0..streams {
            service.ledger.add_stream(Place::default());
        }
        let observation = service.observation();
        let promised = BTreeSet::from_iter(endpoints.iter().copied());
        service.ledger.observe_promised(&observation, &[promised]);
        let snapshot = told(Direction::Add, endpoints);
        for stream in 0..streams {
            service.ledger.stream_sent(stream, service.now);
            service.ledger.update(stream, service.now, &snapshot);
        }
        assert_eq!(service.ledger.streams_held().0, streams as usize);
        service.ledger.take_outbox();
        service
    }

    /// The next event of a slice, half a second after the last.
    pub(crate) fn observation(&mut self) -> Observation {
        self.now = self.now + Duration::from_millis(500);
        self.version += 1;
        Observation {
            visible: self.now,
            cycle: 1,
            object: "slice-1".into(),
            resource_version: self.version.to_string().into(),
            gone: false,
            timed: true,
        }
    }

    /// An action is sent that will make, or end, so many endpoints.
    pub(crate) fn intend(&mut self, direction: Direction, endpoints: u32) {
        let (add, remove) = match direction {
            Direction::Add => (endpoints, 0),
            Direction::Remove => (0, endpoints),
        };
        let at = self.now;
        self.ledger.intend(Intent { at, add, remove });
    }

    /// Each stream is told this, one a few microseconds after the other.
    pub(crate) fn tell(&mut self, update: &Update) {
        for stream in 0..self.streams {
            let at = self.now + Duration::from_micros(400 + 7 * u64::from(stream));
            self.ledger.update(stream, at, update);
        }
    }

    /// What has gathered since the last change, which was one in this direction. What was kept of
    /// endpoints' going is let go of while they are there, so that it does not pile up.
    pub(crate) fn gathered(&mut self, direction: Direction) -> Outbox {
        if direction == Direction::Add {
            self.ledger.expire(self.now);
        }
        self.ledger.take_outbox()
    }
}
