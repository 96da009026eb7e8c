//! Families of metrics that are read from state when they are scraped.

use std::{fmt, time::Duration};

use dst_load_destination::counters::Distribution;
use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric,
        MetricEncoder, NoLabelSet,
    },
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Encodes families, one after the other.
pub(crate) struct Families<'a>(pub(crate) DescriptorEncoder<'a>);

// === impl Families ===

impl Families<'_> {
    pub(crate) fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        ConstCounter::new(value).encode(self.begin(name, help, MetricType::Counter)?)
    }

    pub(crate) fn counters(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (impl EncodeLabelSet, u64)>,
    ) -> fmt::Result {
        let mut family = self.begin(name, help, MetricType::Counter)?;
        for (labels, value) in series {
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    pub(crate) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        ConstGauge::new(value).encode(self.begin(name, help, MetricType::Gauge)?)
    }

    pub(crate) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (impl EncodeLabelSet, f64)>,
    ) -> fmt::Result {
        let mut family = self.begin(name, help, MetricType::Gauge)?;
        for (labels, value) in series {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    pub(crate) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        distribution: &Distribution,
        bounds: &[Duration],
    ) -> fmt::Result {
        let encoder = self.begin(name, help, MetricType::Histogram)?;
        histogram(encoder, distribution, bounds)
    }

    pub(crate) fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (impl EncodeLabelSet, &'a Distribution)>,
        bounds: &[Duration],
    ) -> fmt::Result {
        let mut family = self.begin(name, help, MetricType::Histogram)?;
        for (labels, distribution) in series {
            histogram(family.encode_family(&labels)?, distribution, bounds)?;
        }
        Ok(())
    }

    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &'s str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }
}

fn histogram(
    mut encoder: MetricEncoder<'_>,
    distribution: &Distribution,
    bounds: &[Duration],
) -> fmt::Result {
    let seconds = bounds.iter().map(Duration::as_secs_f64);
    let ends = seconds.chain([f64::INFINITY]);
    let buckets: Vec<_> = ends.zip(distribution.buckets(bounds)).collect();
    let (sum, count) = (distribution.sum().as_secs_f64(), distribution.count());
    encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}
