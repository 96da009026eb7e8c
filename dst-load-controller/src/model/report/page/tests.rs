//! Claims about what the page shows.
