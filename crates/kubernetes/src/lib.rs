//! Acts on Kubernetes, and observes it.

pub mod actor;
pub mod observer;
