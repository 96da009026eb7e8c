//! The embedded stand-ins for the two remote systems: they do what the real ones do, as far as
//! this tool can see, and nothing else. Nothing here knows who measures it, and nothing outside
//! knows that it is talking to them: they are reached over the same wire types.

pub mod destination;
pub mod kubernetes;
pub mod throttle;
