//! Which version of each object the observer has seen, and which of our own writes it has yet to
//! see.
//!
//! ResourceVersions are compared as numbers, as Kubernetes' own clients do since 1.35; where one is
//! none, only equality tells, and an object that moves meanwhile is compared again later.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use dst_load_oracle::ledger::Written;
use dst_load_recording::{recording::LagSource, statistics::Latency};
use dst_load_scenario::{fault::WatchedResource, printable::sentence, time::At};

use super::{
    objects::{Metadata, Object},
    state::{Event, Key, key},
};

/// A heartbeat, or another write of ours, that is not seen this long after its acknowledgement was
/// missed.
pub(super) const MISSED_AFTER: Duration = Duration::from_secs(5);
/// Versions of a slice that are remembered: an acknowledgement may be told seconds later.
const REMEMBERED: usize = 4;
/// For how long it is known of an object that it has gone.
const GONE_FOR: Duration = Duration::from_secs(60);

/// What has been seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    resources: BTreeMap<WatchedResource, OfResource>,
    /// When objects went, by uid.
    gone: BTreeMap<String, At>,
    /// Of EndpointSlices, by uid: the last versions seen, and when.
    slices: BTreeMap<String, VecDeque<(String, At)>>,
    /// Acknowledged writes that have not been seen, by uid.
    awaited: BTreeMap<String, Vec<Awaited>>,
    /// Deliveries that had been made by the last acknowledgement.
    deliveries: u64,
    lags: BTreeMap<LagSource, Latency>,
}

#[derive(Debug, Default)]
struct OfResource {
    objects: BTreeMap<Key, Version>,
    /// Everything up to this version was taken from a LIST.
    known: u64,
    /// Everything up to this version happened while the watch was silent.
    late: u64,
    /// Since when.
    silent_since: At,
    /// Events that did.
    missed: u64,
}

/// Which object, and which of its states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    uid: String,
    version: String,
}

/// A write of ours that was acknowledged.
#[derive(Debug)]
struct Awaited {
    /// The version that it made; `None` for a deletion.
    version: Option<String>,
    acknowledged: At,
    /// How far the acknowledgement's instant may be off.
    slack: Duration,
    source: LagSource,
    /// Deliveries that had been made by the acknowledgement before it.
    since: u64,
}

/// An object that the LIST and the observer do not agree on.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) key: Key,
    /// In words.
    pub(super) words: String,
}

// === impl Seen ===

impl Seen {
    /// Takes in what an event says of versions; `deliveries` is how many have been made so far.
    /// Whether its contents are timed; `None` if they are known already.
    pub(super) fn admit(
        &mut self,
        resource: WatchedResource,
        visible: At,
        event: &Event,
        deliveries: u64,
    ) -> Option<bool> {
        let of = self.resources.entry(resource).or_default();
        let (object, gone) = match event {
            Event::Applied(object) => (&object.metadata, false),
            Event::Deleted(object) => (&object.metadata, true),
            Event::Listed { objects, version } => {
                if number(version).is_some_and(|version| version < of.known) {
                    return None;
                }
                self.list(resource, visible, objects, deliveries);
                return Some(false);
            }
        };
        let version = number(&object.resource_version);
        if version.is_some_and(|version| version <= of.known) {
            return None;
        }
        let late = version.is_some_and(|version| version <= of.late);
        of.missed += u64::from(late);
        self.note(resource, visible, object, gone, deliveries);
        Some(!late)
    }

    fn list(
        &mut self,
        resource: WatchedResource,
        visible: At,
        objects: &[Object],
        deliveries: u64,
    ) {
        let of = self.resources.entry(resource).or_default();
        let listed: BTreeSet<_> = objects.iter().map(|object| key(&object.metadata)).collect();
        let gone: Vec<_> = (of.objects.iter())
            .filter(|(key, _)| !listed.contains(*key))
            .map(|(key, seen)| (key.clone(), seen.uid.clone()))
            .collect();
        for (key, uid) in gone {
            self.forget(resource, visible, &key, &uid, deliveries);
        }
        for object in objects {
            self.note(resource, visible, &object.metadata, false, deliveries);
        }
    }

