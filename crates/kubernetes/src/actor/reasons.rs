//! Why endpoints are not ready, in the cluster's own words.
//!
//! Asked when endpoints do not become ready. What may not be read is left out: no missing permission
//! makes anything fail.

mod read;

use std::{collections::BTreeSet, fmt};

use dst_load_scenario::{printable::line, words::counted};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Event, Pod},
};
use kube::{Api, ResourceExt as _, core::params::ListParams};

use self::read::Found;
use super::{
    call::Caller,
    listing::Listing,
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    resource::{DEPLOYMENTS, PODS},
};

/// Reasons that are printed; the others are counted.
const SHOWN: usize = 3;
/// Pages of Pods that are read: thousands of them give the same few reasons.
const PAGES: usize = 4;
/// Events that are read.
const EVENTS_READ: u32 = 500;

/// What keeps endpoints from becoming ready: each reason once, the most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(Vec<Reason>);

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// As Kubernetes words it.
    pub message: String,
    /// How many Pods it concerns, those among them that could not be made; 0 where it does not tell.
    pub pods: u64,
    /// What it is about otherwise: kind and name.
    about: BTreeSet<(String, String)>,
    /// Whether Pods were refused: they stay so until somebody changes what refuses them.
    pub refused: bool,
    /// What tells it from other reasons: the message without names and numbers.
    key: String,
}

/// As much as can be listed of what makes endpoints.
#[derive(Debug, Default)]
struct Seen {
    deployments: Option<Vec<Deployment>>,
    pods: Option<Vec<Pod>>,
    events: Option<Vec<Event>>,
}

/// Why endpoints of a run's Deployments are not ready. Empty where nothing tells.
pub async fn why_not_ready(caller: &Caller, namespace: &str, run_id: &str) -> Reasons {
    let listing = listing(caller, namespace, run_id);
    let seen = Seen {
        deployments: listing.list_pages(&DEPLOYMENTS, usize::MAX).await.ok(),
        pods: listing.list_pages(&PODS, PAGES).await.ok(),
        events: warnings(caller, namespace).await,
    };
    seen.reasons()
}

/// Why Pods of a run's Deployments are refused, as the Deployments alone tell.
pub async fn why_refused(caller: &Caller, namespace: &str, run_id: &str) -> Reasons {
    let listing = listing(caller, namespace, run_id);
    let seen = Seen {
        deployments: listing.list_pages(&DEPLOYMENTS, usize::MAX).await.ok(),
        ..Seen::default()
    };
    seen.reasons().refused()
}

fn listing<'a>(caller: &'a Caller, namespace: &'a str, run_id: &str) -> Listing<'a> {
    Listing {
        caller,
        selector: format!("{MANAGED_BY}={MANAGER},{RUN_ID}={run_id}"),
        namespace: Some(namespace),
    }
}

/// The namespace's events of the type `Warning`.
async fn warnings(caller: &Caller, namespace: &str) -> Option<Vec<Event>> {
    let parameters = ListParams::default()
        .fields("type=Warning")
        .limit(EVENTS_READ);
    let events: Api<Event> = Api::namespaced(caller.kube(), namespace);
    Some(events.list(&parameters).await.ok()?.items)
}

// === impl Seen ===

impl Seen {
    fn reasons(&self) -> Reasons {
        let mut reasons = Reasons::default();
        let deployments = self.deployments.as_deref().unwrap_or_default();
        let pods = self.pods.as_deref().unwrap_or_default();
        let events = self.events.as_deref().unwrap_or_default();
        let since = deployments.iter().map(read::created).min();
        let ours = |event: &&Event| {
            let mut deployments = deployments.iter();
            since.is_some_and(|since| read::last(event) >= since)
                && deployments.any(|it| read::concerns(event, &it.name_any()))
        };
        reasons.extend(deployments.iter().filter_map(read::refused));
        reasons.extend(pods.iter().filter_map(read::unready));
        reasons.extend(events.iter().filter(ours).filter_map(read::of_slices));
        // An event tells of a moment, which may be over.
        let lasts =
            deployments.iter().any(|it| read::missing(it) > 0) || !pods.iter().all(read::is_ready);
        if reasons.is_empty() && lasts {
            reasons.extend(events.iter().filter(ours).filter_map(read::of_making));
        }
        if reasons.is_empty() {
            reasons.extend(deployments.iter().filter_map(read::stuck));
        }
        if reasons.is_empty() {
            reasons.extend(self.silent(deployments, pods));
        }
        reasons.sort();
        reasons
    }

