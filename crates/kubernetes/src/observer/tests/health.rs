//! Claims about watches that go silent, about lag, and about the comparison with a LIST.

use std::sync::atomic::{AtomicU64, Ordering};

use dst_load_recording::recording::{LagSource, ObserverEvent};

use super::*;

/// A maker of clients of one server, and how many it has made.
fn counting(kube: kube::Client) -> (KubeFactory, Arc<AtomicU64>) {
    let made = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&made);
    let factory: KubeFactory = Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(kube.clone())
    });
    (factory, made)
}

fn one_service() -> [Answer; 1] {
    [list("1", vec![service("2")])]
}

/// The reasons for which it was blind.
fn blind(observer: &Observer, now: At) -> Vec<String> {
    let events = observer.take_health(now).events;
    let reasons = events.into_iter().filter_map(|line| match line.event {
        ObserverEvent::Blind { reason, .. } => Some(reason),
        _ => None,
    });
    reasons.collect()
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_resumed_over_connections_of_its_own() {
    let clock = Clock::start();
    let (kube, _) = server(clock, Script::new());
    let (factory, made) = counting(kube);
    let ledgers = Arc::new(Ledgers::new(Vec::new(), 30 * SECOND));
    let observer = Observer::new(ledgers, clock);
    let mut counts = Vec::new();
    let story = async {
        for seconds in [80, 100, 170, 190] {
            clock.sleep_until(At::from_secs(seconds)).await;
            counts.push(made.load(Ordering::Relaxed));
        }
    };
    tokio::select! {
        biased;
        ended = observer.watch(&factory, "shop") => panic!("{ended:?}"),
        () = story => {}
    }
    assert_eq!(counts, [3, 6, 6, 9]);
}

#[tokio::test(start_paused = true)]
async fn what_came_only_when_a_silent_watch_was_resumed_is_untimed_and_it_was_blind() {
    let resumed = |missed: bool| {
        let slices = [
            list("5", vec![slice("4", 1)]),
            watch(vec![
                Step::Wait(7 * SECOND),
                event("MODIFIED", &slice("6", 2)),
                Step::Stay,
            ]),
            // How far the cluster is when it is resumed.
            list(if missed { "8" } else { "7" }, vec![]),
            watch(vec![event("MODIFIED", &slice("8", 3)), Step::Stay]),
        ];
        script(one_service(), slices)
    };
    for missed in [true, false] {
        let seen = observe_with(120, resumed(missed), hold(1)).await;
        assert_eq!(
            seen.asked(),
            ["limit=500", "watch from 5", "limit=1", "watch from 6"]
        );
        // Silent since 7 s, for 90 s, and then the first wait between two tries.
        let at: Vec<_> = seen.log.iter().map(|(at, _)| *at).collect();
        assert_eq!(at.last(), Some(&At::from_millis(97_100)));
        assert_eq!(seen.promised(), [3, 3]);
        assert_eq!(seen.observer.relists(), 0);
        let silent = seen.observer.take_errors()["watch: silent for 90s"];
        assert_eq!(silent, 3);
        let reasons = blind(&seen.observer, At::from_secs(120));
        assert_eq!(reasons.len(), usize::from(missed), "{reasons:?}");
        let untimed = seen.outbox().counts.untimed_changes;
        assert_eq!(untimed, u64::from(missed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_never_answered_is_asked_for_again() {
    let never = Answer {
        after: 3_600 * SECOND,
        ..list("5", vec![])
    };
    let slices = [never, list("5", vec![slice("4", 2)])];
    let seen = observe(40, script(one_service(), slices)).await;
    assert_eq!(seen.promised(), [2, 2]);
    let errors = seen.observer.take_errors();
    assert_eq!(errors["watch: a list was not answered for 30s"], 1);
}

fn beat(version: &str) -> Written {
    Written {
        object: "e".into(),
        resource_version: Some(version.into()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_not_seen_within_five_seconds_makes_it_blind_and_resumes_the_watch() {
    let slices = [
        list("5", vec![slice("4", 1)]),
        watch(vec![Step::Stay]),
        list("9", vec![]),
        watch(vec![event("MODIFIED", &slice("8", 1)), Step::Stay]),
    ];
    let script = script(one_service(), slices);
    let clock = Clock::start();
    let (kube, log) = server(clock, script);
    let ledgers = Arc::new(Ledgers::new(Vec::new(), 30 * SECOND));
    let observer = Observer::new(ledgers, clock);
    let kube = always(kube);
    let story = async {
        clock.sleep_until(At::from_secs(10)).await;
        let acknowledged = clock.now();
        observer.acknowledged(
            &beat("8"),
            acknowledged,
            Duration::ZERO,
            LagSource::Heartbeat,
        );
        clock.sleep_until(At::from_secs(15)).await;
        assert!(blind(&observer, clock.now()).is_empty());
        clock.sleep_until(At::from_secs(16)).await;
        let reasons = blind(&observer, clock.now());
        assert!(
            reasons[0].starts_with("a heartbeat that was acknowledged 10 s after the start"),
            "{reasons:?}"
        );
        // Once, and resumed at once.
        clock.sleep_until(At::from_secs(17)).await;
        let reasons = blind(&observer, clock.now());
        assert!(
            reasons[0].contains("1 event came only when it was resumed"),
            "{reasons:?}"
        );
        clock.sleep_until(At::from_secs(30)).await;
        assert!(blind(&observer, clock.now()).is_empty());
    };
    tokio::select! {
        biased;
        ended = observer.watch(&kube, "shop") => panic!("{ended:?}"),
        () = story => {}
    }
    let resumed = log
        .lock()
        .iter()
        .any(|(at, uri)| *at == At::from_millis(16_100) && uri.ends_with("endpointslices?limit=1"));
    assert!(resumed, "{:?}", log.lock());
}

/// What a comparison at 10 s came to, what was promised then and 20 s later, and when it was over.
async fn verified(slices: Vec<Answer>) -> (Result<Verified, String>, Vec<usize>, Vec<usize>, At) {
    let clock = Clock::start();
    let (kube, _) = server(
        clock,
        script(
            // Listed by the watch and by the comparison, twice at most.
            std::iter::repeat_with(|| list("2", vec![service("2")]))
                .take(1)
                .chain([watch(vec![Step::Stay])])
                .chain(std::iter::repeat_with(|| list("9", vec![service("2")])).take(50)),
            slices,
        ),
    );
    let service = WatchedService::new("web", "shop", "cluster.local", 80);
    let ledgers = Arc::new(Ledgers::new(vec![service], 30 * SECOND));
    let observer = Observer::new(Arc::clone(&ledgers), clock);
    let kube = always(kube);
    let promised = || {
        let all = ledgers.all().iter();
        all.map(|locked| locked.with(|ledger| ledger.promised()))
            .collect::<Vec<_>>()
    };
    let story = async {
        clock.sleep_until(At::from_secs(10)).await;
        let verified = observer.verify(&kube, "shop").await;
        let (then, over) = (promised(), clock.now());
        tokio::time::sleep(20 * SECOND).await;
        (
            verified.map_err(|it| it.to_string()),
            then,
            promised(),
            over,
        )
    };
    tokio::select! {
        biased;
        ended = observer.watch(&kube, "shop") => panic!("{ended:?}"),
        verified = story => verified,
    }
}

#[tokio::test(start_paused = true)]
async fn what_agrees_with_a_list_is_left_alone_also_where_it_comes_a_little_later() {
    for late in [0_u32, 3] {
        let after = Step::Wait((9 + late) * SECOND);
        let slices = vec![
            list("5", vec![slice("4", 1)]),
            watch(vec![after, event("MODIFIED", &slice("8", 3)), Step::Stay]),
            list("8", vec![slice("8", 3)]),
        ];
        let (verified, then, _, over) = verified(slices).await;
        let verified = verified.unwrap();
        assert!(verified.agreed(), "{verified:?}");
        assert_eq!(
            (verified.objects, verified.asked_at),
            (2, At::from_secs(10))
        );
        assert_eq!(then, [3]);
        // Looked at every 50 ms.
        assert!(over.since(At::from_secs(10 + u64::from(late.saturating_sub(1)))) < SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_says_otherwise_is_taken_from_it_and_what_comes_late_is_known() {
    let newer = || list("8", vec![slice("8", 3)]);
    let slices = vec![
        list("5", vec![slice("4", 1)]),
        watch(vec![Step::Stay]),
        newer(),
        newer(),
        list("8", vec![]),
        // Resumed: what had been missed comes now, and then something new.
        watch(vec![
            event("MODIFIED", &slice("7", 2)),
            event("MODIFIED", &slice("8", 3)),
            Step::Wait(10 * SECOND),
            event("MODIFIED", &slice("9", 5)),
            Step::Stay,
        ]),
    ];
    let (verified, then, later, over) = verified(slices).await;
    let verified = verified.unwrap();
    assert_eq!(verified.differing, 1);
    assert_eq!(
        verified.differences,
        ["endpointslices shop/web-1 was listed at 8, seen at 4"]
    );
    assert_eq!((then, later), (vec![3], vec![5]));
    assert_eq!(over, At::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_without_having_been_seen_to_go_is_taken_away() {
    let slices = vec![
        list("5", vec![slice("4", 1)]),
        watch(vec![Step::Stay]),
        list("8", vec![]),
        list("8", vec![]),
    ];
    let (verified, then, ..) = verified(slices).await;
    assert_eq!(
        verified.unwrap().differences,
        ["endpointslices shop/web-1 was not listed, seen at 4"]
    );
    assert_eq!(then, [0]);
}

#[tokio::test(start_paused = true)]
async fn without_a_list_there_is_no_comparison() {
    let refused = || answer(500, json!({"message": "etcdserver: request timed out"}));
    let slices = [list("5", vec![slice("4", 1)]), watch(vec![Step::Stay])];
    let slices = slices
        .into_iter()
        .chain(std::iter::repeat_with(refused).take(50));
    let (verified, _, _, over) = verified(slices.collect()).await;
    let error = verified.unwrap_err();
    assert!(
        error.starts_with("no LIST succeeded for 30s: 500"),
        "{error}"
    );
    assert!(
        over <= At::from_secs(40) && over >= At::from_secs(30),
        "{over}"
    );
}
