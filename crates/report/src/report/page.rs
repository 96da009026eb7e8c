//! What the HTML page shows beside the report: series over time, distributions, and how each change
//! spread. It is embedded in the page as JSON.
//!
//! Folded from a recording's lines as they are written, in memory that does not grow with the run:
//! series have a bounded number of buckets, and of the changes the worst and an even sample of the
//! others are kept.

mod bins;
mod buckets;
mod curves;
mod latencies;
mod planned;
#[cfg(test)]
mod tests;
mod timeline;

use dst_load_recording::recording::{Header, Line};
use serde::Serialize;

pub use self::{
    curves::{Curve, Curves},
    latencies::{Bar, Distribution, Moment, Quantiles},
    planned::Planned,
    timeline::{Amount, Entered, Point, Timeline},
};
use self::{latencies::LatencyFold, timeline::TimelineFold};
use super::Report;

/// All that the page is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// The report, as in `report.json`.
    pub report: Report,
    /// The namespace that was churned.
    pub namespace: String,
    /// The scenario as it was understood, in the shape of its file.
    pub settings: serde_json::Value,
    /// What happened when.
    pub timeline: Timeline,
    /// How changes spread over the streams.
    pub curves: Curves,
    /// The latencies of the whole run, by stage and direction.
    pub distributions: Vec<Distribution>,
    /// Their quantiles by time.
    pub quantiles: Vec<Quantiles>,
}

/// What lines add up to for a page.
#[derive(Debug, Default)]
pub struct PageFold {
    header: Option<Box<Header>>,
    timeline: TimelineFold,
    curves: curves::CurveFold,
    latencies: LatencyFold,
}

// === impl Page ===

impl Page {
    /// The page of a whole recording with this report. `None` if it has no header.
    #[must_use]
    pub fn of(lines: &[Line], report: Report) -> Option<Self> {
        let mut fold = PageFold::default();
        for line in lines {
            fold.absorb(line);
        }
        fold.page(report)
    }
}

// === impl PageFold ===

impl PageFold {
    /// Folds one line in.
    pub fn absorb(&mut self, line: &Line) {
        self.timeline.absorb(line);
        match line {
            Line::Header(header) => self.header = Some(header.clone()),
            Line::Change(change) => self.curves.change(change),
            Line::Second(second) => self.latencies.second(second),
            _ => {}
        }
    }

    /// The page of what has been folded so far, with the report of the same lines; `None` before
    /// the header is.
    #[must_use]
    pub fn page(&self, report: Report) -> Option<Page> {
        let header = self.header.as_deref()?;
        // The axis is one for all: what is coarser in one place is as coarse everywhere.
        let width = self.timeline.width().max(self.latencies.width());
        Some(Page {
            namespace: header.namespace.clone(),
            settings: header.scenario.clone(),
            timeline: self.timeline.timeline(header, width),
            curves: self.curves.curves(),
            distributions: self.latencies.distributions(),
            quantiles: self.latencies.quantiles(width),
            report,
        })
    }
}