    /// What can be concluded where nothing says a word.
    fn silent(&self, deployments: &[Deployment], pods: &[Pod]) -> Option<Found<'static>> {
        let found = |pods: usize, message: &str| Found {
            service: "",
            message: message.to_owned(),
            pods: pods as u64,
            about: None,
            refused: false,
        };
        let (waiting, ready): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| !read::is_ready(pod));
        let (assigned, homeless): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|pod| read::has_node(pod));
        if !homeless.is_empty() {
            let message = "Pods have no Node: is a scheduler running?";
            return Some(found(homeless.len(), message));
        }
        if !assigned.is_empty() {
            let message = "Pods have a Node and do not start: does it have a kubelet, or KWOK?";
            return Some(found(assigned.len(), message));
        }
        if !ready.is_empty() {
            let message = "Pods are ready, and no watch has seen their EndpointSlices: is the \
                           EndpointSlice controller running, and does the API server send events?";
            return Some(found(ready.len(), message));
        }
        self.pods.as_ref()?;
        let missing = deployments.iter().map(read::missing).sum::<u64>();
        let message = "there are no Pods: is the controller of Deployments running?";
        (missing > 0).then(|| Found {
            pods: missing,
            ..found(0, message)
        })
    }
}

// === impl Reason ===

impl Reason {
    /// How much it concerns, such as `20 Pods`.
    fn concerns(&self) -> String {
        match self.about.first() {
            Some((kind, _)) if self.pods == 0 => {
                counted(self.about.len() as u64, kind, &format!("{kind}s"))
            }
            _ => counted(self.pods, "Pod", "Pods"),
        }
    }
}

// === impl Reasons ===

impl Reasons {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Reason> {
        self.0.iter()
    }

    /// Only those for which Pods were refused.
    #[must_use]
    pub fn refused(self) -> Self {
        Self(self.0.into_iter().filter(|it| it.refused).collect())
    }

    /// Leaves out those that `known` has, and adds them to it.
    #[must_use]
    pub fn unknown_to(self, known: &mut BTreeSet<String>) -> Self {
        let new = self.0.into_iter();
        Self(new.filter(|it| known.insert(it.key.clone())).collect())
    }

    /// Adds those of another cluster.
    pub fn absorb(&mut self, other: Self) {
        for reason in other.0 {
            self.put(reason);
        }
        self.sort();
    }

    /// How many Pods they concern.
    #[must_use]
    pub fn pods(&self) -> u64 {
        self.0.iter().map(|it| it.pods).sum()
    }

    fn extend<'a>(&mut self, found: impl IntoIterator<Item = Found<'a>>) {
        for found in found {
            self.put(Reason {
                key: found.key(),
                message: line(&found.message),
                pods: found.pods,
                about: (found.about.into_iter())
                    .map(|(kind, name)| (kind.to_owned(), name.to_owned()))
                    .collect(),
                refused: found.refused,
            });
        }
    }

    fn put(&mut self, reason: Reason) {
        match self.0.iter_mut().find(|it| it.key == reason.key) {
            Some(known) => {
                known.pods += reason.pods;
                known.about.extend(reason.about);
            }
            None => self.0.push(reason),
        }
    }

    fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let concerns = |it: &Reason| (it.pods, it.about.len());
            concerns(b)
                .cmp(&concerns(a))
                .then_with(|| a.key.cmp(&b.key))
        });
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, reason) in self.0.iter().take(SHOWN).enumerate() {
            let gap = if number == 0 { "" } else { "; " };
            write!(f, "{gap}{} ({})", reason.message, reason.concerns())?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests;
