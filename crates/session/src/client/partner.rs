//! What the churner in another process reports, entered into the ledgers and the recording.

use std::{cell::Cell, convert::Infallible, io};

use dst_load_recording::{
    recording::{LagSource, Line},
    warning::Warning,
};

use super::Client;
use crate::partner::PartnerEvent;

// === impl Client ===

impl<W: io::Write> Client<W> {
    /// Reads what the partner does, if there is one, once the observer has listed everything.
    pub(super) async fn follow_partner(&self) -> Infallible {
        let session = &self.session;
        let (Some(partner), Ok(())) = (&self.partner, session.synced().await) else {
            return std::future::pending().await;
        };
        let cycled = Cell::new(false);
        let on = |event| self.record_partner(event, &cycled);
        partner
            .follow(session.ledgers(), session.clock(), session.now(), on)
            .await
    }

    fn record_partner(&self, event: PartnerEvent, cycled: &Cell<bool>) {
        let session = &self.session;
        let journal = &session.journal;
        match event {
            PartnerEvent::Clock(line) => journal.push(Line::Clock(line)),
            PartnerEvent::Silent { url, error } => {
                journal.warn(Warning::ChurnSilent { url, error });
            }
            PartnerEvent::Beat { written, at, slack } => {
                let (site, source) = (session.observers.churned(), LagSource::Heartbeat);
                (session.observers).acknowledged(site, &written, at, slack, source);
            }
            PartnerEvent::Cycle { at, cycle } => {
                cycled.set(true);
                journal.push(Line::Cycle { at, cycle });
            }
            PartnerEvent::End { at, whole } => {
                if cycled.get() {
                    journal.push(Line::LastCycleEnds { at, whole });
                }
                self.plan_over.cancel();
            }
        }
    }
}
