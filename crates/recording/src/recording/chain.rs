//! The checksums by which a recording proves that it is whole.
//!
//! Each line ends in `,"sum":"<16 hex digits>"}`: the start of the SHA-256 of the sum of the line
//! before (nothing before the first) and of this line up to that comma. So no line can change,
//! move, appear or vanish without a sum that differs, in it or in the next. A file that ends early
//! has no line of the kind `end`, whose [`Totals`] say what came before it.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::{Line, Totals};

/// Hex digits of a sum.
const DIGITS: usize = 16;
/// What stands between a line and its sum, and after it.
const BEFORE: &[u8] = b",\"sum\":\"";
const AFTER: &[u8] = b"\"}";

/// The sum so far, and what the lines add up to: what the next line continues.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    sum: Option<[u8; DIGITS]>,
    totals: Totals,
}

/// A line's text without its sum: what lines of one instant are ordered by.
pub type LineText = Vec<u8>;

// === impl Chain ===

impl Chain {
    /// Encodes a line, without its sum.
    ///
    /// # Errors
    /// If the line holds what no recording may, such as a number that is not finite.
    pub fn encode(line: &Line) -> io::Result<LineText> {
        line.validate(None)
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))?;
        Ok(serde_json::to_vec(line)?)
    }

    /// Writes a line with its sum.
    ///
    /// # Errors
    /// As [`Self::encode`]; if writing fails.
    pub fn write(&mut self, line: &mut Line, out: &mut impl Write) -> io::Result<()> {
        let text = Self::encode(line)?;
        self.append(line, &text, out)
    }

    /// As [`Self::write`], of a line that was encoded. The end gets the totals of all lines before.
    ///
    /// # Errors
    /// If writing fails.
    pub fn append(&mut self, line: &mut Line, text: &[u8], out: &mut impl Write) -> io::Result<()> {
        let encoded;
        let text = if let Line::End(end) = line {
            end.totals = Some(self.totals);
            encoded = Self::encode(line)?;
            &encoded
        } else {
            text
        };
        let body = text.strip_suffix(b"}").unwrap_or(text);
        let sum = self.next(body);
        self.totals.add(line);
        let mut whole = Vec::with_capacity(body.len() + BEFORE.len() + DIGITS + AFTER.len() + 1);
        for part in [body, BEFORE, &sum, AFTER, b"\n"] {
            whole.extend_from_slice(part);
        }
        out.write_all(&whole)
    }

    /// What the lines so far add up to.
    pub(super) const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether a line's text ends in the sum that continues this chain; `None` if it ends in none.
    pub(super) fn check(&mut self, text: &[u8]) -> Option<bool> {
        let rest = text.strip_suffix(AFTER)?;
        let (rest, found) = rest.split_last_chunk::<DIGITS>()?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let body = rest.strip_suffix(BEFORE)?;
        found
            .iter()
            .all(is_digit)
            .then(|| self.next(body) == *found)
    }

    /// Counts a line that was checked.
    pub(super) fn count(&mut self, line: &Line) {
        self.totals.add(line);
    }

    fn next(&mut self, body: &[u8]) -> [u8; DIGITS] {
        let mut hash = Sha256::new();
        hash.update(self.sum.as_ref().map_or(&[][..], |sum| &sum[..]));
        hash.update(body);
        let mut sum = [0; DIGITS];
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 0xf)];
        for (digits, byte) in sum.chunks_exact_mut(2).zip(hash.finalize()) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte)]);
        }
        self.sum = Some(sum);
        sum
    }
}
