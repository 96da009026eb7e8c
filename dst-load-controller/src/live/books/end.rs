//! What streams hold at an instant, and what explains it, over all Services.

use super::Books;
use crate::model::time::At;

// === impl Books ===

impl Books {
    /// The oldest update that nothing explains, of those that would be wrong if nothing did.
    #[must_use]
    pub fn unexplained_since(&self) -> Option<At> {
        let books = self.books.iter();
        books
            .filter_map(|book| book.ledger.lock().unexplained_since())
            .min()
    }

    /// A consistent read that was asked for at `asked` agrees with all that the observers have seen.
    pub fn contradict(&self, asked: At) {
        for book in &self.books {
            book.ledger.lock().contradict(asked);
        }
    }

    /// Open streams that hold other than they are promised.
    #[must_use]
    pub fn streams_wrong(&self, at: At) -> u64 {
        let books = self.books.iter();
        books
            .map(|book| book.ledger.lock().end_state(at).streams_wrong)
            .sum()
    }
}
