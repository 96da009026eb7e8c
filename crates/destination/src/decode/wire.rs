//! The protobuf wire format (https://protobuf.dev/programming-guides/encoding), field by field.
//!
//! prost reads and skips any kind of buffer, a byte at a time; this reads a slice. An update of 100
//! addresses has some 2,000 fields, nearly all of which are passed over.

use prost::encoding::{DecodeContext, WireType, skip_field};

use super::DecodeError;

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'a>(&'a [u8]);

/// What a field begins with: its number and how its value is written.
pub(super) type Key = u64;

const VARINT: Key = 0;
const FIXED64: Key = 1;
const DELIMITED: Key = 2;
const GROUP: Key = 3;
const FIXED32: Key = 5;

/// The key of a varint.
pub(super) const fn varint(field: Key) -> Key {
    field << 3 | VARINT
}

/// The key of a `fixed32`.
pub(super) const fn fixed32(field: Key) -> Key {
    field << 3 | FIXED32
}

/// The key of a `fixed64`.
pub(super) const fn fixed64(field: Key) -> Key {
    field << 3 | FIXED64
}

/// The key of a message, a string, or bytes.
pub(super) const fn delimited(field: Key) -> Key {
    field << 3 | DELIMITED
}

// === impl Wire ===

impl<'a> Wire<'a> {
    pub(super) const fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The next field's key; `None` at the end. Its value must be read or skipped next.
    #[inline(always)]
    pub(super) fn key(&mut self) -> Result<Option<Key>, DecodeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        self.varint().map(Some)
    }

    /// Seven bits a byte, the lowest first, ten bytes at most.
    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        if let [byte @ 0..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for (index, byte) in (0..10).zip(self.0) {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                // The tenth has one bit left.
                if index == 9 && *byte > 1 {
                    break;
                }
                self.0 = &self.0[index + 1..];
                return Ok(number);
            }
        }
        Err(DecodeError::Malformed)
    }

    #[inline(always)]
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (fixed, rest) = self.0.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*fixed)
    }

    #[inline(always)]
    pub(super) fn delimited(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
        let (field, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(field)
    }

    /// Passes over the value of a field that nobody reads.
    #[inline(always)]
    pub(super) fn skip(&mut self, key: Key) -> Result<(), DecodeError> {
        match key & 7 {
            DELIMITED => self.delimited().map(drop),
            VARINT => self.varint().map(drop),
            _ => self.skip_seldom(key),
        }
    }

    #[inline(never)]
    fn skip_seldom(&mut self, key: Key) -> Result<(), DecodeError> {
        match key & 7 {
            FIXED64 => self.fixed::<8>().map(drop),
            FIXED32 => self.fixed::<4>().map(drop),
            // No message of the Destination API has one.
            GROUP => {
                let number = u32::try_from(key >> 3).map_err(|_| DecodeError::Malformed)?;
                let context = DecodeContext::default();
                skip_field(WireType::StartGroup, number, &mut self.0, context)
                    .map_err(|_| DecodeError::Malformed)
            }
            _ => Err(DecodeError::Malformed),
        }
    }
}
