//! What each class of streams is promised at present: from the observer's last event, or from when
//! the class came to exist; and nothing while it cannot be said.

use std::{collections::BTreeSet, net::SocketAddr};

use dst_load_scenario::{flags::Flags, time::At};

use super::{Observation, ServiceLedger, StreamId, intents::Intents};
use crate::{
    endpoint::Endpoint,
    kubernetes::{Service, ServicePort},
    promise::{Offer, Unjudged},
    update::Update,
};

/// What the last event said that the Service offers.
#[derive(Debug, Default)]
pub(super) struct Present {
    flags: Flags,
    /// The Service; `None` if there is none.
    service: Option<Service>,
    /// When it became visible.
    at: At,
    /// Kept from when on place matters: a class may come to exist between two events.
    offer: Option<Offer>,
    available: Option<usize>,
    unjudged: Option<Unjudged>,
    /// Whether the Node of some stream has changed its zone.
    rezoned: bool,
}

// === impl Present ===

impl Present {
    /// Replaces the Service; whether it is another in what decides which slices count.
    pub(super) fn replace_service(&mut self, service: Option<&Service>) -> bool {
        fn decides(it: &Service) -> (bool, &[ServicePort]) {
            (it.external_name, &it.ports)
        }
        let is_other = self.service.as_ref().map(decides) != service.map(decides);
        if is_other {
            self.service = service.cloned();
        }
        is_other
    }
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Sets the controller's flags. To be called before the first event.
    pub fn follow(&mut self, flags: Flags) {
        self.present.flags = flags;
    }

    /// The flags that its promises rest on.
    pub(super) const fn flags(&self) -> Flags {
        self.present.flags
    }

    /// The reason why the Service cannot be judged at present, if it cannot.
    #[must_use]
    pub const fn unjudged(&self) -> Option<Unjudged> {
        self.present.unjudged
    }

    /// The number of endpoints that clients anywhere are promised.
    #[must_use]
    pub fn promised(&self) -> usize {
        let available = self.present.available;
        available.unwrap_or_else(|| self.slots.promised(0))
    }

    /// The number of endpoints that the stream's client is promised; 0 while that is unknown.
    #[must_use]
    pub fn promised_to(&self, stream: StreamId) -> usize {
        self.slots.promised(self.streams.class(stream))
    }

    /// The addresses that clients anywhere are promised, to be compared with what others see.
    #[must_use]
    pub fn promised_addresses(&self) -> BTreeSet<SocketAddr> {
        let wanted = self.slots.iter().filter(|(_, slot)| !slot.is_unwanted());
        wanted.map(|(_, slot)| slot.endpoint.address).collect()
    }

    /// Takes in what the Service offers after one event.
    pub(super) fn offered(&mut self, observation: &Observation, offer: Offer) {
        self.present.at = observation.visible;
        self.present.available = Some(offer.available());
        let unjudged = self.unjudged_by(&offer);
        let before = std::mem::replace(&mut self.present.unjudged, unjudged);
        if unjudged.is_some() {
            if before.is_none() {
                self.suspend();
            }
            self.present.offer = Some(offer);
            return;
        }
        if offer.depends_on_place() {
            self.streams
                .tell_places_apart(&mut self.slots, observation.visible);
        }
        let places = self.streams.class_places();
        let mut promised: Vec<_> = places.iter().map(|place| offer.promised(place)).collect();
        if before.is_some() {
            // What happened meanwhile is not known: this is where it begins again.
            for (class, endpoints) in promised.iter().enumerate() {
                self.adopt(class, endpoints);
            }
        } else {
            self.keep_identities(&mut promised);
            self.observe_promised(observation, &promised);
        }
        self.present.offer = self.streams.are_apart().then_some(offer);
    }

    /// Registers that a Node's zone has changed. For streams that were opened before, which of the
    /// two counts is unknown from here on.
    pub fn rezone(&mut self, node: &str, at: At) {
        if !self.streams.are_any_on(node) {
            return;
        }
        self.present.rezoned = true;
        if let Some(offer) = self.present.offer.take() {
            if self.present.unjudged.is_none() {
                self.present.unjudged = self.unjudged_by(&offer);
                if self.present.unjudged.is_some() {
                    self.present.at = at;
                    self.suspend();
                }
            }
            self.present.offer = Some(offer);
        }
    }

    fn unjudged_by(&self, offer: &Offer) -> Option<Unjudged> {
        let zone = self.present.rezoned && offer.depends_on_zone();
        let zone = zone.then_some(Unjudged::ZoneChanged);
        offer.unjudged().or(zone)
    }

