//! A histogram as a line of a recording has it.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::latency::Latency;
use crate::recording::leb128;

/// Counts by value, microseconds, packed: only values that were counted take room. In a line: an
/// HDR histogram with the bounds of [`Latency`], V2 encoding, base64.
///
/// An instance is always whole: a line with a damaged one cannot be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Ascending values, each as its distance from the one before, and its count.
    packed: Box<[u8]>,
    count: u64,
}

// === impl Histogram ===

impl Histogram {
    /// Packs ascending values with their counts.
    pub(super) fn pack(ascending: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let (mut packed, mut before, mut total) = (Vec::new(), 0, 0_u64);
        for (value, count) in ascending {
            leb128::push(value - before, &mut packed);
            leb128::push(count, &mut packed);
            before = value;
            total = total.saturating_add(count);
        }
        Self {
            packed: packed.into_boxed_slice(),
            count: total,
        }
    }

    /// How many values were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The values, ascending, with their counts.
    pub(super) fn values(&self) -> impl Iterator<Item = (u64, u64)> {
        let (mut rest, mut value) = (&*self.packed, 0);
        std::iter::from_fn(move || {
            value += leb128::take(&mut rest)?;
            Some((value, leb128::take(&mut rest)?))
        })
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("values", &self.values().count())
            .finish()
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(Latency::encode(self)))
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let damaged = |error: &dyn fmt::Display| {
            de::Error::custom(format!("a histogram is damaged: {error}"))
        };
        let bytes = BASE64_STANDARD.decode(text);
        let bytes = bytes.map_err(|error| damaged(&error))?;
        Latency::decode(&bytes).map_err(|error| damaged(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Histogram, String> {
        serde_json::from_value(text.into()).map_err(|error: serde_json::Error| error.to_string())
    }

    fn text(histogram: &Histogram) -> String {
        let value = serde_json::to_value(histogram).unwrap();
        value.as_str().unwrap().to_owned()
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(values in proptest::collection::vec((0_u64..5_000_000_000, 1_u64..1_000), 0..40)) {
            let mut latency = Latency::default();
            for (micros, times) in values {
                latency.record(Duration::from_micros(micros), times);
            }
            let histogram = latency.histogram();
            prop_assert_eq!(histogram.count(), latency.count());
            let back = read(&text(&histogram)).unwrap();
            prop_assert_eq!(&back, &histogram);
            prop_assert_eq!(Latency::of(&back, None, 0), latency);
        }
    }

    #[test]
    fn a_histogram_without_values_is_whole() {
        assert_eq!(
            read(&text(&Histogram::default())).unwrap(),
            Histogram::default()
        );
    }

    #[test]
    fn every_damage_is_an_error_that_says_so() {
        let mut latency = Latency::default();
        latency.record(Duration::from_millis(3), 70_000);
        latency.record(Duration::from_secs(7), 1);
        let whole = text(&latency.histogram());
        let first = format!("X{}", &whole[1..]);
        let bytes = BASE64_STANDARD.decode(&whole).unwrap();
        let longer = BASE64_STANDARD.encode([bytes.as_slice(), &[0]].concat());
        let shorter = BASE64_STANDARD.encode(&bytes[..bytes.len() - 1]);
        let mut bounds = bytes;
        // The number of significant digits.
        bounds[15] = 2;
        let bounds = BASE64_STANDARD.encode(bounds);
        for damaged in ["", "!", "AAAA", &first, &longer, &shorter, &bounds] {
            let error = read(damaged).unwrap_err();
            assert!(
                error.starts_with("a histogram is damaged: "),
                "{damaged}: {error}"
            );
        }
    }
}
