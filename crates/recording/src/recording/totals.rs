//! What a recording's lines add up to, as its last line says.

use serde::{Deserialize, Serialize};

use super::Line;

/// What the lines before the last one add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Lines, the header among them.
    pub lines: u64,
    /// Lines of seconds.
    pub seconds: u64,
    /// Changes with an audience.
    pub changes: u64,
    /// Latencies in all stages' histograms, those of deliveries that never arrived among them.
    pub latencies: u64,
    /// Deliveries among them that never arrived.
    pub never: u64,
    /// Messages received.
    pub messages: u64,
    /// Samples of the target.
    pub samples: u64,
    /// Streams that were checked at the settled end.
    pub streams_checked: u64,
    /// Streams among them that were wrong.
    pub streams_wrong: u64,
}

// === impl Totals ===

impl Totals {
    /// The totals of these lines.
    #[must_use]
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
        let mut totals = Self::default();
        lines.into_iter().for_each(|line| totals.add(line));
        totals
    }

    /// Counts a line.
    pub fn add(&mut self, line: &Line) {
        self.lines += 1;
        match line {
            Line::Change(change) => self.changes += u64::from(change.audience > 0),
            Line::Second(second) => {
                self.seconds += 1;
                self.messages += second.counts.messages;
                for line in &second.latencies {
                    self.latencies += line.latency.count();
                    self.never += line.latency.never();
                }
            }
            Line::Target(_) => self.samples += 1,
            Line::EndState(end) => {
                self.streams_checked += end.streams_checked;
                self.streams_wrong += end.streams_wrong;
            }
            _ => {}
        }
    }

    /// The first number in which these differ from what was counted: its name, what it says, and
    /// what was counted.
    #[must_use]
    pub fn difference(&self, counted: &Self) -> Option<(&'static str, u64, u64)> {
        let each = |of: &Self| {
            [
                ("lines", of.lines),
                ("seconds", of.seconds),
                ("changes", of.changes),
                ("latencies", of.latencies),
                ("never", of.never),
                ("messages", of.messages),
                ("samples", of.samples),
                ("streams_checked", of.streams_checked),
                ("streams_wrong", of.streams_wrong),
            ]
        };
        let mut both = each(self).into_iter().zip(each(counted));
        both.find_map(|((name, said), (_, counted))| {
            (said != counted).then_some((name, said, counted))
        })
    }
}
