//! The scheduler and the kubelets: pods are put on Nodes in turn, and become ready after a seeded
//! delay. A pod that is deleted stops after another. No pod ever fails. Pods whose Node is gone are
//! collected after a while; on a Node that is not ready nothing happens. Pods that name another
//! scheduler get no Node and no start: whoever made them writes their status.

use std::{
    collections::{BTreeSet, VecDeque},
    net::Ipv4Addr,
    time::Duration,
};

use dst_load_scenario::seed;
use serde_json::{Value, json};

use super::{Context, Timer, addresses::Addresses};
use crate::kubernetes::{
    facts::{Facts, PodFacts, array},
    object::{Key, Object, timestamp},
    resources::Resource,
    store::Change,
};

/// How many addresses pods have: as many as four of the usual cluster ranges.
const COUNT: u32 = (1 << 18) - 2;

/// How long a pod takes to stop: a well-behaved one, far within its grace period.
const STOP: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(400));

/// After how long a pod is taken away whose Node is gone, as kube-controller-manager's pod garbage
/// collector does.
const ORPHANED: Duration = Duration::from_secs(40);

/// The Nodes, and the pods that have not started.
#[derive(Debug)]
pub(crate) struct Kubelet {
    start: (Duration, Duration),
    /// Those that are ready, in the order they were made, each with its own address.
    nodes: Vec<(String, Ipv4Addr)>,
    next: usize,
    addresses: Addresses,
    /// By uid, the pods whose start is timed.
    starting: BTreeSet<String>,
    /// By uid, the pods whose end is timed.
    stopping: BTreeSet<String>,
    unscheduled: VecDeque<Key>,
}

// === impl Kubelet ===

impl Kubelet {
    /// Kubelets whose pods take between the two delays to start, and have addresses from `first`
    /// on.
    pub(crate) fn new(start: (Duration, Duration), first: Ipv4Addr) -> Self {
        Self {
            start,
            nodes: Vec::new(),
            next: 0,
            addresses: Addresses::new(first, COUNT),
            starting: BTreeSet::new(),
            stopping: BTreeSet::new(),
            unscheduled: VecDeque::new(),
        }
    }

    /// The Node of the next pod; none if there is none.
    pub(crate) fn assign(&mut self) -> Option<&str> {
        let index = self.next;
        self.next = self.next.wrapping_add(1);
        let (name, _) = self.nodes.get(index.checked_rem(self.nodes.len())?)?;
        Some(name)
    }

    /// Notes Nodes, and pods to schedule and to start.
    pub(crate) fn observe(&mut self, context: &mut Context<'_>, change: &Change) {
        match change.resource {
            Resource::Nodes => self.observe_node(context, change),
            Resource::Pods => self.observe_pod(context, change),
            _ => {}
        }
    }

    /// Schedules one pod; false if none waits.
    pub(crate) fn step(&mut self, context: &mut Context<'_>) -> bool {
        let Some(key) = self.unscheduled.pop_front() else {
            return false;
        };
        let Some(pod) = context.store.get(Resource::Pods, &key) else {
            return true;
        };
        let mut pod = pod.to_value();
        if pod["spec"]["nodeName"].is_null()
            && let Some(node) = self.assign()
        {
            pod["spec"]["nodeName"] = json!(node);
            context.store.put(Resource::Pods, pod, context.now);
        }
        true
    }

    /// A pod's containers are up: it gets its address and is ready.
    pub(crate) fn start(&mut self, context: &mut Context<'_>, key: &Key, uid: &str) {
        self.starting.remove(uid);
        let stored = context.store.get(Resource::Pods, key);
        let Some((stored, facts)) = stored.and_then(|it| Some((it, it.pod()?))) else {
            return;
        };
        // Another one of the name, or one whose status someone else writes.
        if stored.meta.uid != uid
            || facts.ip.is_some()
            || facts.phase != "Pending"
            || facts.terminating
        {
            return;
        }
        let Some(address) = self.addresses.take() else {
            return;
        };
        let host = self
            .nodes
            .iter()
            .find(|(name, _)| facts.node.as_ref() == Some(name));
        let host = host.map_or(Ipv4Addr::UNSPECIFIED, |(_, address)| *address);
        let mut pod = stored.to_value();
        pod["status"] = running(&pod, address, host, &timestamp(context.now));
        context.store.put(Resource::Pods, pod, context.now);
    }

    /// A pod's containers have stopped: it is gone.
    pub(crate) fn stop(&mut self, context: &mut Context<'_>, key: &Key, uid: &str) {
        self.stopping.remove(uid);
        let stored = context.store.get(Resource::Pods, key);
        // Another one of the name may have come meanwhile.
        if stored.is_some_and(|it| it.meta.uid == uid) {
            context.store.remove(Resource::Pods, key);
        }
    }

