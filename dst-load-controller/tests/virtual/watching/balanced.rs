//! A client over several replicas that come and go, as in a rollout of the controller.

use std::sync::atomic::{AtomicBool, Ordering};

use dst_load_destination::fleet::FleetConfig;
use dst_load_recording::recording::{ReplicaInfo, read};
use dst_load_sandbox::destination::Destination;
use dst_load_transport::world::{Dial, Grpc, ListedReplica};
use tokio::sync::watch;
use tower::{Service, service_fn};

use super::*;

/// A replica that can be shut down.
struct Replica {
    destination: Destination,
    is_down: Arc<AtomicBool>,
}

impl Replica {
    fn start(kubernetes: &kubernetes::Kubernetes) -> Self {
        Self {
            destination: destination(kubernetes),
            is_down: Arc::default(),
        }
    }

    fn dial(&self) -> Dial {
        let (destination, is_down) = (self.destination.clone(), Arc::clone(&self.is_down));
        Arc::new(move |_| {
            let (destination, is_down) = (destination.clone(), Arc::clone(&is_down));
            Box::pin(async move {
                refused(&is_down)?;
                let grpc = destination.grpc();
                Ok(Grpc::new(service_fn(move |request| {
                    let (mut grpc, is_down) = (grpc.clone(), Arc::clone(&is_down));
                    async move {
                        refused(&is_down)?;
                        grpc.call(request).await
                    }
                })))
            })
        })
    }

    async fn shut_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
        self.destination.shutdown().await;
    }
}

fn refused(is_down: &AtomicBool) -> Result<(), tonic::Status> {
    if is_down.load(Ordering::Relaxed) {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        return Err(tonic::Status::from_error(Box::new(refused)));
    }
    Ok(())
}

fn address(number: usize) -> String {
    format!("replica-{}", number + 1)
}

/// Watches four minutes of churn over so many of three replicas, whose streams are opened again every
/// 10 s: the others come after 5 s, and the first one goes after 150 s.
async fn rolled_out(at_start: usize) -> (Report, Vec<u8>) {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let replicas = [(); 3].map(|()| Replica::start(&kubernetes));
    let clock = Clock::start();
    let text = "
        scenario: {name: oscillate}
        churn: {services: 2, pattern: oscillate, minEndpoints: 2, maxEndpoints: 10,
                minHold: 30s, maxHold: 30s, jitter: 1s, cycles: 4}";
    let (scenario, _) = Scenario::from_yaml(text, "oscillate.yaml", &[]).unwrap();
    let scenario = Arc::new(scenario);
    let actor = actor(&kubernetes, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    actor.prepare().await.unwrap();
    let never = CancellationToken::new();
    let mut driver = Driver::new(&actor, &metrics, Plan::new(&scenario), never);
    driver.create(|_| {}).await;
    tokio::time::sleep(5 * SECOND).await;

    let of = |are_listed: &[bool]| -> Vec<_> {
        let each = (0..).zip(replicas.iter().zip(are_listed));
        each.map(|(number, (replica, &is_listed))| ListedReplica {
            address: address(number),
            dial: replica.dial(),
            is_listed,
        })
        .collect()
    };
    let (sender, listed) = watch::channel(of(&vec![true; at_start]));
    let stop = CancellationToken::new();
    let mut recording = Vec::new();
    let config = session(World {
        destination: replicas[0].dial(),
        further: replicas[1..at_start].iter().map(Replica::dial).collect(),
        listed: Some(listed),
        ..world(&kubernetes, &replicas[0].destination)
    });
    let config = SessionConfig {
        fleet: FleetConfig {
            max_lifetime: Some(10 * SECOND),
            ..config.fleet.clone()
        },
        ..config
    };
    let client = client(
        config,
        (None, WatchUntil::Stopped),
        stop.clone(),
        &mut recording,
    );
    let churn = async {
        tokio::time::sleep(5 * SECOND).await;
        driver.churn(clock.now(), |_| {}).await;
        tokio::time::sleep(10 * SECOND).await;
        stop.cancel();
    };
    let rollout = async {
        tokio::time::sleep(10 * SECOND).await;
        sender.send(of(&[true, true, true])).unwrap();
        tokio::time::sleep(145 * SECOND).await;
        sender.send(of(&[false, true, true])).unwrap();
        replicas[0].shut_down().await;
    };
    let info = |number| ReplicaInfo {
        address: address(number),
        ..ReplicaInfo::default()
    };
    let header = Header {
        replicas: (0..at_start).map(info).collect(),
        ..header()
    };
    let (ended, (), ()) = tokio::join!(client.run(header), churn, rollout);
    ended.unwrap();
    let report = report_of(&client);
    drop(client);
    for replica in &replicas[1..] {
        replica.shut_down().await;
    }
    kubernetes.shutdown().await;
    (report, recording)
}

#[tokio::test(start_paused = true)]
async fn a_rollout_of_the_controller_moves_streams_and_leaves_none_behind() {
    for at_start in [2, 1] {
        let (report, recording) = rolled_out(at_start).await;
        check_rollout(&report, &recording, at_start);
    }
}

fn check_rollout(report: &Report, recording: &[u8], at_start: usize) {
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let correctness = &report.correctness;
    assert_eq!(
        (correctness.streams_checked, correctness.streams_wrong),
        (10, 0)
    );
    let latency = &report.latency.destination;
    assert_eq!((latency.add.never, latency.remove.never), (0, 0));
    // Those that came are named, and everything that was delivered is somebody's.
    let [first, second, third] = &report.replicas[..] else {
        panic!("{:?}", report.replicas)
    };
    assert_eq!(third.address, "replica-3");
    let streams = [first, second, third].map(|it| it.streams.unwrap());
    assert_eq!((streams[0], streams.iter().sum()), (0, 10));
    assert!(streams[1] > 0 && streams[2] > 0, "{streams:?}");
    let deliveries = [first, second, third].map(|it| it.deliveries);
    assert!(deliveries.iter().all(|&it| it > 50), "{deliveries:?}");
    assert_eq!(
        deliveries.iter().sum::<u64>(),
        latency.add.count + latency.remove.count
    );
    // The recording says the same when it is read again.
    let lines = read(recording).unwrap();
    let again = Report::of(&lines, &Criteria::default(), false).unwrap();
    assert_eq!(again.replicas, report.replicas);
    // Whatever the target had said of itself would be without them.
    let unread: Vec<_> = (at_start..3).map(address).collect();
    assert_eq!(report.target.used.replicas_unread, unread);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_gives_the_same_bytes_each_time() {
    let (_, once) = rolled_out(1).await;
    let (_, twice) = rolled_out(1).await;
    assert!(once == twice);
}
