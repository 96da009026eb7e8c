//! A run as data: lines, histograms, merge, statistics.

pub mod offset;
pub mod recording;
pub mod statistics;
pub mod warning;
