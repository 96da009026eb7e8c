//! A histogram as a line of a recording holds it.

use std::{fmt, sync::LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram as Dense,
    serialization::{Deserializer as HdrDeserializer, Serializer as _, V2Serializer},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::latency::{add, empty, values};
use crate::recording::leb128;

/// Counts by value, microseconds, sparse: only values that were counted take room. In a line: an HDR
/// histogram with the bounds of [`Latency`](super::Latency), V2 encoding, base64.
///
/// An instance is always whole: a line with a damaged one cannot be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Ascending values, each as its distance from the one before, and its count.
    packed: Box<[u8]>,
    count: u64,
}

/// Why bytes are no histogram of a recording.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Damage {
    #[error("it does not start with the cookie of an HDR histogram in V2 encoding")]
    Cookie,
    #[error("it is cut off in its header, after {0} bytes")]
    Header(usize),
    #[error("its counts take {found} bytes instead of {expected}")]
    Length { found: usize, expected: u32 },
    #[error("its bounds or digits are not those of a recording's latencies")]
    Bounds,
    #[error("one of its counts is impossible")]
    Count,
    #[error("{0}")]
    Payload(String),
}

/// Bytes of a V2 header: cookie, length of what follows the header, offset, digits, lowest and highest
/// value, ratio.
const HEADER: usize = 40;
/// Where the length is.
const LENGTH: std::ops::Range<usize> = 4..8;
/// The header of a histogram without values.
static EMPTY: LazyLock<[u8; HEADER]> = LazyLock::new(|| {
    let header = encode(&empty()).first_chunk().copied();
    header.expect("invariant: every histogram has a header")
});
/// Bytes of the longest number.
const NUMBER: usize = 9;

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
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let (mut rest, mut value) = (&*self.packed, 0);
        std::iter::from_fn(move || {
            value += leb128::take(&mut rest)?;
            Some((value, leb128::take(&mut rest)?))
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut dense = empty();
        add(&mut dense, self);
        encode(&dense)
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Damage> {
        let (header, payload) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(Damage::Header(bytes.len()))?;
        // Before anything is read: hdrhistogram makes room for what a header says.
        check(*header, payload.len())?;
        // It negates the lowest of all numbers, which would panic.
        let mut numbers = payload.windows(NUMBER);
        if numbers.any(|number| number == [0xff; NUMBER]) {
            return Err(Damage::Count);
        }
        let dense: Dense<u64> = HdrDeserializer::new()
            .deserialize(&mut bytes)
            .map_err(|error| Damage::Payload(error.to_string()))?;
        Ok(Self::pack(values(&dense)))
    }
}

/// Checks a header against that of an empty histogram, from which only its length may differ.
fn check(header: [u8; HEADER], payload: usize) -> Result<(), Damage> {
    let own = &*EMPTY;
    if header[..LENGTH.start] != own[..LENGTH.start] {
        return Err(Damage::Cookie);
    }
    let [_, _, _, _, a, b, c, d, ..] = header;
    let expected = u32::from_be_bytes([a, b, c, d]);
    if expected as usize != payload {
        let found = payload;
        return Err(Damage::Length { found, expected });
    }
    if header[LENGTH.end..] != own[LENGTH.end..] {
        return Err(Damage::Bounds);
    }
    Ok(())
}

fn encode(dense: &Dense<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(dense, &mut bytes)
        .expect("invariant: writing to memory does not fail and counts fit");
    bytes
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("values", &self.iter().count())
            .finish()
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(self.encode()))
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
        Self::decode(&bytes).map_err(|error| damaged(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{super::Latency, *};

    fn read(text: &str) -> Result<Histogram, String> {
        serde_json::from_value(text.into()).map_err(|error: serde_json::Error| error.to_string())
    }

    fn text(histogram: &Histogram) -> String {
        let value = serde_json::to_value(histogram).unwrap();
        value.as_str().unwrap().to_owned()
    }

    /// Two values, as bytes.
    fn bytes() -> Vec<u8> {
        let mut latency = Latency::default();
        latency.record(Duration::from_millis(3), 70_000);
        latency.record(Duration::from_secs(7), 1);
        latency.histogram().encode()
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
            let mut added = Latency::default();
            added.add_known(&back);
            prop_assert_eq!(added, latency);
        }

        /// Whatever follows the header is read or refused, and neither panics nor makes room.
        #[test]
        fn any_counts_are_read_or_refused(payload in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xff)], 0..40)) {
            let _ = Histogram::decode(&with_payload(&payload));
        }
    }

    fn with_payload(payload: &[u8]) -> Vec<u8> {
        let mut header = bytes()[..HEADER].to_vec();
        let length = u32::try_from(payload.len()).unwrap();
        header[LENGTH].copy_from_slice(&length.to_be_bytes());
        [header.as_slice(), payload].concat()
    }

    #[test]
    fn a_histogram_without_values_is_whole() {
        assert_eq!(
            read(&text(&Histogram::default())).unwrap(),
            Histogram::default()
        );
    }

    /// As the format's description has it, computed by hand: so that recordings that exist are read,
    /// and written again as they were.
    #[test]
    fn the_text_of_a_histogram_is_that_of_hdr_histogram_v2() {
        let expected = "HISTEwAAAAkAAAAAAAAAAwAAAAAAAAABAAAAFB3XYAA/8AAAAAAAALcn4MUInbMBAg==";
        assert_eq!(BASE64_STANDARD.encode(bytes()), expected);
    }

    #[test]
    fn no_byte_of_a_header_can_change() {
        let whole = bytes();
        assert!(Histogram::decode(&whole).is_ok());
        for at in 0..HEADER {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let error = Histogram::decode(&damaged).unwrap_err();
                let expected = match at {
                    0..4 => matches!(error, Damage::Cookie),
                    4..8 => {
                        matches!(error, Damage::Length { found, .. } if found == whole.len() - HEADER)
                    }
                    _ => matches!(error, Damage::Bounds),
                };
                assert!(expected, "byte {at}: {error}");
            }
        }
    }

    #[test]
    fn no_byte_can_go_or_come() {
        let whole = bytes();
        for length in 0..whole.len() {
            assert!(Histogram::decode(&whole[..length]).is_err(), "{length}");
            let without = [&whole[..length], &whole[length + 1..]].concat();
            assert!(Histogram::decode(&without).is_err(), "{length}");
        }
        assert!(Histogram::decode(&[whole.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        let refused = |payload: &[u8]| Histogram::decode(&with_payload(payload)).unwrap_err();
        assert_eq!(refused(&[0xff; NUMBER]), Damage::Count);
        // A count cut off, and one beyond the highest value.
        let cut_off = refused(&[0x80]);
        assert!(matches!(cut_off, Damage::Payload(_)), "{cut_off}");
        let beyond = refused(&[0xff, 0xff, 0xff, 0x0f, 2]);
        assert!(matches!(beyond, Damage::Payload(_)), "{beyond}");
    }

    #[test]
    fn every_damage_is_an_error_that_says_so() {
        let whole = BASE64_STANDARD.encode(bytes());
        let first = format!("X{}", &whole[1..]);
        for damaged in [
            "",
            "!",
            "AAAA",
            &first,
            &whole[1..],
            &whole[..whole.len() - 4],
        ] {
            let error = read(damaged).unwrap_err();
            assert!(
                error.starts_with("a histogram is damaged: "),
                "{damaged}: {error}"
            );
        }
    }
}
