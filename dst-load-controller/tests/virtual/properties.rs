//! Properties of the ledger: whatever happens in whatever order, it accuses nobody who is right,
//! acquits nobody who is wrong, and loses no delivery.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use dst_load_oracle::{
    endpoint::Endpoint,
    kubernetes::Place,
    ledger::{Counts, EndState, EndedBy, Intent, Observation, ServiceLedger},
    update::Update,
};
use dst_load_scenario::time::At;
use proptest::prelude::*;

const DEADLINE: Duration = Duration::from_secs(30);
const STREAMS: usize = 3;

/// What is at each of a few addresses: the number of its pod.
type Promised = BTreeMap<u8, u8>;

fn endpoint((&ip, &pod): (&u8, &u8)) -> Endpoint {
    let address = SocketAddr::from(([10, 0, 0, ip], 8080));
    Endpoint::of_pod(address, &format!("pod-{ip}-{pod}"))
}

fn endpoints(promised: &Promised) -> BTreeSet<Endpoint> {
    promised.iter().map(endpoint).collect()
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// Kubernetes now promises this.
    Change(Promised),
    /// The observer sees the next change it has not seen.
    See,
    /// A stream is told of everything that it does not know, however many changes that is.
    Tell(usize),
    /// A stream ends, or is opened again with a snapshot.
    Toggle(usize),
    /// Time passes, milliseconds.
    Pass(u16),
}

fn promised() -> impl Strategy<Value = Promised> {
    // Pods change at an address: Kubernetes uses addresses again.
    prop::collection::btree_map(0..8_u8, 0..2_u8, 0..8)
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => promised().prop_map(Event::Change),
        3 => Just(Event::See),
        6 => (0..STREAMS).prop_map(Event::Tell),
        1 => (0..STREAMS).prop_map(Event::Toggle),
        2 => (0..40_000_u16).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..60)
}

/// One stream as a faithful controller keeps it.
#[derive(Clone, Debug, Default)]
struct Told {
    open: bool,
    knows: Promised,
}

/// A Service, a faithful controller and the ledger that watches both.
struct World {
    ledger: ServiceLedger,
    now: At,
    /// Everything that was ever promised, and how much of it the observer has seen.
    history: Vec<Promised>,
    seen: usize,
    streams: Vec<Told>,
    counts: Counts,
    /// Deliveries that were opened, and that were made or given up.
    opened: u64,
    ended: u64,
}

impl World {
    fn new() -> Self {
        let mut ledger = ServiceLedger::new(DEADLINE);
        // With something intended, the ledger says how many deliveries it opens.
        ledger.intend(Intent {
            at: At::ZERO,
            add: u32::MAX,
            remove: u32::MAX,
        });
        for _ in 0..STREAMS {
            ledger.add_stream(Place::default());
        }
        let mut world = Self {
            ledger,
            now: At::from_secs(1),
            history: vec![Promised::new()],
            seen: 1,
            streams: vec![Told::default(); STREAMS],
            counts: Counts::default(),
            opened: 0,
            ended: 0,
        };
        for stream in 0..STREAMS {
            world.toggle(stream);
        }
        world
    }

    fn truth(&self) -> &Promised {
        self.history.last().unwrap()
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.ledger.expire(self.now);
        let outbox = self.ledger.take_outbox();
        self.counts.absorb(&outbox.counts);
        self.opened += outbox
            .kubernetes
            .iter()
            .map(|stage| stage.deliveries)
            .sum::<u64>();
        self.ended += outbox.deliveries.iter().map(|it| it.times).sum::<u64>();
        for change in outbox.changes {
            let known = u32::try_from(change.known.len()).unwrap();
            let ends = known + change.never + change.left + change.superseded;
            assert_eq!(change.audience, ends, "{change:?}");
        }
    }

    fn see(&mut self) {
        if self.seen == self.history.len() {
            return;
        }
        let version: Arc<str> = self.seen.to_string().into();
        let observation = Observation {
            visible: self.now,
            gone: false,
            cycle: 0,
            object: "slice".into(),
            resource_version: version,
            timed: true,
        };
        let promised = endpoints(&self.history[self.seen]);
        self.seen += 1;
        self.ledger.observe_promised(&observation, &[promised]);
    }

    fn say(&mut self, stream: usize, update: &Update) {
        let stream = u32::try_from(stream).unwrap();
        self.ledger.update(stream, self.now, update);
    }

    /// Tells a stream the difference to the truth, as one addition and one removal.
    fn tell(&mut self, stream: usize) {
        if !self.streams[stream].open {
            return;
        }
        let truth = self.truth().clone();
        let knew = std::mem::replace(&mut self.streams[stream].knows, truth.clone());
        let (add, remove) = difference(&knew, &truth);
        self.send(stream, add, remove);
    }

    fn send(&mut self, stream: usize, add: Vec<Endpoint>, remove: Vec<Endpoint>) {
        if !add.is_empty() {
            self.say(stream, &Update::Add(add));
        }
        if !remove.is_empty() {
            self.say(stream, &Update::Remove(remove));
        }
    }

    fn toggle(&mut self, stream: usize) {
        let number = u32::try_from(stream).unwrap();
        let opens = !self.streams[stream].open;
        self.streams[stream] = Told {
            open: opens,
            knows: Promised::new(),
        };
        if opens {
            self.ledger.stream_sent(number, self.now);
            self.tell(stream);
        } else {
            self.ledger.stream_closed(number, self.now, EndedBy::Us);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Change(promised) => self.history.push(promised),
            Event::See => self.see(),
            Event::Tell(stream) => self.tell(stream),
            Event::Toggle(stream) => self.toggle(stream),
            Event::Pass(millis) => self.pass(millis.into()),
        }
    }

