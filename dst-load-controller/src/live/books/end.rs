//! What streams hold at an instant, over all Services.

use super::Books;
use crate::model::time::At;

// === impl Books ===

impl Books {
    /// Open streams that hold other than they are promised.
    #[must_use]
    pub fn streams_wrong(&self, at: At) -> u64 {
        let books = self.books.iter();
        books
            .map(|book| book.ledger.lock().end_state(at).streams_wrong)
            .sum()
    }
}
