//! Profiles of a Go target while it is measured, as `net/http/pprof` serves them.
//!
//! Which change is the worst is known only after it: CPU profiles are taken back to back from the
//! opening of streams on, and of the recent ones, which are kept in memory, the one stays that holds
//! the worst change so far. Nothing is written before the end.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use dst_load_destination::target::Target;
use dst_load_recording::{
    recording::ChangeLine,
    warning::{ProfiledChange, Warning},
};
use dst_load_scenario::time::At;
use dst_load_transport::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::recorder::write_bytes;

/// The CPU profile of the window in which the worst change became visible.
pub const CPU_WORST_CHANGE: &str = "cpu-worst-change.pb.gz";
/// The CPU profile from the opening of streams on.
pub const CPU_OPENING: &str = "cpu-opening.pb.gz";
/// The heap profile at the largest live heap.
pub const HEAP_PEAK: &str = "heap-peak.pb.gz";
/// The heap profile when all streams have left.
pub const HEAP_LEFT: &str = "heap-left.pb.gz";

/// For how long a CPU profile is taken. Go takes some 0.1 s to end one, in which nothing is seen; a
/// longer one would dilute its worst change.
const WINDOW: Duration = Duration::from_secs(10);
/// The same, as it is asked for.
const CPU: &str = "/debug/pprof/profile?seconds=10";
const HEAP: &str = "/debug/pprof/heap";
/// Collects garbage first, so that what is in it is still used.
const HEAP_COLLECTED: &str = "/debug/pprof/heap?gc=1";
/// How much longer than it takes a profile may take to come.
const GRACE: Duration = Duration::from_secs(10);
/// How far a change may lie behind the end of a profile that is still said to hold it.
const GAP: Duration = Duration::from_millis(500);
/// How long to wait after a profile that did not come.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is checked whether the last one is complete.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// A heap so much larger than the largest before is profiled again.
const LARGER: f64 = 1.05;

/// The profiles of a run.
pub struct Profiles {
    target: Target,
    clock: Clock,
    directory: PathBuf,
    /// Every change is known so long after it became visible.
    deadline: Duration,
    /// Streams are being opened: profiles begin.
    opened: CancellationToken,
    larger: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    worst: Option<Worst>,
    /// CPU profiles whose changes may not all be known, oldest first.
    recent: VecDeque<Window>,
    /// The one that holds the worst change.
    kept: Option<Window>,
    opening: Option<Bytes>,
    /// Since when one is being taken.
    under_way: Option<At>,
    ended: bool,
    /// The largest heap that was asked for, bytes.
    largest_heap: f64,
    heap: Option<Bytes>,
    left: Option<Bytes>,
    /// Why there are none at all, until it is said.
    refused: Option<Option<String>>,
    failed: u64,
    error: Option<String>,
}

/// The worst change so far.
#[derive(Clone, Copy)]
struct Worst {
    visible: At,
    last: Duration,
}

/// A CPU profile.
#[derive(Clone)]
struct Window {
    from: At,
    to: At,
    profile: Bytes,
}

// === impl Profiles ===

