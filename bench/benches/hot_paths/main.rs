//! What happens for each message, address or event: the parts whose cost grows with the load.
//!
//! They are parts, in a warm process that does nothing else. What a whole run costs, and whether
//! that is much, the end-to-end benches say.

mod decode;
mod fan_out;
mod fold;
mod histogram;
mod ledger;
mod service;
mod slice_diff;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode::bench(&mut criterion);
    ledger::bench(&mut criterion);
    slice_diff::bench(&mut criterion);
    fold::bench(&mut criterion);
    histogram::bench(&mut criterion);
    fan_out::bench(&mut criterion);
    criterion.final_summary();
}
