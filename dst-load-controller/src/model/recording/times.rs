//! How long each stream took to learn a change, in little room: so that the fan-out of a change that
//! several replicas saw can be told exactly.

use base64::{Engine, prelude::BASE64_STANDARD};

/// Ascending microseconds as base64 of LEB128 differences: some 1.5 bytes a stream.
#[must_use]
pub(super) fn encode(ascending: impl IntoIterator<Item = u64>) -> String {
    let mut bytes = Vec::new();
    let mut before = 0;
    for micros in ascending {
        let mut rest = micros.saturating_sub(before);
        before = micros.max(before);
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    BASE64_STANDARD.encode(bytes)
}

/// What was encoded; `None` if that is not how it came about.
#[must_use]
pub(super) fn decode(text: &str) -> Option<Vec<u64>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (mut all, mut before) = (Vec::new(), 0_u64);
    let (mut number, mut shift) = (0_u64, 0_u32);
    for byte in bytes {
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.checked_add(number)?;
            all.push(before);
            (number, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(mut times in proptest::collection::vec(any::<u64>(), 0..50)) {
            times.sort_unstable();
            prop_assert_eq!(decode(&encode(times.clone())), Some(times));
        }

        #[test]
        fn no_text_is_too_much(text in "[A-Za-z0-9+/]{0,64}") {
            let _ = decode(&text);
        }
    }

    #[test]
    fn streams_that_learn_together_take_little_room() {
        let text = encode((0..1_000).map(|stream| 2_000 + stream * 3));
        assert!(text.len() < 1_400, "{}", text.len());
        assert_eq!(decode("gA=="), None);
    }
}
