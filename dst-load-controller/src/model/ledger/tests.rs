//! Claims about the ledger.
