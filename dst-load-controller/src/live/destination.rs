//! The Destination streams: opened as proxies open them, read without keeping what is read.

pub mod address;
mod connection;
pub mod counters;
pub mod decode;
pub mod dial;
pub mod ending;
pub mod fleet;
pub mod forward;
pub mod frames;
mod spare;
pub mod stream;
#[cfg(test)]
mod tests;
