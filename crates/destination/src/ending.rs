//! How a stream ended: by whom, and under which name that is counted.
//!
//! What the server says in a gRPC status keeps its code. Whatever else ends a stream is named for
//! what happened on the wire: our libraries make gRPC codes of such ends that no peer has sent.

use std::{borrow::Cow, error::Error, io, sync::Arc, time::Duration};

use dst_load_oracle::ledger::EndedBy;
use dst_load_recording::recording::{OWN_LIMIT, OWN_SOCKETS};
use dst_load_scenario::printable::line;
use h2::Reason;
use tonic::{Code, Status};

use super::connection::{Connection, TransportError};

/// The end of one try of a stream that we did not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What happened.
    pub what: What,
    /// The peer's or the library's words, for logs.
    pub message: String,
}

/// What ended a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The server, with this status.
    Status(Code),
    /// The server, in an orderly way, on a connection for which it had sent GOAWAY(NO_ERROR): with
    /// status OK, or without having processed the request.
    Drained,
    /// The server's reset of this stream, or what it sent on it.
    Stream(Cow<'static, str>),
    /// The end of the connection, or that none could be made.
    Connection(Cow<'static, str>),
    /// A limit on this side, by the name under which it is recorded.
    OwnLimit(&'static str),
}

/// The end of a stream, and the connection that it was on, where that is known.
#[derive(Debug)]
pub struct Ended {
    ending: Ending,
    connection: Option<Arc<Connection>>,
}

/// What a peer sent that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str);

/// Set by h2 in the debug data of the GOAWAY that it sends when too many small frames lie unread.
const UNREAD: &str = "too_many_data_frames";

/// For how long after its end a stream waits for a GOAWAY that explains it: a server that shuts
/// down ends its streams and says so on each connection at the same time, in either order.
const GOAWAY_FOLLOWS: Duration = Duration::from_millis(100);

// === impl Ended ===

impl Ended {
    /// This end, on this connection.
    #[must_use]
    pub fn new(ending: Ending, connection: Option<Arc<Connection>>) -> Self {
        let mut ended = Self { ending, connection };
        ended.look();
        ended
    }

    /// What is known of it by now.
    #[must_use]
    pub const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Waits, at most for this long, for a GOAWAY that explains the end. Returns for how long.
    pub async fn settle(&mut self, at_most: Duration) -> Duration {
        if self.connection.is_none() || !self.ending.is_ok() {
            return Duration::ZERO;
        }
        let wait = at_most.min(GOAWAY_FOLLOWS);
        tokio::time::sleep(wait).await;
        self.look();
        wait
    }

    /// Looks whether the connection is being left, so that an end with status OK belongs to that.
    fn look(&mut self) {
        if self.ending.is_ok()
            && let Some(connection) = &self.connection
            && connection.goaway() == Some(Reason::NO_ERROR)
        {
            self.ending.what = What::Drained;
        }
    }
}

// === impl Ending ===

impl Ending {
    /// The end that the server's status says.
    #[must_use]
    pub fn status(status: &Status) -> Self {
        Self {
            what: What::Status(status.code()),
            message: line(status.message()),
        }
    }

    /// The end that a status of the transport's stands for.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let what = cause(status).unwrap_or(What::Status(status.code()));
        Self {
            what,
            message: line(status.message()),
        }
    }

    /// The end of a stream that was answered with another HTTP status than 200.
    #[must_use]
    pub fn http(status: http::StatusCode) -> Self {
        Self {
            what: What::Stream(format!("HTTP status {}", status.as_u16()).into()),
            message: status.to_string(),
        }
    }

    /// Who ended the stream: what we did not decide is the destination's, and of whatever lies
    /// between.
    #[must_use]
    pub const fn by(&self) -> EndedBy {
        match self.what {
            What::OwnLimit(_) => EndedBy::Us,
            _ => EndedBy::Destination,
        }
    }

    /// What an error is counted as; `None` if this is no error.
    #[must_use]
    pub fn error(&self) -> Option<Cow<'_, str>> {
        match &self.what {
            What::Status(Code::Ok) | What::Drained => None,
            What::Status(code) => Some(format!("{code:?}").into()),
            What::Stream(name) | What::Connection(name) => Some(Cow::Borrowed(name)),
            What::OwnLimit(name) => Some(Cow::Borrowed(name)),
        }
    }

    /// The code that the server sent, if it sent one.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self.what {
            What::Status(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the server ended the stream with status OK, and nothing explains why.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.what == What::Status(Code::Ok)
    }

    /// Whether the server says that asking again would not help, as a proxy sees it.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self.code(),
            Some(Code::InvalidArgument | Code::FailedPrecondition)
        )
    }

    /// Whether the connection went with the stream, or there was none.
    #[must_use]
    pub const fn ends_connection(&self) -> bool {
        matches!(self.what, What::Connection(_) | What::OwnLimit(_))
    }
}

