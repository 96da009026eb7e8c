//! What is known of streams that are closed.

use super::*;

#[test]
fn a_closed_stream_says_who_ended_it_and_when_it_is_sent_again_until_it_is() {
    let mut story = Story::with_streams(2);
    let ledger = &mut story.ledger;
    assert_eq!(ledger.retry_due(0), None, "it is open");
    for (closed, by) in [(2_000, EndedBy::Destination), (4_000, EndedBy::Us)] {
        ledger.stream_closed(0, ms(closed), by);
        assert_eq!(ledger.retry_due(0), None, "nobody has said when");
        ledger.stream_retries(0, ms(closed + 100));
        assert_eq!(ledger.retry_due(0), Some((ms(closed + 100), by)));
        assert_eq!(ledger.retry_due(1), None, "the other one is open");
        ledger.stream_sent(0, ms(closed + 101));
        assert_eq!(ledger.retry_due(0), None, "it is open again");
    }
}

#[test]
fn a_stream_that_is_never_sent_again_has_no_next_try() {
    let mut story = Story::with_streams(1);
    story
        .ledger
        .stream_closed(0, ms(2_000), EndedBy::Destination);
    assert_eq!(story.ledger.retry_due(0), None);
    // Of an open stream nobody can say so.
    story.ledger.stream_sent(0, ms(2_100));
    story.ledger.stream_retries(0, ms(2_200));
    assert_eq!(story.ledger.retry_due(0), None);
}
