//! A run's phases on one clock: churn, observe, record, serve.

pub mod admin;
pub mod check;
pub mod churn;
mod churner;
pub mod client;
pub mod client_metrics;
pub mod collect;
pub mod engine;
mod families;
mod journal;
pub mod live_page;
pub mod partner;
pub mod process_metrics;
pub mod profiles;
pub mod progress;
pub mod push;
pub mod recorder;
pub mod runtime;
pub mod snapshot;
pub mod watching;
