//! The repository itself: its crates, its scripts, and what its documents say.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

mod command_lines;
mod evidence;
mod reference;
mod rings;
mod scripts;
mod tidy;
