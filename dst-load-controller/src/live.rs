//! Ring 2: acts, watches and times. It knows a [`crate::world::World`], never which one.

pub mod admin;
pub mod check;
pub mod churn;
pub mod client;
pub mod client_metrics;
pub mod clock;
pub mod cluster;
pub mod collect;
pub mod connect;
pub mod destination;
pub mod discovery;
pub mod engine;
pub mod files;
pub mod http;
pub mod journal;
pub mod kubernetes;
pub mod live_page;
#[cfg(test)]
pub(crate) mod mock;
pub mod observer;
pub mod partner;
pub mod process_metrics;
pub mod profiles;
pub mod progress;
pub mod prometheus;
pub mod push;
pub mod recorder;
pub mod retry;
pub mod runtime;
pub mod snapshot;
pub mod target;