impl From<Violation> for Ending {
    fn from(violation: Violation) -> Self {
        let name = format!("protocol violation: {}", violation.0);
        Self {
            message: name.clone(),
            what: What::Stream(name.into()),
        }
    }
}

/// What caused a status that was made on this side; `None` if it was not.
fn cause(status: &Status) -> Option<What> {
    let mut goaway = None;
    let mut cause = Error::source(status);
    while let Some(error) = cause {
        match error.downcast_ref::<TransportError>() {
            Some(TransportError::Unconnected { error, .. }) => return Some(unconnected(error)),
            Some(TransportError::Http2 { goaway: reason, .. }) => goaway = *reason,
            None => {}
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return Some(http2(error, goaway));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(What::Connection(broken(error.kind())));
        }
        cause = error.source();
    }
    None
}

/// What an HTTP/2 error is, on a connection for which the peer had sent GOAWAY with this reason.
fn http2(error: &h2::Error, goaway: Option<Reason>) -> What {
    if let Some(error) = error.get_io() {
        // A peer that says why it leaves, and then does.
        return What::Connection(match goaway {
            Some(reason) if reason != Reason::NO_ERROR => left(reason).into(),
            _ => broken(error.kind()),
        });
    }
    let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
    if error.is_remote() && error.is_go_away() {
        return if reason == Reason::NO_ERROR {
            What::Drained
        } else {
            What::Connection(left(reason).into())
        };
    }
    if error.is_remote() {
        return if reason == Reason::REFUSED_STREAM && goaway == Some(Reason::NO_ERROR) {
            What::Drained
        } else {
            What::Stream(format!("reset by peer (RST_STREAM {reason:?})").into())
        };
    }
    if error.is_library()
        && reason == Reason::ENHANCE_YOUR_CALM
        && error.to_string().contains(UNREAD)
    {
        return What::OwnLimit(OWN_LIMIT);
    }
    let name = format!("protocol violation: HTTP/2 {reason:?}");
    if error.is_reset() {
        What::Stream(name.into())
    } else {
        What::Connection(name.into())
    }
}

fn left(reason: Reason) -> String {
    format!("connection closed by peer (GOAWAY {reason:?})")
}

/// How a connection broke.
fn broken(kind: io::ErrorKind) -> Cow<'static, str> {
    match kind {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "connection reset".into()
        }
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::NotConnected
        | io::ErrorKind::WriteZero => "connection closed".into(),
        kind => format!("connection lost ({kind})").into(),
    }
}

/// Why there is no connection.
fn unconnected(error: &io::Error) -> What {
    if is_own_shortage(error) {
        return What::OwnLimit(OWN_SOCKETS);
    }
    What::Connection(format!("cannot connect ({})", error.kind()).into())
}

/// Whether this machine, and not the destination, has no connection to give.
fn is_own_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const SHORT_OF: [Errno; 5] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
    ];
    Errno::from_io_error(error).is_some_and(|errno| SHORT_OF.contains(&errno))
}

#[cfg(test)]
mod tests;
