//! Runs, or parts of them, within the test: against the embedded Kubernetes and the reference
//! destination, in virtual time.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

mod acting;
mod backends;
mod determinism;
mod faults;
mod federated;
mod foreign;
mod forward;
mod plans;
mod properties;
mod proxies;
mod refused;
mod targets;
mod virtually;
mod watching;