    /// Notes that an object was seen, or seen to be gone.
    pub(super) fn note(
        &mut self,
        resource: WatchedResource,
        visible: At,
        object: &Metadata,
        gone: bool,
        deliveries: u64,
    ) {
        let Metadata {
            uid,
            resource_version,
            ..
        } = object;
        if gone {
            self.forget(resource, visible, &key(object), uid, deliveries);
            return;
        }
        let version = Version {
            uid: uid.clone(),
            version: resource_version.clone(),
        };
        let of = self.resources.entry(resource).or_default();
        if let Some(old) = of.objects.insert(key(object), version)
            && old.uid != *uid
        {
            self.gone.insert(old.uid, visible);
        }
        if resource == WatchedResource::EndpointSlices {
            let versions = self.slices.entry(uid.clone()).or_default();
            if versions.len() == REMEMBERED {
                versions.pop_front();
            }
            versions.push_back((resource_version.clone(), visible));
            self.saw(visible, uid, Some(resource_version), deliveries);
        }
    }

    pub(super) fn forget(
        &mut self,
        resource: WatchedResource,
        visible: At,
        key: &Key,
        uid: &str,
        deliveries: u64,
    ) {
        let of = self.resources.entry(resource).or_default();
        of.objects.remove(key);
        self.gone.insert(uid.to_owned(), visible);
        if resource == WatchedResource::EndpointSlices {
            self.slices.remove(uid);
            self.saw(visible, uid, None, deliveries);
        }
    }

    /// Our own write of a slice was acknowledged at `at`, give or take `slack`.
    pub(super) fn acknowledge(
        &mut self,
        written: &Written,
        at: At,
        slack: Duration,
        source: LagSource,
        deliveries: u64,
    ) {
        let uid = written.object.as_ref();
        if uid.is_empty() {
            // The answer did not say what was written.
            return;
        }
        let since = std::mem::replace(&mut self.deliveries, deliveries);
        let version = written.resource_version.as_deref();
        let seen = match (version, self.slices.get(uid)) {
            (Some(wanted), Some(versions)) => {
                (versions.iter().find(|(seen, _)| reaches(seen, wanted))).map(|(_, at)| *at)
            }
            (Some(_), None) => self.gone.get(uid).copied(),
            (None, Some(_)) => None,
            (None, None) if self.awaited.contains_key(uid) => None,
            (None, None) => Some(self.gone.get(uid).copied().unwrap_or(at)),
        };
        let awaited = Awaited {
            version: version.map(str::to_owned),
            acknowledged: at,
            slack,
            source,
            since,
        };
        match seen {
            Some(visible) => self.measure(&awaited, visible, deliveries),
            None => self
                .awaited
                .entry(uid.to_owned())
                .or_default()
                .push(awaited),
        }
    }

    /// A slice was seen at this version, or to be gone.
    fn saw(&mut self, visible: At, uid: &str, version: Option<&String>, deliveries: u64) {
        let Some(all) = self.awaited.remove(uid) else {
            return;
        };
        let (seen, rest): (Vec<_>, Vec<_>) =
            all.into_iter()
                .partition(|it| match (version, &it.version) {
                    (Some(version), Some(wanted)) => reaches(version, wanted),
                    (Some(_), None) => false,
                    (None, _) => true,
                });
        for awaited in seen {
            self.measure(&awaited, visible, deliveries);
        }
        if !rest.is_empty() {
            self.awaited.insert(uid.to_owned(), rest);
        }
    }

    /// A lag counts for the deliveries from the acknowledgement before it to its event: those that
    /// a late observer may have timed wrongly.
    fn measure(&mut self, awaited: &Awaited, visible: At, deliveries: u64) {
        let acknowledged = awaited.acknowledged.since_start();
        let lag = visible.since(At::from(acknowledged.saturating_sub(awaited.slack)));
        let weight = deliveries.saturating_sub(awaited.since);
        if weight > 0 {
            let lags = self.lags.entry(awaited.source).or_default();
            lags.record(lag, weight);
        }
    }

    /// Takes the lags measured since the last call.
    pub(super) fn take_lags(&mut self) -> BTreeMap<LagSource, Latency> {
        std::mem::take(&mut self.lags)
    }

