//! A Service's ClusterIP, as the observer last saw it.

use std::net::IpAddr;

/// A Service's ClusterIP, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterIp {
    /// The Service has not been seen.
    #[default]
    Unknown,
    /// It is headless, or stands for a name.
    Absent,
    /// It has this address.
    At(IpAddr),
}