    /// A class has come to exist, of streams at the place of this one: it is promised what the
    /// last event offered there. That is no change, since nothing happened.
    pub(super) fn enter_class(&mut self, stream: StreamId) {
        if self.present.unjudged.is_some() {
            return;
        }
        if let Some(offer) = self.present.offer.take() {
            let promised = offer.promised(self.streams.place(stream));
            self.adopt(self.streams.class(stream), &promised);
            self.present.offer = Some(offer);
        }
    }

    /// From now on the class is promised exactly this.
    fn adopt(&mut self, class: usize, promised: &BTreeSet<Endpoint>) {
        let at = self.present.at;
        let wanted = self.slots.iter().filter(|(_, slot)| slot.is_wanted(class));
        let gone: Vec<_> = wanted
            .filter(|(_, slot)| !promised.contains(&slot.endpoint))
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            self.slots.want(id, class, false, at);
            self.retire(id, at);
        }
        for &endpoint in promised {
            let id = self.slots.exact(endpoint);
            self.slots.want(id, class, true, at);
        }
    }

    /// It can no longer be said what is promised: all that is waited for is left, and nothing of
    /// it is held against anybody.
    fn suspend(&mut self) {
        let (at, changes, outbox) = (self.present.at, &mut self.changes, &mut self.outbox);
        for (_, slot) in self.slots.iter_mut() {
            for entry in slot.open.drain(..) {
                for stream in entry.pending.iter() {
                    outbox.counts.left += 1;
                    changes.leave(entry.change, stream);
                }
            }
            slot.late.iter_mut().for_each(|late| late.clear());
        }
        for id in self.slots.ids() {
            for class in 0..self.streams.class_places().len() {
                self.slots.want(id, class, false, at);
            }
            // What is held is not held too long: nobody knows whether it is gone.
            self.slots.get_mut(id).ever_wanted = false;
            self.retire(id, at);
        }
        self.unexplained = super::Unexplained::default();
        self.repeats = super::Repeats::default();
        self.intents = Intents::default();
        self.give_up_claims();
        self.forget_waiting();
        self.forget_retained();
        self.hand_on_changes();
    }

    /// Takes in what a stream received of a Service that is not judged: what it holds, no more.
    pub(super) fn hear(&mut self, stream: StreamId, at: At, update: &Update) {
        match update {
            Update::Add(endpoints) => {
                for &endpoint in endpoints {
                    let (id, _) = self.slots.meant(endpoint);
                    self.drop_address(stream, endpoint.address);
                    self.slots.hold(stream, id, true);
                    self.retire(id, self.present.at);
                }
            }
            Update::Remove(endpoints) => {
                for endpoint in endpoints {
                    self.drop_address(stream, endpoint.address);
                }
            }
            Update::NoEndpoints { .. } => {
                let held: Vec<_> = self.slots.held_by(stream).collect();
                for id in held {
                    self.slots.hold(stream, id, false);
                }
            }
        }
        self.unserved.served(stream);
        self.streams.hold(stream, at);
    }

    /// The stream holds nothing at this address.
    fn drop_address(&mut self, stream: StreamId, address: SocketAddr) {
        let known = self.slots.at_address(address).to_vec();
        for id in known {
            self.slots.hold(stream, id, false);
        }
    }

    /// Where an address comes to be shared by several pods, or no longer is, its endpoint stays the
    /// one it was: clients have one an address, and there is nothing for them to learn.
    fn keep_identities(&mut self, promised: &mut [BTreeSet<Endpoint>]) {
        let mut kept = Vec::new();
        for &endpoint in promised.iter().flatten() {
            let known = self.slots.at_address(endpoint.address);
            let wanted = known.iter().copied().filter(|&id| {
                let slot = self.slots.get(id);
                !slot.is_unwanted()
            });
            let mut before = None;
            for id in wanted {
                let pod = self.slots.get(id).endpoint.pod;
                if pod == endpoint.pod {
                    before = None;
                    break;
                }
                if pod.is_none() || endpoint.pod.is_none() {
                    before = Some(id);
                }
            }
            if let Some(id) = before {
                kept.push((endpoint, id));
            }
        }
        for (endpoint, id) in kept {
            let bare = Endpoint::bare(endpoint.address);
            self.slots.get_mut(id).endpoint = bare;
            for endpoints in promised.iter_mut() {
                if endpoints.remove(&endpoint) {
                    endpoints.insert(bare);
                }
            }
        }
    }
}
