//! The embedded cluster: what a run talks to when it is given no real one.
//!
//! Everything here is reached over the same wire types as a real cluster, so nothing outside this
//! module knows that it is being fooled.

pub mod kubernetes;