    /// Takes how many events of each resource have come only when a silent watch was resumed.
    /// Each with the instant from which on the watch was silent.
    pub(super) fn take_missed(&mut self) -> Vec<(WatchedResource, At, u64)> {
        let missed = self.resources.iter_mut();
        missed
            .map(|(resource, of)| (*resource, of.silent_since, std::mem::take(&mut of.missed)))
            .filter(|(_, _, missed)| *missed > 0)
            .collect()
    }

    /// The first write that should have been seen long before `now`, and forgets what went long
    /// ago.
    pub(super) fn overdue(&mut self, now: At) -> Option<(At, LagSource)> {
        self.gone.retain(|_, at| now.since(*at) < GONE_FOR);
        let all = self.awaited.values().flatten();
        all.filter(|it| now.since(it.acknowledged) > MISSED_AFTER + it.slack)
            .map(|it| (it.acknowledged, it.source))
            .min()
    }

    /// Events of this resource up to `version` that have not been seen happened while its watch was
    /// silent, which it was since `since`.
    pub(super) fn was_silent(&mut self, resource: WatchedResource, since: At, version: &str) {
        let of = self.resources.entry(resource).or_default();
        of.silent_since = since;
        of.late = of.late.max(number(version).unwrap_or_default());
    }

    /// What is to come up to `version` was taken from a LIST.
    pub(super) fn knows_until(&mut self, resource: WatchedResource, version: &str) {
        let of = self.resources.entry(resource).or_default();
        of.known = of.known.max(number(version).unwrap_or_default());
    }

    /// Where what was seen differs from a LIST at `version` that was asked for at `asked`.
    pub(super) fn differences(
        &self,
        resource: WatchedResource,
        listed: &[Object],
        version: &str,
        asked: At,
    ) -> Vec<Difference> {
        let none = BTreeMap::new();
        let objects = self
            .resources
            .get(&resource)
            .map_or(&none, |it| &it.objects);
        // Of a later state than the list's.
        let newer = |seen: &Version| is_newer(&seen.version, version);
        let mut differences = Vec::new();
        let mut names = BTreeSet::new();
        for object in listed {
            let metadata = &object.metadata;
            let key = key(metadata);
            let agrees = match objects.get(&key) {
                Some(seen) if seen.uid == metadata.uid => {
                    reaches(&seen.version, &metadata.resource_version)
                }
                Some(seen) => newer(seen),
                None => self.gone.get(&metadata.uid).is_some_and(|at| *at >= asked),
            };
            if !agrees {
                let seen = objects.get(&key).map_or("not seen".to_owned(), |seen| {
                    format!("seen at {}", seen.version)
                });
                let words = format!("listed at {}, {seen}", metadata.resource_version);
                differences.push(Difference::new(resource, key.clone(), &words));
            }
            names.insert(key);
        }
        for (key, seen) in objects {
            if !names.contains(key) && !newer(seen) {
                let words = format!("not listed, seen at {}", seen.version);
                differences.push(Difference::new(resource, key.clone(), &words));
            }
        }
        differences
    }

    /// The uid of an object that was seen.
    pub(super) fn uid(&self, resource: WatchedResource, key: &Key) -> Option<String> {
        let seen = self.resources.get(&resource)?.objects.get(key)?;
        Some(seen.uid.clone())
    }
}

// === impl Difference ===

impl Difference {
    fn new(resource: WatchedResource, key: Key, words: &str) -> Self {
        let (namespace, name) = &key;
        let slash = if namespace.is_empty() { "" } else { "/" };
        let words = format!("{} {namespace}{slash}{name} was {words}", resource.plural());
        let words = sentence(&words);
        Self { key, words }
    }
}

fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

/// Whether an object that was seen at `seen` was seen at `wanted` or later.
fn reaches(seen: &str, wanted: &str) -> bool {
    match (number(seen), number(wanted)) {
        (Some(seen), Some(wanted)) => seen >= wanted,
        _ => seen == wanted,
    }
}

fn is_newer(seen: &str, than: &str) -> bool {
    matches!((number(seen), number(than)), (Some(seen), Some(than)) if seen > than)
}
