//! The reference destination against the rules it pictures.

mod service;
mod support;
