//! How many files this process may have open: each connection is one; and reading small ones.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The largest file with settings, credentials or certificates that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Files that are open beside the connections to the destination: logs, the recording, the API's
/// connections, and the fewest connections that the admin server has.
const OTHERS: u64 = 64;

/// There may not be enough of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{connections} connections to the destination need {} open files, and this process may have \
     {limit}: {}",
    self.wanted(), self.remedy()
)]
pub struct TooFewFiles {
    /// Connections that are wanted.
    pub connections: u64,
    /// Files that may be open.
    pub limit: u64,
}

// === impl TooFewFiles ===

impl TooFewFiles {
    const fn wanted(self) -> u64 {
        needed(self.connections)
    }

    /// What would help.
    #[must_use]
    pub fn remedy(self) -> String {
        let wanted = self
            .wanted()
            .checked_next_power_of_two()
            .unwrap_or(u64::MAX);
        format!(
            "raise the hard limit (ulimit -Hn {wanted}), or let clients share connections \
             (--connections)"
        )
    }
}

/// All of a file that somebody names: settings, credentials, certificates.
///
/// # Errors
/// If it cannot be read, or is larger than any of these.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("it has more than {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Raises the soft limit as far as the hard one lets it. The soft one of many systems is 1,024, for
/// the sake of programs that call select(2).
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if raised.current != limit.current
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::debug!(%error, "limit of open files not raised");
    }
}

/// How many files a process with this many connections to the destination needs.
#[must_use]
pub const fn needed(connections: u64) -> u64 {
    connections.saturating_add(OTHERS)
}

/// How many files may be open; `None` if there is no limit.
#[must_use]
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Whether there may be this many connections to the destination.
///
/// # Errors
/// If not.
pub fn enough_for(connections: u64) -> Result<(), TooFewFiles> {
    within(limit(), connections)
}

fn within(limit: Option<u64>, connections: u64) -> Result<(), TooFewFiles> {
    let few = limit.map(|limit| TooFewFiles { connections, limit });
    few.filter(|it| it.limit < it.wanted()).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        let error = read("/dev/zero").unwrap_err().to_string();
        assert_eq!(error, "it has more than 16777216 bytes");
        assert_eq!(read("/dev/null").unwrap(), b"");
    }

    #[test]
    fn too_few_are_told_with_how_many_would_do() {
        assert_eq!(within(Some(564), 500), Ok(()));
        assert_eq!(within(None, u64::MAX), Ok(()));
        let error = within(Some(563), 500).unwrap_err().to_string();
        assert_eq!(
            error,
            "500 connections to the destination need 564 open files, and this process may have 563: \
             raise the hard limit (ulimit -Hn 1024), or let clients share connections (--connections)"
        );
    }
}
