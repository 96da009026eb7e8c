//! Buffers that are used again.
//!
//! A message of 100 addresses has 31 KB and comes in two frames, so it lies in a buffer of its own
//! for the moment between them. Freed and allocated again for each message of each stream, such
//! buffers cost more than what is copied into them: an allocator gives memory of that size back,
//! and the kernel clears it anew.

use std::cell::RefCell;

/// Buffers kept by each thread.
const MOST: usize = 16;
/// Larger ones are not kept.
const LARGEST: usize = 256 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for `capacity` bytes at least.
pub(super) fn take(capacity: usize) -> Vec<u8> {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.reserve(capacity);
    buffer
}

/// Gives a buffer back, whatever is in it.
pub(super) fn give(mut buffer: Vec<u8>) {
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MOST && (1..=LARGEST).contains(&buffer.capacity()) {
            spare.push(buffer);
        }
    });
}
