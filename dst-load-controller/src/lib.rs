//! Measures Linkerd's destination controller: who learnt each endpoint change when, whether every
//! client ended up right, and what that cost.
//!
//! ```text
//! scenario ─▶ plan ─▶ action ─▶ Kubernetes ─▶ change ─┐
//!  intent     when     verb     real|sandbox   cause   ├─▶ observation ─▶ statistics ─▶ verdict ─▶ report
//!                      destination ─────────▶ update ──┘     pairing        numbers     judgement    words
//! ```
//!
//! The crates of `crates/` do that, a room each; this one composes them into commands.

pub mod cli;
pub mod exit;
