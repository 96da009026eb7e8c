//! What is asked for: a file and flags become a `Scenario`, and that a `Plan`.

pub mod action;
pub mod authority;
pub mod criteria;
pub mod derive;
pub mod fault;
pub mod federation;
pub mod flags;
pub mod pattern;
pub mod plan;
pub mod printable;
pub mod published;
pub mod quantile;
pub mod quantity;
pub mod roster;
pub mod scenario;
pub mod seed;
pub mod stale_state;
pub mod targets;
pub mod time;
pub mod words;
