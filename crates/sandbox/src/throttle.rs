//! The fault that strikes the generator itself: an event loop that stands still.

use std::time::Duration;

use dst_load_scenario::fault::{Fault, FaultKind};

/// How a loop is made to stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// In virtual time the clock leaps.
    Leap,
    /// In real time this many worker threads sleep at once.
    Sleep {
        /// How many.
        workers: usize,
    },
}

/// Lets the event loop stand still as `faults` of the kind [`FaultKind::ThrottleGenerator`] say:
/// for `delay` at a time, for `share` of the time. Returns when the last is over.
pub async fn throttle(faults: Vec<Fault>, stall: Stall) {
    let throttles = faults
        .into_iter()
        .filter(|fault| fault.kind == FaultKind::ThrottleGenerator && !fault.delay.is_zero());
    futures::future::join_all(throttles.map(|fault| one(fault, stall))).await;
}

async fn one(fault: Fault, stall: Stall) {
    let start = tokio::time::Instant::now();
    tokio::time::sleep(fault.at).await;
    while fault.is_active(start.elapsed()) {
        stand_still(fault.delay, stall).await;
        let share = fault.share.clamp(0.01, 1.0);
        let rest = fault.delay.mul_f64((1.0 - share) / share);
        // Whole milliseconds, and at least one: the loop must get to run at all.
        let millis = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX).max(1);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

async fn stand_still(delay: Duration, stall: Stall) {
    match stall {
        Stall::Leap => tokio::time::advance(delay).await,
        Stall::Sleep { workers } => {
            let sleepers = (0..workers).map(|_| {
                tokio::spawn(async move {
                    std::thread::sleep(delay);
                })
            });
            futures::future::join_all(sleepers).await;
        }
    }
}
