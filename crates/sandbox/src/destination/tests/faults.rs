//! Faults of the streams: each does what its name says, to whom it says.

use std::{pin::pin, time::Duration};

use dst_load_scenario::fault::{Fault, FaultKind};
use futures::FutureExt as _;
use tonic::Code;

use super::{
    service::{get, next},
    support::{PATH, apply, bare, destination, fault, slice},
};
use crate::destination::Destination;

/// A destination with one address, and a stream that has its snapshot.
async fn stream(
    fault: Fault,
) -> (
    Destination,
    tonic::Streaming<linkerd2_proxy_api::destination::Update>,
) {
    let destination = destination(100, vec![fault]);
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let mut stream = get(&destination, PATH).await.unwrap();
    assert_eq!(next(&mut stream).await, "add 10.0.0.1:8080");
    (destination, stream)
}

fn set(destination: &Destination, ips: &[&str]) {
    apply(destination, slice("a", bare(ips)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_update_never_comes() {
    let (destination, mut stream) = stream(fault(FaultKind::DropUpdate)).await;
    set(&destination, &["10.0.0.2"]);
    assert!(stream.message().now_or_never().is_none());
    assert_eq!(destination.faults_struck()[&FaultKind::DropUpdate], 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_update_holds_up_those_behind_it() {
    let late = Fault {
        delay: Duration::from_secs(3),
        lasts: Some(Duration::from_secs(1)),
        ..fault(FaultKind::LateUpdate)
    };
    let (destination, mut stream) = stream(late).await;
    let start = tokio::time::Instant::now();
    set(&destination, &["10.0.0.1", "10.0.0.2"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    set(&destination, &["10.0.0.2"]);
    assert_eq!(next(&mut stream).await, "add 10.0.0.2:8080");
    assert_eq!(next(&mut stream).await, "remove 10.0.0.1:8080");
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_comes_twice() {
    let (destination, mut stream) = stream(fault(FaultKind::DuplicateUpdate)).await;
    set(&destination, &["10.0.0.1", "10.0.0.2"]);
    assert_eq!(next(&mut stream).await, "add 10.0.0.2:8080");
    assert_eq!(next(&mut stream).await, "add 10.0.0.2:8080");
}

#[tokio::test(start_paused = true)]
async fn swapped_updates_of_an_address_end_with_the_add() {
    let (destination, mut stream) = stream(fault(FaultKind::SwapUpdates)).await;
    set(&destination, &["10.0.0.1", "10.0.0.2"]);
    assert!(stream.message().now_or_never().is_none());
    set(&destination, &["10.0.0.1"]);
    assert_eq!(next(&mut stream).await, "remove 10.0.0.2:8080");
    assert_eq!(next(&mut stream).await, "add 10.0.0.2:8080");
}

#[tokio::test(start_paused = true)]
async fn a_stale_address_is_left_out_of_one_remove() {
    let (destination, mut stream) = stream(fault(FaultKind::KeepStaleAddress)).await;
    set(&destination, &["10.0.0.1", "10.0.0.2"]);
    assert_eq!(next(&mut stream).await, "add 10.0.0.2:8080");
    set(&destination, &[]);
    assert_eq!(next(&mut stream).await, "remove 10.0.0.2:8080");
    set(&destination, &["10.0.0.3"]);
    set(&destination, &[]);
    assert_eq!(next(&mut stream).await, "add 10.0.0.3:8080");
    assert_eq!(next(&mut stream).await, "remove 10.0.0.3:8080");
    assert_eq!(destination.faults_struck()[&FaultKind::KeepStaleAddress], 1);
}

#[tokio::test(start_paused = true)]
async fn an_invented_address_is_one_that_no_cluster_has() {
    let (destination, mut stream) = stream(fault(FaultKind::InventAddress)).await;
    assert!(next(&mut stream).await.starts_with("add 203.0.113."));
    set(&destination, &["10.0.0.1", "10.0.0.2"]);
    assert_eq!(next(&mut stream).await, "add 10.0.0.2:8080");
    assert!(stream.message().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_overflowed_stream_ends_ok_and_is_counted() {
    let (destination, mut stream) = stream(fault(FaultKind::OverflowStream)).await;
    set(&destination, &["10.0.0.2"]);
    assert!(stream.message().await.unwrap().is_none());
    assert_eq!(destination.shared.hub.lock().overflows[PATH], 1);
}

#[tokio::test(start_paused = true)]
async fn a_reset_stream_ends_with_an_error() {
    let (destination, mut stream) = stream(fault(FaultKind::ResetStream)).await;
    set(&destination, &["10.0.0.2"]);
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Internal);
}

#[tokio::test(start_paused = true)]
async fn a_fault_strikes_only_in_its_time_and_its_share() {
    let timed = Fault {
        at: Duration::from_secs(10),
        lasts: Some(Duration::from_secs(10)),
        ..fault(FaultKind::DropUpdate)
    };
    let (destination, mut stream) = stream(timed).await;
    for (second, ip, told) in [
        (9, "10.0.0.2", true),
        (19, "10.0.0.3", false),
        (20, "10.0.0.4", true),
    ] {
        let elapsed = destination.shared.hub.lock().elapsed();
        tokio::time::advance(Duration::from_secs(second) - elapsed).await;
        apply(&destination, slice(ip, bare(&[ip])));
        assert_eq!(
            pin!(next(&mut stream)).now_or_never().is_some(),
            told,
            "{second}"
        );
    }

    let shared = Fault {
        share: 0.5,
        ..fault(FaultKind::ResetStream)
    };
    let destination = destination_with_streams(shared).await;
    let struck = destination.faults_struck()[&FaultKind::ResetStream];
    assert!((25..75).contains(&struck), "{struck}");
    // The same seed strikes the same streams.
    assert_eq!(
        struck,
        destination_with_streams(shared_again())
            .await
            .faults_struck()[&FaultKind::ResetStream]
    );
}

fn shared_again() -> Fault {
    Fault {
        share: 0.5,
        ..fault(FaultKind::ResetStream)
    }
}

/// A destination that had 100 streams when an address was added.
async fn destination_with_streams(fault: Fault) -> Destination {
    let destination = destination(100, vec![fault]);
    set(&destination, &["10.0.0.1"]);
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(get(&destination, PATH).await.unwrap());
    }
    set(&destination, &["10.0.0.2"]);
    destination
}
