//! A distribution of latencies as a line of a recording holds it.

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// A [`Latency`](super::Latency) as a line holds it: only values that were counted take room, so that
/// a whole recording fits into memory.
///
/// An instance is always consistent: a line in which more never arrived than are censored cannot be
/// read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct RecordedLatency {
    /// Deliveries that never arrived, among those that are censored.
    never: u64,
    /// Those that are known.
    #[serde(rename = "histogram")]
    known: Histogram,
    /// Those that are only known to have taken longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    censored: Option<Histogram>,
}

/// What a line says, whether or not it can be.
#[derive(Deserialize)]
struct Unchecked {
    never: u64,
    histogram: Histogram,
    #[serde(default)]
    censored: Option<Histogram>,
}

// === impl RecordedLatency ===

impl RecordedLatency {
    /// Of no more that never arrived than are censored.
    pub(super) const fn new(known: Histogram, censored: Option<Histogram>, never: u64) -> Self {
        Self {
            never,
            known,
            censored,
        }
    }

    /// Deliveries counted, censored ones among them.
    #[must_use]
    pub fn count(&self) -> u64 {
        let censored = self.censored.as_ref().map_or(0, Histogram::count);
        self.known.count().saturating_add(censored)
    }

    /// Deliveries that never arrived.
    #[must_use]
    pub const fn never(&self) -> u64 {
        self.never
    }

    /// Those that are known.
    #[must_use]
    pub const fn known(&self) -> &Histogram {
        &self.known
    }

    /// Those that are only known to have taken longer.
    #[must_use]
    pub const fn censored(&self) -> Option<&Histogram> {
        self.censored.as_ref()
    }

    /// Values in microseconds with their counts: those that are known, ascending, then those that
    /// are censored.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let censored = self.censored.iter().flat_map(Histogram::iter);
        self.known.iter().chain(censored)
    }
}

impl TryFrom<Unchecked> for RecordedLatency {
    type Error = String;

    fn try_from(read: Unchecked) -> Result<Self, String> {
        let Unchecked {
            never,
            histogram,
            censored,
        } = read;
        let count = censored.as_ref().map_or(0, Histogram::count);
        if never > count {
            return Err(format!(
                "{never} never arrived, of {count} that are censored"
            ));
        }
        Ok(Self::new(histogram, censored, never))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{super::Latency, *};

    fn latency() -> Latency {
        let mut latency = Latency::default();
        latency.record(Duration::from_millis(3), 5);
        latency.record_censored(Duration::from_secs(2), 1);
        latency.record_never(Duration::from_secs(30), 2);
        latency
    }

    #[test]
    fn what_is_written_reads_back_and_adds_up_to_what_it_is_of() {
        let recorded = latency().recorded();
        let text = serde_json::to_string(&recorded).unwrap();
        let read: RecordedLatency = serde_json::from_str(&text).unwrap();
        assert_eq!(read, recorded);
        assert_eq!((read.count(), read.never()), (8, 2));
        assert_eq!(read.iter().map(|(_, count)| count).sum::<u64>(), 8);
        let mut added = Latency::default();
        added.add(&read);
        assert_eq!(added, latency());
    }

    #[test]
    fn what_is_not_censored_has_arrived() {
        let mut value = json!(latency().recorded());
        value["never"] = json!(4);
        let read = |value| serde_json::from_value::<RecordedLatency>(value);
        assert_eq!(
            read(value.clone()).unwrap_err().to_string(),
            "4 never arrived, of 3 that are censored"
        );
        value["never"] = json!(3);
        assert!(read(value.clone()).is_ok());
        value.as_object_mut().unwrap().remove("censored");
        assert_eq!(
            read(value).unwrap_err().to_string(),
            "3 never arrived, of 0 that are censored"
        );
    }
}
