//! Which request a fault of the API strikes: a seeded share of their numbers, while it is active.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use dst_load_scenario::{
    fault::{Fault, FaultKind},
    seed,
    time::At,
};
use parking_lot::Mutex;

use super::{api::Call, object::Key, status::Refusal};

/// The faults of a cluster, and how often each has struck.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    faults: Vec<Fault>,
    requests: AtomicU64,
    struck: Mutex<BTreeMap<FaultKind, u64>>,
}

// === impl Faults ===

impl Faults {
    /// The faults that strike here, of all that are configured.
    pub(crate) fn new(seed: u64, faults: &[Fault]) -> Self {
        Self {
            seed,
            faults: faults.to_vec(),
            requests: AtomicU64::new(0),
            struck: Mutex::default(),
        }
    }

    /// The number of the next request.
    pub(crate) fn number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// How often each kind has struck.
    pub(crate) fn struck(&self) -> BTreeMap<FaultKind, u64> {
        self.struck.lock().clone()
    }

    /// The refusal that a request meets instead of its answer. `verb` is as RBAC names it.
    pub(crate) fn refusal(&self, at: At, call: &Call, verb: &str) -> Option<Refusal> {
        let kinds = [
            FaultKind::TooManyRequests,
            FaultKind::InternalError,
            FaultKind::Unauthorized,
            FaultKind::Forbidden,
            FaultKind::Conflict,
        ];
        let writes = !matches!(verb, "get" | "list" | "watch");
        let kind = kinds
            .into_iter()
            .filter(|kind| writes || *kind != FaultKind::Conflict)
            .find(|kind| self.strikes(*kind, at, &call.number.to_string()))?;
        let name = call.name.as_deref().unwrap_or_default();
        Some(match kind {
            FaultKind::TooManyRequests => Refusal::too_many_requests(1),
            FaultKind::InternalError => Refusal::internal("etcdserver: request timed out"),
            FaultKind::Unauthorized => Refusal::unauthorized(),
            FaultKind::Conflict => Refusal::conflict(call.resource, name),
            _ => Refusal::forbidden(
                call.resource,
                call.subresource.as_deref(),
                verb,
                call.namespace.as_deref(),
                name,
            ),
        })
    }

    /// Whether a fault of `kind` strikes the entity now; counts it if so.
    pub(crate) fn strikes(&self, kind: FaultKind, at: At, entity: &str) -> bool {
        self.striking(kind, at, entity, |_| true).is_some()
    }

    /// By how much a pod that is created now starts late.
    pub(crate) fn pod_delay(&self, at: At, pod: &Key) -> std::time::Duration {
        let entity = format!("{}/{}", pod.namespace, pod.name);
        let fault = self.striking(FaultKind::SlowPods, at, &entity, |_| true);
        fault.map_or_else(Default::default, |fault| fault.delay)
    }

    /// The fault of `kind` that strikes a watch of the tool's observer now.
    pub(crate) fn of_watch(
        &self,
        kind: FaultKind,
        at: At,
        resource: &str,
        number: u64,
    ) -> Option<&Fault> {
        let concerned = |fault: &Fault| fault.resource.is_none_or(|it| it.plural() == resource);
        self.striking(kind, at, &number.to_string(), concerned)
    }

    /// When the next fault of `kind` becomes active after `at`.
    pub(crate) fn next(&self, kind: FaultKind, at: At) -> Option<At> {
        self.faults
            .iter()
            .filter(|fault| fault.kind == kind)
            .map(|fault| At::from(fault.at))
            .filter(|start| *start > at)
            .min()
    }

    fn striking(
        &self,
        kind: FaultKind,
        at: At,
        entity: &str,
        concerned: impl Fn(&Fault) -> bool,
    ) -> Option<&Fault> {
        let fault = self.faults.iter().enumerate().find(|(index, fault)| {
            // Two faults of one kind strike different shares.
            let purpose = format!("fault/{kind:?}/{index}");
            fault.kind == kind
                && concerned(fault)
                && fault.is_active(at.since_start())
                && seed::chosen(self.seed, &purpose, entity, fault.share)
        });
        let (_, fault) = fault?;
        *self.struck.lock().entry(kind).or_default() += 1;
        Some(fault)
    }
}
