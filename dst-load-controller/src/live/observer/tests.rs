//! Claims about the observer.
