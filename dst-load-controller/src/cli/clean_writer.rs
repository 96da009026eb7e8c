//! The last line of defence of what commands print: nothing in it steers a terminal.

use std::io::{self, Write};

use dst_load_scenario::printable::part;

/// Makes visible what could steer a terminal. Each write must be whole characters, as those of
/// formatted text are.
#[derive(Debug)]
pub(super) struct CleanWriter<W> {
    to: W,
    coloured: bool,
}

// === impl CleanWriter ===

impl<W: Write> CleanWriter<W> {
    /// Only where it may be `coloured`, the tool's colours stay.
    pub(super) const fn new(to: W, coloured: bool) -> Self {
        Self { to, coloured }
    }
}

impl<W: Write> Write for CleanWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let clean = part(&text, self.coloured);
        self.to.write_all(clean.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_steers_no_terminal() {
        let mut bytes = Vec::new();
        let mut clean = CleanWriter::new(&mut bytes, false);
        let said = "\u{1b}[2J\u{202e}";
        writeln!(clean, "warning: {said}ü").unwrap();
        clean.flush().unwrap();
        assert_eq!(bytes, "warning: \\u{1b}[2J\\u{202e}ü\n".as_bytes());
    }
}
