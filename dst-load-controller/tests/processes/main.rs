//! The built tool, as a process: what it prints, how it exits, what it leaves behind.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

mod ab;
mod cli;
mod clusters;
mod endings;
mod exits;
mod from_metrics;
mod hostile;
mod outside;
mod outsiders;
mod running;
mod sandbox;
mod served;
mod stalled;
mod tool;
