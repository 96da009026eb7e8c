//! Claims about reading a churner in another process, in virtual time and without sockets.

use std::{collections::BTreeSet, sync::Arc};

use axum::Router;
use dst_load_kubernetes::actor::{Acted, KubernetesError, mock::scenario};
use dst_load_oracle::{
    endpoint::Endpoint,
    ledger::{Observation, ServiceLedger, WatchedService},
};
use dst_load_scenario::action::{Action, CycleStart, Verb};
use parking_lot::Mutex;
use tower::{ServiceExt, service_fn, util::BoxCloneSyncService};

use super::*;
use crate::churn::EventLog;

const SECOND: Duration = Duration::from_secs(1);

/// A churner's process: its clock, its log, and its routes where they are served.
struct Process {
    clock: Clock,
    log: EventLog,
}

/// What is at the address, if anything.
type Address = Arc<Mutex<Option<Router>>>;

// === impl Process ===

impl Process {
    fn start(name: &str) -> Self {
        Self {
            clock: Clock::start(),
            log: EventLog::new(&scenario(1), "shop", name),
        }
    }

    fn serve(&self, address: &Address) {
        *address.lock() = Some(self.log.routes(self.clock));
    }

    /// A scaling, intended `ago`, and told and answered now.
    fn scaled(&self, from: u32, to: u32, ago: Duration) {
        self.answered(from, to, ago, Ok(()));
    }

    fn answered(&self, from: u32, to: u32, ago: Duration, result: Result<(), KubernetesError>) {
        let now = self.clock.now();
        let action = Action {
            intended: now.since(At::from(ago)).into(),
            service: 0,
            cycle: 1,
            verb: Verb::Scale { from, to },
        };
        self.log.announce(&action);
        self.log.record(&Acted {
            action,
            sent: now,
            acknowledged: now,
            retries: 0,
            result,
        });
    }
}

fn partner(address: &Address) -> Partner {
    let address = Arc::clone(address);
    let http = service_fn(move |request| {
        let there = address.lock().clone();
        async move {
            let router = there.ok_or("connection refused")?;
            let answered: Result<_, Infallible> = router.oneshot(request).await;
            match answered {
                Ok(response) => Ok::<_, String>(response),
                Err(never) => match never {},
            }
        }
    });
    let address = http::Address::parse("http://churn:9990", "").unwrap();
    Partner::through(address, BoxCloneSyncService::new(http))
}

/// The ledger of one Service, and our clock.
struct Ours {
    ledgers: Ledgers,
    clock: Clock,
}

// === impl Ours ===

impl Ours {
    fn start() -> Self {
        Self::on(Clock::start())
    }

    fn on(clock: Clock) -> Self {
        let service = WatchedService::new("test-service-1", "shop", "cluster.local", 80);
        let ledgers = Ledgers::new(vec![service], 30 * SECOND);
        ledgers.all()[0].with(ServiceLedger::expect_late_intents);
        Self { ledgers, clock }
    }

    fn outstanding(&self) -> u64 {
        self.ledgers.outstanding()
    }
}

/// The observer sees that there are this many endpoints.
fn observe(ours: &Ours, count: u8, timed: bool) {
    let visible = ours.clock.now();
    let observation = Observation {
        visible,
        cycle: 0,
        object: "slice".into(),
        resource_version: visible.to_string().into(),
        gone: false,
        timed,
    };
    let endpoint = |last| Endpoint::bare(([10, 0, 0, last], 80).into());
    let all: BTreeSet<_> = (1..=count).map(endpoint).collect();
    ours.ledgers.all()[0].with(|ledger| ledger.observe_promised(&observation, &[all]));
}

/// Kubernetes stages that were told so far, in milliseconds.
fn kubernetes(ours: &Ours) -> Vec<u128> {
    let outbox = ours.ledgers.all()[0].with(ServiceLedger::take_outbox);
    assert_eq!(outbox.counts.starved, 0);
    let stages = outbox.kubernetes.iter();
    stages.map(|it| it.latency.as_millis()).collect()
}

/// Follows while `work` is done; the events for the recording.
async fn follow(
    partner: &Partner,
    ours: &Ours,
    work: impl Future<Output = ()>,
) -> Vec<PartnerEvent> {
    let mut told = Vec::new();
    tokio::select! {
        biased;
        never = partner.follow(&ours.ledgers, ours.clock, ours.clock.now(), |it| told.push(it)) => match never {},
        () = work => {}
    }
    told
}

fn starts(told: &[PartnerEvent]) -> Vec<&str> {
    let each = told.iter().map(|told| match told {
        PartnerEvent::Clock(line) => line.start.as_str(),
        PartnerEvent::Silent { error, .. } => error.as_str(),
        PartnerEvent::Beat { .. } | PartnerEvent::Cycle { .. } | PartnerEvent::End { .. } => "",
    });
    each.collect()
}

