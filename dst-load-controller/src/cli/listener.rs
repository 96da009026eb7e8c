//! Where is written to as long as somebody reads it.

use std::io::{self, ErrorKind, Write};

use rustix::io::Errno;

/// Writes while somebody listens. Whoever reads no further, as `head` does, has had what they
/// wanted, and a terminal may be closed: neither may change what an exit code says, nor end a run.
/// Other errors, as of a full disk, are errors.
#[derive(Debug)]
pub(super) struct Listener<W> {
    /// `None` when nobody listens any more.
    to: Option<W>,
    terminal: bool,
}

// === impl Listener ===

impl<W: Write> Listener<W> {
    /// Of a `terminal` an error of input and output says that it was closed; of a file it says that
    /// its disk is broken.
    pub(super) const fn new(to: W, terminal: bool) -> Self {
        Self {
            to: Some(to),
            terminal,
        }
    }

    /// What `write` comes to; `unheard` when nobody listens.
    fn heard<T>(
        &mut self,
        unheard: T,
        write: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(to) = &mut self.to else {
            return Ok(unheard);
        };
        match write(to) {
            Err(error)
                if error.kind() == ErrorKind::BrokenPipe
                    || self.terminal && Errno::from_io_error(&error) == Some(Errno::IO) =>
            {
                self.to = None;
                Ok(unheard)
            }
            done => done,
        }
    }
}

impl<W: Write> Write for Listener<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.heard((), Write::flush)
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
        let mut listener = Listener::new(&mut bytes, false);
        writeln!(listener, "here").unwrap();
        listener.flush().unwrap();
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
            let mut listener = Listener::new(Failing(errno), terminal);
            assert_eq!(writeln!(listener, "there").is_ok(), passes, "{errno}");
            assert_eq!(listener.flush().is_ok(), passes, "{errno}");
        }
    }
}
