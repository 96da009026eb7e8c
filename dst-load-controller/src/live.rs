//! I/O: acts on Kubernetes, holds streams, reads the one clock, writes what was seen.

pub mod recorder;
