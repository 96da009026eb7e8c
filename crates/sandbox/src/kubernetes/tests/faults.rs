//! Faults strike when they should, and a client that does what Kubernetes asks survives them.

use std::time::Duration;

use dst_load_scenario::fault::{Fault, FaultKind};
use futures::StreamExt;
use kube::{
    api::{Patch, PatchParams},
    runtime::watcher::{self, Event},
};
use serde_json::json;
use tokio::time::sleep;

use super::support::{Cluster, config};
use crate::kubernetes::Config;

fn with(kind: FaultKind) -> Cluster {
    let fault = Fault {
        kind,
        at: Duration::from_secs(10),
        lasts: Some(Duration::from_secs(10)),
        share: 1.0,
        delay: Duration::from_secs(3),
        replica: None,
        resource: None,
    };
    Cluster::new(Config {
        faults: vec![fault],
        ..config()
    })
}

#[tokio::test(start_paused = true)]
async fn requests_are_refused_only_while_the_fault_lasts() {
    let cases = [
        (FaultKind::TooManyRequests, 429, "too many requests"),
        (FaultKind::InternalError, 500, "Internal error occurred"),
        (
            FaultKind::Conflict,
            409,
            "Operation cannot be fulfilled on deployments.apps \"web\"",
        ),
        (
            FaultKind::Forbidden,
            403,
            "deployments.apps \"web\" is forbidden: User \"sandbox\" cannot patch resource \
             \"deployments\" in API group \"apps\" in the namespace \"default\"",
        ),
    ];
    for (kind, code, words) in cases {
        let cluster = with(kind);
        cluster.serve("web", 0).await;
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
        let deployments = cluster.deployments();
        let write = async || {
            deployments
                .patch("web", &PatchParams::default(), &patch)
                .await
        };
        write().await.unwrap();
        sleep(Duration::from_secs(11)).await;
        let Err(kube::Error::Api(status)) = write().await else {
            panic!("{kind:?} did not strike");
        };
        assert_eq!(status.code, code);
        assert!(status.message.starts_with(words), "{}", status.message);
        sleep(Duration::from_secs(11)).await;
        write().await.unwrap();
        assert_eq!(cluster.kubernetes.faults_struck()[&kind], 1);
    }
}

/// How a watcher fares: its errors, its relists, and the endpoints that it knows in the end.
async fn watch(kind: FaultKind) -> (usize, usize, usize) {
    let cluster = with(kind);
    cluster.serve("web", 5).await;
    let slices = cluster.slices();
    let config = watcher::Config::default().labels("kubernetes.io/service-name=web");
    let mut watcher = Box::pin(watcher::watcher(slices, config));
    let (mut errors, mut lists, mut known) = (0, 0, 0);
    let mut scalings = [(12, 8), (30, 9)].into_iter();
    let mut next = scalings.next();
    let start = tokio::time::Instant::now();
    while start.elapsed() < Duration::from_secs(40) {
        let due = next.map_or(40, |(at, _)| at);
        let wake = start + Duration::from_secs(due);
        tokio::select! {
            biased;
            event = watcher.next() => match event.unwrap() {
                Ok(Event::Init) => lists += 1,
                Ok(Event::Apply(it) | Event::InitApply(it)) => {
                    known = it.endpoints.map_or(0, |it| it.len());
                }
                Ok(_) => {}
                Err(_) => {
                    errors += 1;
                    sleep(Duration::from_millis(800)).await;
                }
            },
            () = tokio::time::sleep_until(wake) => if let Some((_, replicas)) = next {
                cluster.scale("web", replicas).await;
                next = scalings.next();
            },
        }
    }
    (errors, lists, known)
}

#[tokio::test(start_paused = true)]
async fn a_watcher_told_gone_lists_again_and_ends_up_right() {
    let (errors, lists, known) = watch(FaultKind::Gone).await;
    assert!(errors > 0 && lists > 1, "{errors} errors, {lists} lists");
    assert_eq!(known, 9);
}

#[tokio::test(start_paused = true)]
async fn a_watch_cut_in_the_middle_of_an_event_is_resumed() {
    let (errors, _, known) = watch(FaultKind::HangUpWatch).await;
    assert!(errors > 0);
    assert_eq!(known, 9);
}

#[tokio::test(start_paused = true)]
async fn slow_pods_are_late_by_their_delay() {
    let cluster = with(FaultKind::SlowPods);
    cluster.serve("web", 1).await;
    sleep(Duration::from_secs(11)).await;
    cluster.scale("web", 2).await;
    sleep(Duration::from_millis(3_900)).await;
    assert_eq!(cluster.endpoints("web").await[0].len(), 1);
    sleep(Duration::from_millis(1_300)).await;
    assert_eq!(cluster.endpoints("web").await[0].len(), 2);
}
