//! Numbers in as few bytes as they need: seven bits a byte, the lowest first (LEB128).

/// Appends a number.
pub(crate) fn push(number: u64, bytes: &mut Vec<u8>) {
    let mut rest = number;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Takes the next number off; `None` if there is none, it is cut off, or beyond 64 bits.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0_u32);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        let moved = bits.checked_shl(shift)?;
        if moved >> shift != bits {
            return None;
        }
        number |= moved;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_pushed_is_taken(numbers in proptest::collection::vec(any::<u64>(), 0..20)) {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|&number| push(number, &mut bytes));
            let mut rest = bytes.as_slice();
            let taken: Vec<_> = std::iter::from_fn(|| take(&mut rest)).collect();
            prop_assert_eq!(taken, numbers);
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn what_is_cut_off_or_too_large_is_no_number() {
        assert_eq!(take(&mut &[][..]), None);
        assert_eq!(take(&mut &[0x80][..]), None);
        let mut largest = Vec::new();
        push(u64::MAX, &mut largest);
        assert_eq!(take(&mut largest.as_slice()), Some(u64::MAX));
        *largest.last_mut().unwrap() = 2;
        assert_eq!(take(&mut largest.as_slice()), None);
    }
}