impl Profiles {
    /// Profiles of `target` that go to `directory`, of a run whose changes are all known `deadline`
    /// after they became visible.
    #[must_use]
    pub fn new(target: Target, clock: Clock, directory: PathBuf, deadline: Duration) -> Self {
        Self {
            target,
            clock,
            directory,
            deadline,
            opened: CancellationToken::new(),
            larger: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Begins: streams are about to be opened.
    pub(super) fn open(&self) {
        self.opened.cancel();
    }

    /// Takes CPU profiles until the end, or until it turns out that there are none.
    pub(super) async fn take_cpu(self: Arc<Self>) {
        self.opened.cancelled().await;
        loop {
            let from = self.clock.now();
            {
                let mut state = self.state.lock();
                if state.ended {
                    return;
                }
                state.under_way = Some(from);
            }
            let taken = self.target.profile(CPU, WINDOW + GRACE).await;
            let to = self.clock.now();
            let failed = {
                let mut state = self.state.lock();
                state.under_way = None;
                match taken {
                    Ok(Some(profile)) => {
                        state.opening.get_or_insert_with(|| profile.clone());
                        let open_for = self.deadline + WINDOW * 2;
                        state.take(Window { from, to, profile }, open_for);
                        false
                    }
                    Ok(None) => {
                        state.refused = Some(Some("HTTP status 404".to_owned()));
                        return;
                    }
                    Err(error) => {
                        state.failed += 1;
                        state.error = Some(error.to_string());
                        true
                    }
                }
            };
            if failed {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Takes heap profiles as the heap grows.
    pub(super) async fn take_heaps(self: Arc<Self>) {
        loop {
            self.larger.notified().await;
            // One that does not come is told of by the CPU's, which fails too.
            if let Ok(Some(profile)) = self.target.profile(HEAP, GRACE).await {
                self.state.lock().heap = Some(profile);
            }
        }
    }

    /// Takes note of how large the heap is.
    pub(super) fn sampled(&self, heap_bytes: Option<f64>) {
        let Some(heap) = heap_bytes.filter(|_| self.opened.is_cancelled()) else {
            return;
        };
        let mut state = self.state.lock();
        if heap > state.largest_heap * LARGER {
            state.largest_heap = heap;
            drop(state);
            self.larger.notify_one();
        }
    }

    /// Takes note of a change of which all is known.
    pub(super) fn closed(&self, change: &ChangeLine) {
        let last = change.last_us.map(Duration::from_micros);
        // Whoever never knew counts as at least the deadline.
        let never = (change.never > 0).then_some(self.deadline);
        if let Some(last) = last.max(never) {
            self.changed(change.at, last);
        }
    }

    /// Records a change that became visible at `visible`, and when its last stream received it.
    fn changed(&self, visible: At, last: Duration) {
        let mut state = self.state.lock();
        if state.worst.is_none_or(|worst| worst.last < last) {
            state.worst = Some(Worst { visible, last });
            state.kept = state.holding(visible).cloned();
        }
    }

    /// Takes the heap's profile when all streams have left.
    pub(super) async fn left(&self) {
        if let Ok(Some(profile)) = self.target.profile(HEAP_COLLECTED, GRACE).await {
            self.state.lock().left = Some(profile);
        }
    }

    /// Why there are no profiles, once.
    pub(super) fn take_refusal(&self) -> Option<Warning> {
        let error = self.state.lock().refused.as_mut()?.take()?;
        Some(Warning::NoProfiles { error })
    }

    /// Ends, and writes what there is; what a reader must know of it. With `whole`, it waits for a
    /// profile under way that holds the worst change.
    pub(super) async fn finish(&self, whole: bool) -> Option<Warning> {
        if !self.opened.is_cancelled() {
            return None;
        }
        self.state.lock().ended = true;
        let until = self.clock.now() + WINDOW + GRACE;
        while whole && self.state.lock().awaits_one() && self.clock.now() < until {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let state = std::mem::take(&mut *self.state.lock());
        if state.refused.is_some() {
            return None;
        }
        let mut files = Vec::new();
        let mut error = state.error;
        let worst = state.worst.zip(state.kept.as_ref());
        for (name, profile) in [
            (CPU_OPENING, &state.opening),
            (
                CPU_WORST_CHANGE,
                &state.kept.as_ref().map(|it| it.profile.clone()),
            ),
            (HEAP_PEAK, &state.heap),
            (HEAP_LEFT, &state.left),
        ] {
            let Some(profile) = profile else { continue };
            match write_bytes(&self.directory.join(name), profile) {
                Ok(()) => files.push(name.to_owned()),
                Err(wrong) => error = Some(wrong.to_string()),
            }
        }
        if files.is_empty() {
            let error = error.unwrap_or_else(|| "the run was too short".to_owned());
            return Some(Warning::NoProfiles { error });
        }
        Some(Warning::Profiled {
            files,
            replicas: self.target.replica_count(),
            worst_change: worst.map(|(worst, window)| ProfiledChange {
                from_seconds: window.from.as_secs_f64(),
                to_seconds: window.to.as_secs_f64(),
                visible_seconds: worst.visible.as_secs_f64(),
                last_seconds: worst.last.as_secs_f64(),
            }),
            failed: state.failed,
            error,
        })
    }
}

// === impl State ===

impl State {
    fn take(&mut self, window: Window, open_for: Duration) {
        if self.worst.is_some_and(|worst| window.holds(worst.visible)) {
            self.kept = Some(window.clone());
        }
        let now = window.to;
        self.recent.push_back(window);
        self.recent.retain(|old| now.since(old.to) <= open_for);
    }

    /// The profile that was being taken at an instant.
    fn holding(&self, at: At) -> Option<&Window> {
        self.recent.iter().rev().find(|window| window.holds(at))
    }

    /// Whether the profile under way is wanted.
    fn awaits_one(&self) -> bool {
        let holds = |from: At| match (self.worst, &self.kept) {
            (Some(worst), None) => worst.visible + GAP >= from,
            (None, _) => self.opening.is_none(),
            (Some(_), Some(_)) => false,
        };
        self.under_way.is_some_and(holds)
    }
}

// === impl Window ===

impl Window {
    fn holds(&self, at: At) -> bool {
        self.from <= at && at <= self.to + GAP
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};

    use super::*;
    use dst_load_transport::http;

    fn target(routes: Router) -> Target {
        let http = http::routed(routes);
        Target::new("linkerd:9996")
            .unwrap()
            .through(http.clone(), http)
    }

    /// A target whose CPU profiles say when they began, seconds after the start.
    fn profiled(clock: Clock) -> Target {
        let cpu = move || async move {
            let began = clock.now().as_secs_f64().round();
            tokio::time::sleep(WINDOW).await;
            began.to_string()
        };
        target(
            Router::new()
                .route("/debug/pprof/profile", get(cpu))
                .route("/debug/pprof/heap", get(|| async { "heap" })),
        )
    }

    fn read(folder: &tempfile::TempDir, name: &str) -> Option<String> {
        std::fs::read_to_string(folder.path().join(name)).ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_stays_that_holds_the_worst_change_however_late_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start();
        let deadline = Duration::from_secs(20);
        let place = folder.path().to_owned();
        let profiles = Arc::new(Profiles::new(profiled(clock), clock, place, deadline));
        let cpu = tokio::spawn(Arc::clone(&profiles).take_cpu());
        let heap = tokio::spawn(Arc::clone(&profiles).take_heaps());
        profiles.sampled(Some(9e9));
        profiles.open();
        clock.sleep_until(At::from_secs(15)).await;
        profiles.changed(At::from_secs(12), Duration::from_millis(100));
        profiles.sampled(Some(1e6));
        // Known only now, long after its window, and worse.
        clock.sleep_until(At::from_secs(45)).await;
        profiles.changed(At::from_secs(27), Duration::from_millis(900));
        profiles.changed(At::from_secs(44), Duration::from_millis(300));
        clock.sleep_until(At::from_secs(99)).await;
        let Some(Warning::Profiled {
            worst_change,
            files,
            ..
        }) = profiles.finish(true).await
        else {
            panic!("there are profiles");
        };
        // What was under way holds nothing that is wanted, and is not waited for.
        assert_eq!(clock.now(), At::from_secs(99));
        assert_eq!(files, [CPU_OPENING, CPU_WORST_CHANGE, HEAP_PEAK]);
        assert_eq!(read(&folder, CPU_OPENING).as_deref(), Some("0"));
        assert_eq!(read(&folder, CPU_WORST_CHANGE).as_deref(), Some("20"));
        assert_eq!(read(&folder, HEAP_PEAK).as_deref(), Some("heap"));
        assert_eq!(read(&folder, HEAP_LEFT), None);
        assert_eq!(worst_change.unwrap().last_seconds, 0.9);
        cpu.abort();
        heap.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_profile_under_way_is_waited_for_if_it_holds_the_worst_change_and_the_run_is_whole() {
        for whole in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let clock = Clock::start();
            let place = folder.path().to_owned();
            let profiles = Arc::new(Profiles::new(profiled(clock), clock, place, WINDOW));
            profiles.open();
            let cpu = tokio::spawn(Arc::clone(&profiles).take_cpu());
            clock.sleep_until(At::from_secs(13)).await;
            profiles.changed(At::from_secs(11), Duration::from_millis(100));
            profiles.finish(whole).await;
            let kept = read(&folder, CPU_WORST_CHANGE);
            assert_eq!(kept.as_deref(), whole.then_some("10"));
            assert!(read(&folder, CPU_OPENING).is_some());
            cpu.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_without_profiles_is_told_of_once() {
        let clock = Clock::start();
        let place = PathBuf::from("nowhere");
        let profiles = Arc::new(Profiles::new(target(Router::new()), clock, place, WINDOW));
        profiles.open();
        Arc::clone(&profiles).take_cpu().await;
        let told = profiles.take_refusal().unwrap().to_string();
        assert!(
            told.contains("404") && told.contains("-enable-pprof"),
            "{told}"
        );
        assert_eq!(profiles.take_refusal(), None);
        assert_eq!(profiles.finish(true).await, None);
    }
}
