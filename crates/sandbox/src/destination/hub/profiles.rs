//! The `GetProfile` streams: who listens to what, and what each was told last.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use tonic::Status;

use super::{Hub, StreamSlot};
use crate::{
    destination::{
        directory::{Directory, addresses::Topic, profiles::Subject},
        queue::Queue,
    },
    index::Index,
};

/// All streams of `GetProfile`.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    listeners: BTreeMap<u64, ProfileListener>,
    by_topic: Index<Topic, u64>,
}

#[derive(Debug)]
struct ProfileListener {
    subject: Subject,
    last: Option<Bytes>,
    queue: Arc<Queue>,
}

// === impl Hub ===

impl Hub {
    /// Opens a stream about what `path` means, with what is said of it in the queue.
    pub(crate) fn open_profile(&mut self, path: &str) -> Result<StreamSlot, Status> {
        let domain = &self.config.cluster_domain;
        let subject = self.directory.subject(path, domain)?;
        let last = self.directory.profile(&subject, domain)?;
        let slot = self.slot();
        if let Some(first) = &last {
            // It is the first: there is room.
            slot.queue.push(first.clone(), None);
        }
        let listener = ProfileListener {
            subject,
            last,
            queue: slot.queue.clone(),
        };
        self.profiles.add(slot.number, listener);
        Ok(slot)
    }

    /// Tells the streams whose subject an event was about, if what is said of it has changed.
    pub(super) fn tell_profiles(&mut self) {
        let touched = self.directory.addresses.take_touched();
        // Addresses of other clusters are not asked for; what was noted of them would pile up.
        for linked in self.linked.values_mut() {
            drop(linked.addresses.take_touched());
        }
        let profiles = &mut self.profiles;
        let numbers = touched.iter().flat_map(|it| profiles.by_topic.of(it));
        let numbers: BTreeSet<u64> = numbers.copied().collect();
        for number in numbers {
            if let Some(listener) = profiles.listeners.get_mut(&number) {
                listener.tell(&self.directory, &self.config.cluster_domain);
            }
        }
    }
}

// === impl Profiles ===

impl Profiles {
    fn add(&mut self, number: u64, listener: ProfileListener) {
        if let Some(topic) = listener.subject.topic() {
            self.by_topic.insert(topic, number);
        }
        self.listeners.insert(number, listener);
    }

    pub(super) fn remove(&mut self, number: u64) {
        let listener = self.listeners.remove(&number);
        if let Some(topic) = listener.and_then(|it| it.subject.topic()) {
            self.by_topic.remove(&topic, &number);
        }
    }

    pub(super) fn end_all(&self) {
        for listener in self.listeners.values() {
            listener.queue.end(Status::ok(""));
        }
    }
}

// === impl ProfileListener ===

impl ProfileListener {
    fn tell(&mut self, directory: &Directory, cluster_domain: &str) {
        // What cannot be said (an address of two Pods, a Service that is gone) is kept to itself.
        let Ok(Some(now)) = directory.profile(&self.subject, cluster_domain) else {
            return;
        };
        if self.last.as_ref() == Some(&now) {
            return;
        }
        if !self.queue.push(now.clone(), None) {
            tracing::warn!("profile update queue full; aborting stream");
            self.queue.end(Status::ok(""));
        }
        self.last = Some(now);
    }
}
