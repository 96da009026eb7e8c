//! How late this process's event loop is, as a task of its own sees it.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::progress::Progress;

/// How often the loop's lag is sampled while something is waited for.
const TICK: Duration = Duration::from_millis(10);
/// Ticks after which it is checked whether anything still is.
const TICKS_PER_CHECK: u32 = 100;

/// Samples for ever; asleep while nothing is open at any Service, until `activity` says otherwise.
///
/// A sample counts for the deliveries handled since the one before, with the worse of the two
/// lags: what a stalled loop handles at once may run before or after the sampler.
pub(crate) async fn sample(progress: Arc<Progress>, activity: Arc<Notify>) {
    let (clock, ledgers) = (progress.clock(), progress.ledgers());
    let mut counted = 0;
    loop {
        activity.notified().await;
        let mut before = Duration::ZERO;
        loop {
            for _ in 0..TICKS_PER_CHECK {
                let due = clock.now() + TICK;
                clock.sleep_until(due).await;
                let late = clock.now().since(due);
                let all = ledgers.deliveries();
                let deliveries = all - counted;
                counted = all;
                if deliveries > 0 {
                    progress.note_lag(late.max(before), deliveries);
                }
                before = late;
            }
            if ledgers.is_settled() {
                break;
            }
        }
    }
}
