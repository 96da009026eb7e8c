//! Measures Linkerd's destination controller: who learnt each endpoint change when, whether every
//! client ended up right, and what that cost.
//!
//! ```text
//! scenario ─▶ plan ─▶ action ─▶ Kubernetes ─▶ change ─┐
//!  intent     when     verb     live|sandbox   cause   ├─▶ observation ─▶ statistics ─▶ verdict ─▶ report
//!                      destination ─────────▶ update ──┘     pairing        numbers     judgement    words
//! ```
//!
//! Rings, and a module imports only inward: [`model`] is pure, [`world`] is the seam and [`listen`]
//! what servers share, [`live`] and [`sandbox`] do I/O and never see each other, [`cli`] composes
//! them.

pub mod cli;
pub mod exit;
pub mod listen;
pub mod live;
pub mod model;
#[cfg(test)]
mod published;
pub mod sandbox;
pub mod world;
