//! The commands: each composes the inner rings and is read as a sentence.

pub mod churn;
pub mod cleanup;
