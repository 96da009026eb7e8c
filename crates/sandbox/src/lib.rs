//! The embedded Kubernetes API and the reference destination.

pub mod destination;
mod index;
pub mod kubernetes;
pub mod throttle;
