//! The embedded Kubernetes API and the reference destination.

pub mod destination;
pub mod kubernetes;
pub mod throttle;
