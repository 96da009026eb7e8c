//! Output to a pipe or a terminal that may be closed.

use std::io::{self, ErrorKind, Write};

use rustix::io::Errno;

/// A writer that discards its input once the reader has closed the pipe, as `head` does, or the
/// terminal is closed: neither changes the exit code, nor ends a run. Other errors, as of a full
/// disk, are errors.
#[derive(Debug)]
pub(super) struct PipeTolerantWriter<W> {
    /// `None` once the reader has closed it.
    to: Option<W>,
    terminal: bool,
}

// === impl PipeTolerantWriter ===

impl<W: Write> PipeTolerantWriter<W> {
    /// Of a `terminal`, `EIO` means that it was closed; of a file, that its disk is broken.
    pub(super) const fn new(to: W, terminal: bool) -> Self {
        Self {
            to: Some(to),
            terminal,
        }
    }

    /// The result of `write`; `discarded` once the reader has closed it.
    fn unless_closed<T>(
        &mut self,
        discarded: T,
        write: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(to) = &mut self.to else {
            return Ok(discarded);
        };
        match write(to) {
            Err(error)
                if error.kind() == ErrorKind::BrokenPipe
                    || self.terminal && Errno::from_io_error(&error) == Some(Errno::IO) =>
            {
                self.to = None;
                Ok(discarded)
            }
            done => done,
        }
    }
}

impl<W: Write> Write for PipeTolerantWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails with this error.
    struct Failing(Errno);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn what_is_written_arrives() {
        let mut bytes = Vec::new();
        let mut writer = PipeTolerantWriter::new(&mut bytes, false);
        writeln!(writer, "here").unwrap();
        writer.flush().unwrap();
        assert_eq!(bytes, b"here\n");
    }

    #[test]
    fn who_has_left_is_no_error_and_a_broken_disk_is() {
        for (errno, terminal, passes) in [
            (Errno::PIPE, false, true),
            (Errno::PIPE, true, true),
            (Errno::IO, true, true),
            (Errno::IO, false, false),
            (Errno::NOSPC, true, false),
            (Errno::NOSPC, false, false),
        ] {
            let mut writer = PipeTolerantWriter::new(Failing(errno), terminal);
            assert_eq!(writeln!(writer, "there").is_ok(), passes, "{errno}");
            assert_eq!(writer.flush().is_ok(), passes, "{errno}");
        }
    }
}
