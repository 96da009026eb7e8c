//! What tells whether the numbers can be trusted while they are taken: how many streams there should
//! be, endpoints as Kubernetes and as the clients have them, what never came, and the lag of this
//! process and of its observer.

use std::{collections::BTreeMap, fmt, time::Duration};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{ClientMetrics, gauge_of, histogram};

/// Upper bounds of lags, milliseconds: from none to one that makes a run invalid.
const LAGS: [f64; 10] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 1e3];

/// Endpoints of one series.
#[derive(Default)]
struct Endpoints {
    promised: f64,
    held: f64,
}

impl ClientMetrics {
    pub(super) fn health(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let wanted = encoder.encode_descriptor(
            "streams_wanted",
            "Streams that should be open",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.progress.streams_wanted()).encode(wanted)?;
        self.endpoints(encoder)?;
        let mut never = encoder.encode_descriptor(
            "deliveries_never",
            "Deliveries that had not arrived by the deadline",
            None,
            MetricType::Counter,
        )?;
        for series in self.progress.series() {
            let labels = [("service", series.service.as_str())];
            ConstCounter::new(series.never()).encode(never.encode_family(&labels)?)?;
        }
        let lag = encoder.encode_descriptor(
            "loop_lag_histogram_seconds",
            "Lateness of this process's event loop, weighted by the deliveries that it handled",
            None,
            MetricType::Histogram,
        )?;
        let bounds = LAGS.map(|millis| Duration::from_secs_f64(millis / 1e3));
        histogram(lag, &self.progress.all_lag(), &bounds)?;
        let relists = encoder.encode_descriptor(
            "observer_relists",
            "Times the observer lost its watch and listed again",
            None,
            MetricType::Counter,
        )?;
        let times: u64 = self.observers.iter().map(|it| it.relists()).sum();
        ConstCounter::new(times).encode(relists)
    }

    fn endpoints(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut all: BTreeMap<&str, Endpoints> = BTreeMap::new();
        for (position, locked) in self.progress.ledgers().all().iter().enumerate() {
            let counts = locked.with(|ledger| ledger.endpoint_counts());
            let of = all.entry(self.progress.label(position)).or_default();
            of.promised += counts.promised as f64;
            of.held += counts.held as f64 / counts.streams.max(1) as f64;
        }
        for (name, what, value) in [
            (
                "endpoints_promised",
                "Endpoints in Kubernetes, as the observer sees them",
                (|of| of.promised) as fn(&Endpoints) -> f64,
            ),
            (
                "endpoints_held",
                "Endpoints of a stream, on average",
                |of| of.held,
            ),
        ] {
            let mut family = encoder.encode_descriptor(name, what, None, MetricType::Gauge)?;
            for (service, of) in &all {
                gauge_of(family.encode_family(&[("service", *service)])?, value(of))?;
            }
        }
        Ok(())
    }
}
