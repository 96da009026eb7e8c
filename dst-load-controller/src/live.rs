//! What touches the outside: acts on Kubernetes, reads the one clock, serves metrics.
//!
//! Everything here takes its clients from [`crate::world`] and never knows whether they are real.

pub mod admin;
pub mod churn;
pub mod clock;
pub mod cluster;
pub mod kubernetes;
pub mod runtime;
