//! Claims about the fleet.
