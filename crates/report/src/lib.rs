//! Data as words: criteria, verdict, report, comparison, pages.

pub mod check;
pub mod compare;
mod document;
pub mod report;
pub mod terminal;
pub mod verdict;