    /// Ends a pod in its time: it has stopped by itself, or nobody is there to say so. On a Node that
    /// is not ready it is waited for.
    fn stop_later(&mut self, context: &mut Context<'_>, pod: &Object, facts: &PodFacts) {
        let (uid, key) = (&pod.meta.uid, &pod.meta.key);
        let node = facts.node.as_deref().unwrap_or_default();
        let entity = format!("{}/{}", key.namespace, key.name);
        let delay = if self.has_kubelet(node) {
            seed::delay(context.store.seed(), "pod-stop", &entity, STOP.0, STOP.1)
        } else if context
            .store
            .get(Resource::Nodes, &Key::new("", node))
            .is_none()
        {
            ORPHANED
        } else {
            return;
        };
        if !self.stopping.insert(uid.clone()) {
            return;
        }
        let timer = Timer::StopPod {
            pod: key.clone(),
            uid: uid.clone(),
        };
        context.timers.set(context.now + delay, timer);
    }

    fn has_kubelet(&self, node: &str) -> bool {
        self.nodes.iter().any(|(known, _)| known == node)
    }

    fn observe_node(&mut self, context: &mut Context<'_>, change: &Change) {
        let Some(node) = change.either() else { return };
        let name = &*node.meta.key.name;
        let ready = matches!(&node.meta.facts, Facts::Node(facts) if facts.ready);
        match (&change.new, self.has_kubelet(name)) {
            (Some(_), false) if ready => {
                let offset = u32::try_from(self.nodes.len()).unwrap_or_default();
                let address = Ipv4Addr::from_bits(0xac10_0001 + offset);
                self.nodes.push((name.to_owned(), address));
            }
            (Some(_), true) if ready => {}
            _ => self.nodes.retain(|(known, _)| known != name),
        }
        if change.new.is_none() {
            let pods: Vec<_> = context
                .store
                .list(Resource::Pods, None, None)
                .cloned()
                .collect();
            for pod in pods {
                if let Some(facts) = pod.pod().filter(|it| it.node.as_deref() == Some(name)) {
                    self.stop_later(context, &pod, facts);
                }
            }
        }
    }

    fn observe_pod(&mut self, context: &mut Context<'_>, change: &Change) {
        if let (Some(old), None) = (&change.old, &change.new) {
            self.starting.remove(&old.meta.uid);
            self.stopping.remove(&old.meta.uid);
            if let Some(address) = old.pod().and_then(PodFacts::address) {
                self.addresses.free(address);
            }
        }
        let new = change.new.as_ref();
        let Some((pod, facts)) = new.and_then(|it| Some((it, it.pod()?))) else {
            return;
        };
        if let Some(address) = facts.address() {
            self.addresses.occupy(address);
        }
        if facts.terminating {
            self.stop_later(context, pod, facts);
            return;
        }
        if facts.ip.is_some() || facts.phase != "Pending" || self.starting.contains(&pod.meta.uid) {
            return;
        }
        match &facts.node {
            None if facts.scheduled_elsewhere => {}
            None => self.unscheduled.push_back(pod.meta.key.clone()),
            Some(node) if self.has_kubelet(node) => {
                self.starting.insert(pod.meta.uid.clone());
                let key = &pod.meta.key;
                let entity = format!("{}/{}", key.namespace, key.name);
                let (min, max) = self.start;
                let delay = seed::delay(context.store.seed(), "pod-start", &entity, min, max)
                    + context.faults.pod_delay(context.now, key);
                let timer = Timer::StartPod {
                    pod: key.clone(),
                    uid: pod.meta.uid.clone(),
                };
                context.timers.set(context.now + delay, timer);
            }
            // On a Node without a kubelet nothing happens.
            Some(_) => {}
        }
    }
}

/// The status of a pod that runs and is ready.
fn running(pod: &Value, address: Ipv4Addr, host: Ipv4Addr, since: &str) -> Value {
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(
        |condition| json!({ "type": condition, "status": "True", "lastTransitionTime": since }),
    );
    let containers = array(&pod["spec"]["containers"]).map(|container| {
        json!({
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": true,
            "started": true,
            "restartCount": 0,
            "state": { "running": { "startedAt": since } },
        })
    });
    json!({
        "phase": "Running",
        "qosClass": "BestEffort",
        "conditions": conditions,
        "containerStatuses": containers.collect::<Vec<_>>(),
        "hostIP": host,
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "startTime": since,
    })
}
