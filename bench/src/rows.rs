//! What is measured: a file for each thing that is done, which may make more than one row.

pub(crate) mod crowd;
pub(crate) mod decode;
pub(crate) mod opening;
pub(crate) mod runs;
pub(crate) mod updates;

use crate::load::Load;

/// The load of most rows: 25,000 streams.
pub(crate) const LOAD: Load = Load {
    services: 50,
    connections: 500,
};

/// Microseconds for each of `count`.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn micros_each(seconds: f64, count: u64) -> f64 {
    seconds * 1e6 / count.max(1) as f64
}
