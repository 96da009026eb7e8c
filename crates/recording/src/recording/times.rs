//! How long each stream took to learn a change, in little room: so that the fan-out of a change that
//! several replicas saw can be computed exactly.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::leb128;

/// Ascending microseconds, packed: some 1.5 bytes a stream. In a line: base64 of their differences
/// in LEB128.
///
/// An instance can always be unpacked: what is read from a line is checked then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamTimes(Box<[u8]>);

// === impl StreamTimes ===

impl StreamTimes {
    /// Packs ascending microseconds.
    #[must_use]
    pub fn pack(ascending: impl IntoIterator<Item = u64>) -> Self {
        let mut bytes = Vec::new();
        let mut before = 0;
        for micros in ascending {
            leb128::push(micros.saturating_sub(before), &mut bytes);
            before = micros.max(before);
        }
        Self(bytes.into_boxed_slice())
    }

    /// The microseconds, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let (mut rest, mut before) = (&*self.0, 0_u64);
        std::iter::from_fn(move || {
            before += leb128::take(&mut rest)?;
            Some(before)
        })
    }

    fn unpacks(&self) -> bool {
        let (mut rest, mut before) = (&*self.0, 0_u64);
        while !rest.is_empty() {
            let next = leb128::take(&mut rest).and_then(|more| before.checked_add(more));
            let Some(next) = next else { return false };
            before = next;
        }
        true
    }
}

impl Serialize for StreamTimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for StreamTimes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text);
        let bytes = bytes.map_err(|error| de::Error::custom(format!("times: {error}")))?;
        let times = Self(bytes.into_boxed_slice());
        if !times.unpacks() {
            return Err(de::Error::custom("times: a number is cut off or too large"));
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<StreamTimes, serde_json::Error> {
        serde_json::from_value(text.into())
    }

    proptest! {
        #[test]
        fn what_is_packed_reads_back(mut times in proptest::collection::vec(any::<u64>(), 0..50)) {
            times.sort_unstable();
            let packed = StreamTimes::pack(times.clone());
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), times);
            let text = serde_json::to_value(&packed).unwrap();
            prop_assert_eq!(read(text.as_str().unwrap()).unwrap(), packed);
        }

        #[test]
        fn any_text_is_read_whole_or_refused(text in "[A-Za-z0-9+/]{0,64}") {
            if let Ok(times) = read(&text) {
                let _ = times.iter().count();
            }
        }
    }

    #[test]
    fn streams_that_learn_together_take_little_room() {
        let packed = StreamTimes::pack((0..1_000).map(|stream| 2_000 + stream * 3));
        assert!(packed.0.len() < 1_050, "{}", packed.0.len());
    }

    #[test]
    fn damaged_times_are_refused_with_the_reason() {
        let refused = |text| read(text).unwrap_err().to_string();
        assert_eq!(refused("gA=="), "times: a number is cut off or too large");
        assert!(refused("!gA=").starts_with("times: Invalid symbol 33"));
        // Two numbers whose sum is beyond 64 bits.
        let beyond = [[0xff; 9].as_slice(), &[1, 1]].concat();
        assert!(read(&BASE64_STANDARD.encode(beyond)).is_err());
    }
}
