//! Claims about watching alone.
