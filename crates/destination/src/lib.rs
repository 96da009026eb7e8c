//! Holds Destination streams, and scrapes the controller.

pub mod address;
mod balance;
mod connection;
pub mod counters;
pub mod decode;
pub mod dial;
pub mod discovery;
pub mod ending;
pub mod fleet;
pub mod forward;
pub mod frames;
mod lone_name;
pub mod pods;
pub mod prometheus;
mod roster;
mod spare;
pub mod stream;
pub mod target;
#[cfg(test)]
mod tests;
