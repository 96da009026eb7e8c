//! The promise to each client, and the ledgers of what each held: which streams learnt which change
//! when.

pub mod endpoint;
pub mod kubernetes;
pub mod ledger;
pub mod promise;
pub mod update;
