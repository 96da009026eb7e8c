//! The Destination streams: opened as proxies open them, read without keeping what is read.

pub mod decode;
pub mod dial;
pub mod fleet;
pub mod forward;
pub mod frames;
mod own_limit;
mod spare;
pub mod stream;
