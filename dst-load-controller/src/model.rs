//! Everything that can be said without waiting, asking the time or touching the outside.
//!
//! Nothing here is async, reads a clock, or knows kube, tonic or tokio: instants arrive as
//! [`time::At`], randomness as a seeded generator from [`seed`].

pub mod action;
pub mod authority;
pub mod check;
pub mod compare;
pub mod criteria;
pub mod endpoint;
pub mod fault;
pub mod federation;
pub mod flags;
mod html;
pub mod kubernetes;
pub mod ledger;
pub mod offset;
pub mod plan;
pub mod printable;
pub mod promise;
pub mod provocation;
pub mod quantile;
pub mod quantity;
pub mod recording;
pub mod report;
pub mod roster;
pub mod scenario;
pub mod seed;
pub mod statistics;
pub mod terminal;
pub mod time;
pub mod update;
pub mod verdict;
pub mod warning;
pub mod words;
