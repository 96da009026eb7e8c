//! What tells whether the numbers can be trusted while they are taken: how many streams there should
//! be, endpoints as Kubernetes and as the clients have them, what never came, and the lag of this
//! process and of its observer.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::ClientMetrics;
use crate::families::Families;

/// Upper bounds of lags, milliseconds: from none to one that makes a run invalid.
const LAGS: [f64; 10] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 1e3];

impl ClientMetrics {
    pub(super) fn health(&self, families: &mut Families<'_>) -> fmt::Result {
        families.gauge(
            "streams_wanted",
            "Streams that should be open",
            self.progress.streams_wanted(),
        )?;
        self.endpoints(families)?;
        families.counters(
            "deliveries_never",
            "Deliveries that had not arrived by the deadline",
            (self.progress.series().iter()).map(|series| (series.labels(), series.never())),
        )?;
        families.histogram(
            "loop_lag_histogram_seconds",
            "Lateness of this process's event loop, weighted by the deliveries that it handled",
            &self.progress.all_lag(),
            &LAGS.map(|millis| Duration::from_secs_f64(millis / 1e3)),
        )?;
        let times: u64 = self.observers.iter().map(|it| it.relists()).sum();
        families.counter(
            "observer_relists",
            "Times the observer lost its watch and listed again",
            times,
        )
    }

    fn endpoints(&self, families: &mut Families<'_>) -> fmt::Result {
        // As Kubernetes has them, and as a stream holds them.
        let mut all: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (position, locked) in self.progress.ledgers().all().iter().enumerate() {
            let counts = locked.with(|ledger| ledger.endpoint_counts());
            let (promised, held) = all.entry(self.progress.label(position)).or_default();
            *promised += counts.promised as f64;
            *held += counts.held as f64 / counts.streams.max(1) as f64;
        }
        let labelled = |service| [("service", service)];
        families.gauges(
            "endpoints_promised",
            "Endpoints in Kubernetes, as the observer sees them",
            all.iter()
                .map(|(&service, &(promised, _))| (labelled(service), promised)),
        )?;
        families.gauges(
            "endpoints_held",
            "Endpoints of a stream, on average",
            all.iter()
                .map(|(&service, &(_, held))| (labelled(service), held)),
        )
    }
}
