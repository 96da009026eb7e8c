//! What kube-controller-manager, the scheduler and the kubelets do, as far as a churn of endpoints
//! needs them: Deployments make pods, pods become ready, Services get EndpointSlices, and what is
//! owned by something that is gone goes too.
//!
//! One task runs them all, so that their order is the same each time; each is a pure state machine
//! over the store that is told the time.

mod addresses;
pub(crate) mod garbage;
mod kubelet;
mod packing;
mod rollout;
mod slices;
mod workloads;

use std::{collections::BTreeMap, sync::Arc};

use dst_load_scenario::time::At;

use self::{garbage::Garbage, kubelet::Kubelet, slices::Slices, workloads::Workloads};
use super::{
    Config,
    faults::Faults,
    object::{Key, Object},
    shared::Shared,
    store::{Change, Store},
};

/// What one controller is given to act on.
pub(crate) struct Context<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) now: At,
    pub(crate) faults: &'a Faults,
    pub(crate) timers: &'a mut Timers,
}

/// What is due at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A pod's containers have started.
    StartPod { pod: Key, uid: String },
    /// A pod's containers have stopped.
    StopPod { pod: Key, uid: String },
    /// A Service's changes have gathered.
    SyncSlices(Key),
    /// A ReplicaSet whose pods were refused tries again.
    RetrySet(Key),
    /// A ReplicaSet's status is written.
    SetStatus(Key),
    /// A Deployment's status is written.
    DeploymentStatus(Key),
}

/// The timers that have not fired; those of one instant fire in the order they were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<(At, u64), Timer>,
    set: u64,
}

/// How many pieces of work are done before others may use the store.
const STEPS_PER_TURN: usize = 32;

/// How many objects one piece of work writes at most, as kube-controller-manager's burst.
const BURST: usize = 500;

/// All controllers.
#[derive(Debug)]
pub(crate) struct Controllers {
    workloads: Workloads,
    kubelet: Kubelet,
    slices: Slices,
    garbage: Garbage,
    timers: Timers,
}

/// Runs the controllers until the cluster is shut down.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut controllers = Controllers::new(&shared.config);
    while !shared.cancel.is_cancelled() {
        let now = shared.now();
        let busy = shared.with(|store| controllers.turn(store, now, &shared.faults));
        if busy {
            tokio::task::yield_now().await;
            continue;
        }
        let due = controllers.timers.next().map(|at| shared.instant(at));
        let timer = async {
            match due {
                Some(instant) => tokio::time::sleep_until(instant).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.cancel.cancelled() => {}
            () = shared.work() => {}
            () = timer => {}
        }
    }
}

// === impl Controllers ===

impl Controllers {
    /// Controllers that have seen nothing yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            workloads: Workloads::default(),
            kubelet: Kubelet::new(config.pod_start, config.pods_from),
            slices: Slices::new(config.slice_sync),
            garbage: Garbage::default(),
            timers: Timers::default(),
        }
    }

    /// Takes in what was written, fires the timers that are due and does some of the work. Says
    /// whether there is more to do at once.
    pub(crate) fn turn(&mut self, store: &mut Store, now: At, faults: &Faults) -> bool {
        let mut timers = std::mem::take(&mut self.timers);
        let mut context = Context {
            store,
            now,
            faults,
            timers: &mut timers,
        };
        let busy = (0..STEPS_PER_TURN).all(|_| {
            self.observe(&mut context);
            self.step(&mut context)
        });
        self.timers = timers;
        busy
    }

    fn observe(&mut self, context: &mut Context<'_>) {
        for change in context.store.take_changes() {
            self.garbage.observe(context.store, &change);
            self.workloads.observe(context, &change);
            self.kubelet.observe(context, &change);
            self.slices.observe(context, &change);
        }
    }

    /// One piece of work; false if there is none.
    fn step(&mut self, context: &mut Context<'_>) -> bool {
        match context.timers.pop(context.now) {
            Some(Timer::StartPod { pod, uid }) => self.kubelet.start(context, &pod, &uid),
            Some(Timer::StopPod { pod, uid }) => self.kubelet.stop(context, &pod, &uid),
            Some(Timer::SyncSlices(service)) => self.slices.sync(context, &service),
            Some(Timer::RetrySet(set)) => self.workloads.retry_set(&set),
            Some(Timer::SetStatus(set)) => self.workloads.write_set_status(context, &set),
            Some(Timer::DeploymentStatus(deployment)) => {
                self.workloads.write_status(context, &deployment);
            }
            None => {
                return self.garbage.step(context.store, context.now)
                    || self.kubelet.step(context)
                    || self.workloads.step(context, &mut self.kubelet);
            }
        }
        true
    }
}

// === impl Timers ===

impl Timers {
    /// Sets a timer.
    pub(crate) fn set(&mut self, at: At, timer: Timer) {
        self.set += 1;
        self.due.insert((at, self.set), timer);
    }

    /// Takes the first timer that is due.
    pub(crate) fn pop(&mut self, now: At) -> Option<Timer> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the next is due.
    pub(crate) fn next(&self) -> Option<At> {
        self.due.keys().next().map(|(at, _)| *at)
    }
}

/// The objects of a change that are there.
impl Change {
    fn either(&self) -> Option<&Object> {
        self.new.as_deref().or(self.old.as_deref())
    }
}
