//! What each client is promised, and what it held: the promise and the ledgers.

pub mod endpoint;
pub mod kubernetes;
pub mod ledger;
pub mod promise;
pub mod update;
