//! Ring 2: acts, watches and times. It knows a [`crate::world::World`], never which one.

pub mod clock;
pub mod destination;
