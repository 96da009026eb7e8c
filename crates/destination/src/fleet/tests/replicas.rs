//! Claims about the fleet over several replicas: where streams are opened, and where they go.

use std::sync::atomic::AtomicBool;

use dst_load_transport::world::ListedReplica;
use tower::Service as _;

use super::*;

/// A replica that can be made unreachable.
struct Replica {
    calls: Calls,
    dial: Dial,
    is_down: Arc<AtomicBool>,
}

impl Replica {
    fn new(clock: Clock, answer: impl Fn(usize, &str) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let (grpc, calls) = controller(clock, answer);
        let is_down = Arc::new(AtomicBool::new(false));
        let refuses = Arc::clone(&is_down);
        let reached = service_fn(move |request: http::Request<Body>| {
            let (mut grpc, is_down) = (grpc.clone(), refuses.load(Ordering::Relaxed));
            async move {
                if is_down {
                    return Err(broken());
                }
                grpc.call(request).await
            }
        });
        let (grpc, refuses) = (Grpc::new(reached), Arc::clone(&is_down));
        let dial: Dial = Arc::new(move |_| {
            let (grpc, is_down) = (grpc.clone(), refuses.load(Ordering::Relaxed));
            Box::pin(async move { if is_down { Err(broken()) } else { Ok(grpc) } })
        });
        Self {
            calls,
            dial,
            is_down,
        }
    }

