//! Claims about the metrics.
