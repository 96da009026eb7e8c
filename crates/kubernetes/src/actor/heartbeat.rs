//! A heartbeat for the observer: an EndpointSlice that is written once a second, so that the time
//! from an acknowledgement to the observer's event is known whatever else happens.
//!
//! It names a Service that does not exist. A destination controller then keeps an empty entry for
//! it and has nobody to tell; a slice that names no Service would be an error in its log each time.
//! It has no endpoints, and the labels that keep kube-proxy and Kubernetes' own controllers away
//! from it, and by which a cleanup finds it.

use std::time::Duration;

use dst_load_oracle::ledger::Written;
use dst_load_scenario::time::At;

use super::{
    KubernetesError,
    act::Actor,
    call::Reply,
    claim::REFUSED_FOR,
    objects,
    owned::{ObjectRef, Operation},
    resource::SLICES,
};

/// How often it is written.
const BEAT_EVERY: Duration = Duration::from_secs(1);

// === impl Actor ===

impl Actor {
    /// Writes the heartbeat slice once a second, and tells `on` of each write when it is
    /// acknowledged. It returns only when that is not permitted.
    pub async fn beat_for_observer(&self, mut on: impl FnMut(&Written, At)) -> KubernetesError {
        let mut permitted = None;
        let mut next = self.clock().now();
        for count in 1_u64.. {
            self.clock().sleep_until(next).await;
            next = next.max(self.clock().now()) + BEAT_EVERY;
            let reply = self.write_heartbeat(count).await;
            match &reply.result {
                Ok(_) => {
                    permitted = Some(reply.acknowledged);
                    let written = reply.written(false);
                    if let Some(written) = written.filter(|it| !it.object.is_empty()) {
                        on(&written, reply.acknowledged);
                    }
                }
                // The API's failures are counted, and a lag is not measured meanwhile.
                Err(error) => tracing::debug!(%error, "heartbeat of the observer not written"),
            }
            let lately = permitted.is_some_and(|at| self.clock().now() < at + REFUSED_FOR);
            if let (Err(error @ KubernetesError::Forbidden { .. }), false) = (reply.result, lately)
            {
                return error;
            }
        }
        std::future::pending().await
    }

    async fn write_heartbeat(&self, count: u64) -> Reply {
        let body = objects::heartbeat(&self.namespace, count, &self.run);
        let body = objects::owned(body, self.owner.as_ref());
        let slice = ObjectRef {
            resource: &SLICES,
            name: objects::HEARTBEAT_SLICE,
            // It measures, and so does not queue behind what the plan writes.
            urgent: true,
        };
        self.perform(slice, &Operation::Replace(body)).await
    }
}