    /// The observer and all streams learn everything there is.
    fn catch_up(&mut self) {
        while self.seen < self.history.len() {
            self.see();
        }
        for stream in 0..STREAMS {
            self.tell(stream);
        }
    }

    /// Everything that is still waited for is given up.
    fn end(&mut self) -> EndState {
        self.pass(31_000);
        self.pass(31_000);
        assert!(self.ledger.is_settled());
        self.ledger.end_state(self.now)
    }
}

/// What a faithful controller sends to whoever holds `old` and should hold `new`.
fn difference(old: &Promised, new: &Promised) -> (Vec<Endpoint>, Vec<Endpoint>) {
    let added = new.iter().filter(|(ip, pod)| old.get(ip) != Some(pod));
    let removed = old.iter().filter(|(ip, _)| !new.contains_key(ip));
    let bare = |entry| Endpoint::bare(endpoint(entry).address);
    (added.map(endpoint).collect(), removed.map(bare).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_told_the_truth_in_the_end_is_accused_of_nothing(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.catch_up();
        let end = world.end();
        let open = world.streams.iter().filter(|it| it.open).count() as u64;
        prop_assert_eq!((end.streams_checked, end.streams_wrong), (open, 0), "{:?}", end);
        prop_assert_eq!(world.counts.redundant, 0);
    }

    #[test]
    fn what_a_slow_observer_took_for_unexpected_is_put_right(events in events()) {
        let mut world = World::new();
        for event in events {
            // Who leaves takes what was to be put right along.
            if !matches!(event, Event::Toggle(_)) {
                world.happen(event);
            }
        }
        world.catch_up();
        world.end();
        prop_assert_eq!(world.counts.unexpected, world.counts.unexpected_mended);
    }

    #[test]
    fn every_delivery_that_is_opened_ends_once(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        // Some streams are never told the rest.
        world.end();
        let counts = world.counts;
        prop_assert_eq!(world.opened, world.ended + counts.superseded + counts.excluded + counts.left, "{:?}", counts);
    }

    #[test]
    fn whoever_keeps_up_misses_nothing(changes in prop::collection::vec(promised(), 1..20), early in any::<bool>()) {
        let mut world = World::new();
        world.pass(2_000);
        for promised in changes {
            world.happen(Event::Change(promised));
            if !early {
                world.see();
            }
            for stream in 0..STREAMS {
                world.tell(stream);
            }
            world.see();
            world.pass(1);
        }
        let end = world.end();
        prop_assert_eq!(end.streams_wrong, 0);
        prop_assert_eq!(world.opened, world.ended);
        let counts = world.counts;
        prop_assert_eq!((counts.superseded, counts.late, counts.left, counts.redundant), (0, 0, 0, 0));
        prop_assert_eq!(counts.unexpected, 0);
    }

    #[test]
    fn one_address_that_is_left_out_is_always_found(
        events in events(),
        last in promised(),
        victim in 0..STREAMS,
        which in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        if !world.streams[victim].open {
            world.toggle(victim);
        }
        world.catch_up();
        let (mut add, mut remove) = difference(world.truth(), &last);
        prop_assume!(!add.is_empty() || !remove.is_empty());
        world.happen(Event::Change(last.clone()));
        world.see();
        let which = which.index(add.len() + remove.len());
        let left_out = which < add.len();
        if left_out {
            add.remove(which);
        } else {
            remove.remove(which - add.len());
        }
        world.streams[victim].knows = last;
        world.send(victim, add, remove);
        world.catch_up();
        let end = world.end();
        prop_assert_eq!(end.streams_wrong, 1, "{:?}", end);
        if left_out {
            // If another pod had the address before, that one is now stale.
            prop_assert_eq!(end.missing, 1);
            prop_assert!(end.stale <= 1);
        } else {
            prop_assert_eq!((end.missing, end.stale), (0, 1));
        }
        prop_assert_eq!(end.unexpected, 0);
    }

    #[test]
    fn the_end_state_is_what_a_plain_fold_says(
        history in prop::collection::vec(promised(), 1..10),
        said in prop::collection::vec((0..STREAMS, any::<bool>(), promised()), 0..30),
    ) {
        let mut world = World::new();
        let mut held = vec![Promised::new(); STREAMS];
        let mut history = history.into_iter();
        for (stream, adds, what) in said {
            if let Some(promised) = history.next() {
                world.happen(Event::Change(promised));
                world.see();
            }
            world.pass(100);
            if adds {
                let update = Update::Add(what.iter().map(endpoint).collect());
                world.say(stream, &update);
                held[stream].extend(what);
            } else {
                let gone = what.iter().map(|entry| Endpoint::bare(endpoint(entry).address));
                let update = Update::Remove(gone.collect());
                world.say(stream, &update);
                held[stream].retain(|ip, _| !what.contains_key(ip));
            }
        }
        let end = world.end();
        let promised = endpoints(&world.history[world.seen - 1]);
        let held: Vec<_> = held.iter().map(endpoints).collect();
        let missing: usize = held.iter().map(|held| promised.difference(held).count()).sum();
        let extra: usize = held.iter().map(|held| held.difference(&promised).count()).sum();
        let wrong = held.iter().filter(|held| **held != promised).count();
        prop_assert_eq!(end.missing, missing as u64);
        prop_assert_eq!(end.stale + end.unexpected, extra as u64);
        prop_assert_eq!(end.streams_wrong, wrong as u64);
    }
}