#[tokio::test(start_paused = true)]
async fn its_instants_are_told_in_our_time_whichever_clock_began_first() {
    for (theirs, own) in [(0, 500), (500, 0)] {
        let began = tokio::time::Instant::now();
        let (address, clock) = (Address::default(), Clock::start());
        tokio::time::sleep(theirs * SECOND).await;
        let process = Process::start("p1");
        process.serve(&address);
        clock.sleep_until(At::from_secs(500)).await;
        let ours = if own == 0 {
            Ours::on(clock)
        } else {
            Ours::start()
        };
        assert_eq!(began.elapsed(), 500 * SECOND);
        observe(&ours, 3, false);
        let told = follow(&partner(&address), &ours, async {
            tokio::time::sleep(SECOND).await;
            observe(&ours, 4, true);
            // Reported a second after it was done.
            tokio::time::sleep(SECOND).await;
            process.scaled(3, 5, 2 * SECOND);
            tokio::time::sleep(SECOND).await;
            observe(&ours, 5, true);
            tokio::time::sleep(120 * SECOND).await;
        })
        .await;
        assert_eq!(kubernetes(&ours), [1_000, 3_000]);
        let offsets = told.iter().map(|told| match told {
            PartnerEvent::Clock(line) => line.offset_us,
            other => panic!("{other:?}"),
        });
        let ahead = if own == 0 { -500_000_000 } else { 500_000_000 };
        assert_eq!(offsets.collect::<Vec<_>>(), [ahead; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_was_before_our_time_only_the_last_action_still_owes_something() {
    let (address, process) = (Address::default(), Process::start("p1"));
    process.serve(&address);
    for (from, to) in [(0, 10), (10, 200), (200, 10), (10, 8)] {
        process.scaled(from, to, Duration::ZERO);
        tokio::time::sleep(SECOND).await;
    }
    let ours = Ours::start();
    // Kubernetes has still to end two.
    observe(&ours, 10, false);
    follow(&partner(&address), &ours, async {
        tokio::time::sleep(SECOND).await;
        assert_eq!(ours.outstanding(), 2);
        observe(&ours, 8, true);
        // The next one gets its own, and nothing of the last one's.
        process.scaled(8, 12, Duration::ZERO);
        tokio::time::sleep(SECOND).await;
        observe(&ours, 12, true);
    })
    .await;
    assert_eq!((kubernetes(&ours), ours.outstanding()), (vec![1_000; 4], 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_there_is_tried_again_and_said_once() {
    let address = Address::default();
    let ours = Ours::start();
    observe(&ours, 3, false);
    let mut process = None;
    let told = follow(&partner(&address), &ours, async {
        tokio::time::sleep(100 * SECOND).await;
        let started = process.insert(Process::start("p1"));
        started.serve(&address);
        started.scaled(3, 4, Duration::ZERO);
        observe(&ours, 4, true);
        tokio::time::sleep(15 * SECOND).await;
        // It goes away without a word, and what it does meanwhile is told when it is back.
        *address.lock() = None;
        tokio::time::sleep(60 * SECOND).await;
        started.scaled(4, 5, Duration::ZERO);
        observe(&ours, 5, true);
        started.serve(&address);
        tokio::time::sleep(12 * SECOND).await;
    })
    .await;
    assert_eq!(
        starts(&told),
        ["connection refused", "p1", "connection refused", "p1"]
    );
    assert_eq!((kubernetes(&ours), ours.outstanding()), (vec![0, 0], 0));
}

#[tokio::test(start_paused = true)]
async fn another_process_at_the_address_has_another_clock_and_nothing_asked_for() {
    let (address, first) = (Address::default(), Process::start("p1"));
    first.serve(&address);
    let ours = Ours::start();
    observe(&ours, 3, false);
    let told = follow(&partner(&address), &ours, async {
        tokio::time::sleep(SECOND).await;
        first.scaled(3, 50, Duration::ZERO);
        tokio::time::sleep(SECOND).await;
        assert_eq!(ours.outstanding(), 47);
        let second = Process::start("p2");
        second.serve(&address);
        tokio::time::sleep(65 * SECOND).await;
        assert_eq!(ours.outstanding(), 0);
        second.scaled(3, 4, SECOND);
        tokio::time::sleep(SECOND).await;
        observe(&ours, 4, true);
    })
    .await;
    assert_eq!(starts(&told), ["p1", "p2", RESTARTED, "p2"]);
    assert_eq!((kubernetes(&ours), ours.outstanding()), (vec![2_000], 0));
}

#[tokio::test(start_paused = true)]
async fn an_action_that_was_given_up_leaves_nothing_to_wait_for() {
    let (address, process) = (Address::default(), Process::start("p1"));
    process.serve(&address);
    let ours = Ours::start();
    observe(&ours, 3, false);
    follow(&partner(&address), &ours, async {
        tokio::time::sleep(SECOND).await;
        let lost = KubernetesError::Lost {
            namespace: "shop".into(),
            holder: "other".into(),
        };
        process.answered(3, 50, Duration::ZERO, Err(lost));
        tokio::time::sleep(SECOND).await;
        assert_eq!(ours.outstanding(), 0);
        process.scaled(3, 5, Duration::ZERO);
        tokio::time::sleep(SECOND).await;
        assert_eq!(ours.outstanding(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_no_longer_kept_leave_nothing_to_be_mispaired() {
    let service = WatchedService::new("test-service-1", "shop", "cluster.local", 80);
    let ledgers = Ledgers::new(vec![service], 30 * SECOND);
    let mut feed = Feed::new(&ledgers, Clock::start(), At::ZERO);
    let answer = ClockAnswer {
        now: 0,
        start: "p1".into(),
        namespace: "shop".into(),
        last: 0,
    };
    let offset = Offset {
        micros: 0,
        uncertainty: Duration::ZERO,
    };
    feed.compared(offset, &answer);
    let mut buffer = BytesMut::new();
    let line = |sequence: u32| {
        format!(
            "{{\"sequence\":{sequence},\"action\":\"scale\",\"service\":\"test-service-1\",\
             \"from\":0,\"to\":7,\"add\":7,\"remove\":0,\"intended\":0}}\n"
        )
    };
    // In pieces, as a network delivers them.
    for piece in line(1).as_bytes().chunks(50) {
        take(&mut feed, &mut buffer, piece, &mut drop).unwrap();
    }
    assert_eq!((feed.after(), ledgers.outstanding()), (1, 7));
    take(&mut feed, &mut buffer, b"{\"lost\":40}\n", &mut drop).unwrap();
    assert_eq!(ledgers.outstanding(), 0);
    let error = take(&mut feed, &mut buffer, b"nonsense\n", &mut drop).unwrap_err();
    assert!(error.starts_with("/events: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn cycles_and_the_end_are_told_in_our_time_and_go_on_counting_after_a_restart() {
    let address = Address::default();
    let start = |name: &str| {
        let process = Process::start(name);
        process.serve(&address);
        process
    };
    let process = start("p1");
    let cycle = |process: &Process, cycle: u32| {
        let at = process.clock.now();
        process.log.cycle(&CycleStart { at, cycle });
    };
    // Before our time: whatever belongs to it, it is not whole.
    cycle(&process, 1);
    tokio::time::sleep(5 * SECOND).await;
    let ours = Ours::start();
    let began = ours.clock.now();
    let mut told = follow(&partner(&address), &ours, async {
        tokio::time::sleep(SECOND).await;
        assert_eq!(ours.ledgers.cycle(), 1);
        cycle(&process, 2);
        tokio::time::sleep(SECOND).await;
        assert_eq!(ours.ledgers.cycle(), 2);
        process.log.end(process.clock.now(), true);
        tokio::time::sleep(SECOND).await;
        let again = start("p2");
        tokio::time::sleep(120 * SECOND).await;
        cycle(&again, 1);
        tokio::time::sleep(SECOND).await;
    })
    .await;
    assert_eq!(ours.ledgers.cycle(), 3);
    told.retain(|it| matches!(it, PartnerEvent::Cycle { .. } | PartnerEvent::End { .. }));
    let at = |seconds: u32| began + SECOND * seconds;
    assert_eq!(
        told[0],
        PartnerEvent::Cycle {
            at: at(1),
            cycle: 2
        }
    );
    assert_eq!(
        told[1],
        PartnerEvent::End {
            at: at(2),
            whole: true
        }
    );
    assert!(matches!(told[2], PartnerEvent::Cycle { cycle: 3, .. }));
    assert_eq!(told.len(), 3);
}

#[test]
fn an_address_is_a_url_or_a_host_and_port() {
    for right in [
        "127.0.0.1:9990",
        "http://churn.load:9990",
        "http://churn:9990/",
        "https://churn.corp",
    ] {
        assert!(Partner::new(right).is_ok(), "{right}");
    }
    for wrong in ["", "churn", "ftp://churn:9990", "http://churn:9990/events"] {
        let error = Partner::new(wrong).unwrap_err().to_string();
        assert!(error.ends_with("such as http://127.0.0.1:9990"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_told_in_our_time_and_none_from_before_it() {
    let address = Address::default();
    let process = Process::start("p1");
    process.serve(&address);
    let beat = |version: &str| {
        let written = Written {
            object: "u".into(),
            resource_version: Some(version.into()),
        };
        process.log.beat(&written, process.clock.now());
    };
    tokio::time::sleep(5 * SECOND).await;
    let ours = Ours::start();
    beat("6");
    tokio::time::sleep(SECOND).await;
    let began = ours.clock.now();
    let mut told = follow(&partner(&address), &ours, async {
        tokio::time::sleep(SECOND).await;
        beat("7");
        tokio::time::sleep(SECOND).await;
    })
    .await;
    told.retain(|it| matches!(it, PartnerEvent::Beat { .. }));
    let [PartnerEvent::Beat { written, at, slack }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(written.resource_version.as_deref(), Some("7"));
    assert_eq!(at.since(began), SECOND);
    assert!(*slack < Duration::from_millis(1), "{slack:?}");
}
