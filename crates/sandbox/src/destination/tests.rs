//! The reference destination against the rules it pictures.

mod defects;
mod directory;
mod encoding;
mod faults;
mod metrics;
mod offline;
mod oracle;
mod policy;
mod profiles;
mod properties;
mod service;
mod support;
mod watching;