    /// One that holds every stream.
    fn steady(clock: Clock) -> Self {
        Self::new(clock, |_, _| vec![Say::Tell])
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    fn calls(&self) -> usize {
        self.calls.lock().len()
    }

    fn listed(&self, is_listed: bool) -> ListedReplica {
        ListedReplica {
            address: String::new(),
            dial: Arc::clone(&self.dial),
            is_listed,
        }
    }
}

/// How many streams each of the first replicas has, as the ledgers know it.
fn assigned<const REPLICAS: usize>(watched: &Watched, clock: Clock) -> [u64; REPLICAS] {
    let mut all = [0; REPLICAS];
    for locked in watched.ledgers.all() {
        let end = locked.with(|ledger| ledger.end_state(clock.now()));
        for (replica, streams) in end.streams_by_replica {
            all[replica as usize] += streams;
        }
    }
    all
}

fn streams(streams_per_service: u32) -> FleetConfig {
    FleetConfig {
        streams_per_service,
        ..config()
    }
}

/// Each stream is opened again about every second.
fn reopened(streams_per_service: u32) -> FleetConfig {
    FleetConfig {
        max_lifetime: Some(SECOND),
        ..streams(streams_per_service)
    }
}

#[tokio::test(start_paused = true)]
async fn each_stream_of_a_client_is_balanced_over_all_replicas() {
    let clock = Clock::start();
    let replicas = [(); 3].map(|()| Replica::steady(clock));
    let watched = Watched::new(&["web"]);
    let dials = replicas.each_ref().map(|it| Arc::clone(&it.dial));
    let fleet = watched.open(clock, &dials, streams(300));
    clock.sleep_until(At::from_secs(10)).await;
    for replica in &replicas {
        assert!((70..=130).contains(&replica.calls()), "{}", replica.calls());
    }
    let calls = replicas.each_ref().map(|it| it.calls() as u64);
    assert_eq!(assigned(&watched, clock), calls);
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_answers_late_gets_fewer_streams() {
    let clock = Clock::start();
    let late = Replica::new(clock, |_, _| {
        vec![Say::Wait(Duration::from_millis(500)), Say::Tell]
    });
    let prompt = Replica::steady(clock);
    let watched = Watched::new(&["web"]);
    let dials = [Arc::clone(&late.dial), Arc::clone(&prompt.dial)];
    let fleet = watched.open(clock, &dials, streams(300));
    clock.sleep_until(At::from_secs(10)).await;
    // Pending requests count from the first answer that is late.
    assert_eq!(late.calls() + prompt.calls(), 300);
    assert!(late.calls() < 30, "{}", late.calls());
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_streams_of_a_lost_replica_move_to_the_others_and_stay_there() {
    let clock = Clock::start();
    let lost = Replica::new(clock, |_, _| {
        vec![Say::Tell, Say::Wait(10 * SECOND), Say::Break]
    });
    let other = Replica::steady(clock);
    let watched = Watched::new(&["web"]);
    let dials = [Arc::clone(&lost.dial), Arc::clone(&other.dial)];
    let fleet = watched.open(clock, &dials, streams(40));
    clock.sleep_until(At::from_secs(5)).await;
    let [before, _] = assigned(&watched, clock);
    assert!((10..=30).contains(&before), "{before}");
    lost.set_down(true);
    clock.sleep_until(At::from_secs(20)).await;
    // No try was lost on what is known to be lost.
    assert_eq!(assigned(&watched, clock), [0, 40]);
    assert_eq!(watched.ledgers.streams_held(), (40, 40));
    let errors = watched.counters.total().errors;
    assert_eq!(errors.values().sum::<u64>(), before, "{errors:?}");
    assert_eq!(lost.calls() as u64, before);
    // It is connected to again, and streams that are open stay where they are.
    lost.set_down(false);
    clock.sleep_until(At::from_secs(120)).await;
    let tries = watched.counters.total().connection_errors;
    assert!(tries.values().sum::<u64>() > 3, "{tries:?}");
    assert_eq!(lost.calls() as u64, before);
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_came_back_is_used_by_streams_that_are_opened_again() {
    let clock = Clock::start();
    let replicas = [(); 2].map(|()| Replica::steady(clock));
    let watched = Watched::new(&["web"]);
    let dials = replicas.each_ref().map(|it| Arc::clone(&it.dial));
    let fleet = watched.open(clock, &dials, reopened(20));
    clock.sleep_until(At::from_secs(10)).await;
    replicas[0].set_down(true);
    clock.sleep_until(At::from_secs(13)).await;
    let down = replicas[0].calls();
    // The one stream that found out was sent again elsewhere.
    assert_eq!(assigned(&watched, clock), [0, 20]);
    assert_eq!(watched.counters.connections_lost(), 1);
    replicas[0].set_down(false);
    clock.sleep_until(At::from_secs(60)).await;
    assert!(
        replicas[0].calls() > down + 200,
        "{}",
        replicas[0].calls() - down
    );
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn while_all_replicas_are_lost_streams_fail_and_are_tried_again() {
    let clock = Clock::start();
    let replicas = [(); 2].map(|()| Replica::steady(clock));
    let watched = Watched::new(&["web"]);
    let dials = replicas.each_ref().map(|it| Arc::clone(&it.dial));
    let fleet = watched.open(clock, &dials, reopened(4));
    clock.sleep_until(At::from_secs(10)).await;
    replicas.iter().for_each(|it| it.set_down(true));
    clock.sleep_until(At::from_secs(30)).await;
    assert_eq!(watched.ledgers.streams_held().0, 0);
    let errors = watched.counters.total().errors;
    // As of a single one: each stream waits longer with each failure.
    assert!(
        (16..=40).contains(&errors.values().sum::<u64>()),
        "{errors:?}"
    );
    replicas.iter().for_each(|it| it.set_down(false));
    clock.sleep_until(At::from_secs(90)).await;
    assert!(replicas.iter().all(|it| it.calls() > 60));
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_left_the_name_keeps_its_streams_and_gets_no_others() {
    let clock = Clock::start();
    let replicas = [(); 2].map(|()| Replica::steady(clock));
    let watched = Watched::new(&["web"]);
    let dials = replicas.each_ref().map(|it| Arc::clone(&it.dial));
    let all = |second: bool| vec![replicas[0].listed(true), replicas[1].listed(second)];
    let (sender, listed) = watch::channel(all(true));
    let config = FleetConfig {
        // Slow enough to be told before half of them are open.
        open_rate: 10,
        ..streams(100)
    };
    let fleet = watched.open_listed(clock, &dials, Some(listed), config);
    clock.sleep_until(At::from_secs(4)).await;
    sender.send(all(false)).unwrap();
    clock.sleep_until(At::from_millis(4_050)).await;
    let [_, kept] = assigned(&watched, clock);
    assert!((8..=32).contains(&kept), "{kept}");
    clock.sleep_until(At::from_secs(20)).await;
    assert_eq!(assigned(&watched, clock), [100 - kept, kept]);
    assert_eq!(watched.counters.total().unexpected_resets(), 0);
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_came_has_a_number_of_its_own_and_is_used() {
    let clock = Clock::start();
    let replicas = [(); 3].map(|()| Replica::steady(clock));
    let watched = Watched::new(&["web"]);
    let dials: Vec<_> = replicas[..2]
        .iter()
        .map(|it| Arc::clone(&it.dial))
        .collect();
    let of =
        |count: usize| -> Vec<_> { replicas[..count].iter().map(|it| it.listed(true)).collect() };
    let (sender, listed) = watch::channel(of(2));
    let config = FleetConfig {
        clients: 3,
        ..reopened(10)
    };
    let fleet = watched.open_listed(clock, &dials, Some(listed), config);
    clock.sleep_until(At::from_secs(5)).await;
    assert!(watched.counters.take_found().is_empty());
    sender.send(of(3)).unwrap();
    // What nobody has heard of yet costs as much as a slow one, until that has worn off.
    clock.sleep_until(At::from_secs(200)).await;
    assert_eq!(watched.counters.take_found().len(), 1);
    let counted = assigned::<3>(&watched, clock);
    assert_eq!(counted.iter().sum::<u64>(), 30);
    assert!(counted.iter().all(|&it| it >= 4), "{counted:?}");
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn replicas_that_join_a_single_one_are_used() {
    let clock = Clock::start();
    let replicas = [(); 3].map(|()| Replica::steady(clock));
    let watched = Watched::new(&["web"]);
    let of =
        |count: usize| -> Vec<_> { replicas[..count].iter().map(|it| it.listed(true)).collect() };
    let (sender, listed) = watch::channel(of(1));
    let config = FleetConfig {
        clients: 3,
        ..reopened(10)
    };
    let dials = [Arc::clone(&replicas[0].dial)];
    let fleet = watched.open_listed(clock, &dials, Some(listed), config);
    clock.sleep_until(At::from_secs(5)).await;
    // Whose a stream is is said from the start.
    assert_eq!(assigned(&watched, clock), [30]);
    sender.send(of(3)).unwrap();
    clock.sleep_until(At::from_secs(200)).await;
    assert_eq!(watched.counters.take_found().len(), 2);
    let counted = assigned::<3>(&watched, clock);
    assert_eq!(counted.iter().sum::<u64>(), 30);
    assert!(counted.iter().all(|&it| it >= 4), "{counted:?}");
    fleet.close().await;
}

#[tokio::test(start_paused = true)]
async fn clients_that_share_connections_have_one_to_each_replica() {
    for (most, wanted) in [(Some(4), 4), (Some(1), 2), (None, 14)] {
        let clock = Clock::start();
        let replicas = [(); 2].map(|()| Replica::steady(clock));
        let watched = Watched::new(&["web"]);
        let dials = replicas.each_ref().map(|it| Arc::clone(&it.dial));
        let config = FleetConfig {
            clients: 7,
            connections: most,
            ..config()
        };
        let fleet = watched.open(clock, &dials, config);
        clock.sleep_until(At::from_secs(5)).await;
        let open = watched
            .counters
            .connection_lifetimes(|lives| lives.all(clock.now()).count());
        assert_eq!(open, wanted, "{most:?}");
        fleet.close().await;
    }
}
