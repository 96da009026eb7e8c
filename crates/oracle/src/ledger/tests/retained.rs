//! What streams keep while they are opened again, as a proxy does.

use super::*;

/// Streams that hold endpoints 1 and 2, and live as this says.
fn living(lifecycle: Lifecycle, streams: u32) -> Story {
    let limits = Limits {
        lifecycle,
        ..DEADLINE.into()
    };
    Story::within(limits, streams)
}

fn proxies(streams: u32) -> Story {
    living(Lifecycle::Proxy, streams)
}

fn counts(kept: u64, streams: u64, stale_ms: u64, longest_ms: u64) -> RetainedCounts {
    RetainedCounts {
        kept,
        streams,
        stale_seconds: Duration::from_millis(stale_ms).as_secs_f64(),
        longest_us: longest_ms * 1_000,
    }
}

impl Story {
    /// The stream is opened again and gets no answer, as often as a proxy tries.
    fn silence(&mut self, stream: StreamId, from: u64, tries: u64) {
        for sent in (0..tries).map(|number| from + number * 4_000) {
            self.ledger.stream_sent(stream, ms(sent));
            self.ledger.expire(ms(sent + 1_500));
            self.ledger
                .stream_closed(stream, ms(sent + 3_000), EndedBy::Us);
            self.ledger.stream_retries(stream, ms(sent + 4_000));
        }
    }

    fn retained(&mut self) -> RetainedCounts {
        self.ledger.take_outbox().retained
    }

    fn still(&self, at: u64) -> RetainedCounts {
        self.ledger.end_state(ms(at)).retained.unwrap()
    }
}

#[test]
fn whoever_ended_it_a_stream_keeps_its_endpoints_until_an_add() {
    for by in [EndedBy::Us, EndedBy::Destination] {
        let mut story = proxies(1);
        story.ledger.stream_closed(0, ms(1_000), by);
        story.ledger.stream_retries(0, ms(1_100));
        story.promised(ms(1_050), &[2]);
        assert_eq!(story.still(1_090), counts(1, 1, 40, 40));
        story.ledger.stream_sent(0, ms(1_100));
        story.ledger.update(0, ms(1_110), &add(&[2]));
        // Endpoint 1 was kept for 60 ms after it was gone, and endpoint 2 never was gone.
        assert_eq!(story.retained(), counts(1, 1, 60, 60), "{by:?}");
        assert_eq!(story.still(9_000), RetainedCounts::default());
        assert_eq!(story.end(), (0, 0, 0, 0));
    }
}

#[test]
fn silence_leaves_them_and_is_no_wrong_end_state() {
    for by in [EndedBy::Us, EndedBy::Destination] {
        let mut story = proxies(1);
        story.ledger.stream_closed(0, ms(1_000), by);
        story.promised(ms(1_040), &[]);
        story.silence(0, 1_100, 3);
        let outbox = story.ledger.take_outbox();
        assert_eq!(outbox.retained, counts(1, 1, 0, 0));
        assert_eq!(outbox.counts.stale_seconds.to_bits(), 0, "{by:?}");
        // Two endpoints, since they were gone: the time goes on over all tries.
        let end = story.ledger.end_state(ms(21_040));
        assert_eq!(end.retained, Some(counts(1, 1, 40_000, 20_000)), "{by:?}");
        assert_eq!((end.streams_wrong, end.stale), (0, 0), "{by:?}");
        assert_eq!(end.stale_seconds.to_bits(), 0);
        story.promised(ms(31_040), &[3]);
        story.ledger.stream_sent(0, ms(32_000));
        story.ledger.update(0, ms(32_040), &add(&[3]));
        assert_eq!(story.retained(), counts(0, 0, 62_000, 31_000), "{by:?}");
    }
}

#[test]
fn what_was_gone_before_the_stream_ended_is_kept_from_its_end_on() {
    let mut story = proxies(1);
    // The controller never sends the removal: until the stream ends, that is the controller's.
    story.promised(ms(1_000), &[2]);
    story.ledger.stream_closed(0, ms(1_400), EndedBy::Us);
    story.ledger.stream_retries(0, ms(1_500));
    story.ledger.stream_sent(0, ms(1_500));
    story.ledger.update(0, ms(1_520), &add(&[2]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.retained, counts(1, 1, 120, 120));
    assert!((outbox.counts.stale_seconds - 0.4).abs() < 1e-9);
}

#[test]
fn what_the_new_streams_snapshot_has_is_sent_by_the_controller() {
    for by in [EndedBy::Us, EndedBy::Destination] {
        let mut story = proxies(1);
        story.ledger.stream_closed(0, ms(1_000), by);
        story.ledger.stream_retries(0, ms(1_100));
        story.promised(ms(1_050), &[2]);
        story.ledger.stream_sent(0, ms(1_100));
        story.ledger.update(0, ms(1_110), &add(&[1, 2]));
        let outbox = story.ledger.take_outbox();
        assert_eq!(outbox.retained, counts(1, 1, 60, 60));
        let end = story.ledger.end_state(ms(61_110));
        assert_eq!((end.streams_wrong, end.stale), (1, 1), "{by:?}");
        assert!((end.stale_seconds - 60.0).abs() < 1e-9, "{by:?}");
        assert_eq!(end.retained, Some(RetainedCounts::default()));
    }
}

#[test]
fn a_controller_that_is_silent_about_endpoints_that_are_promised_is_wrong() {
    let mut story = proxies(1);
    story.ledger.stream_closed(0, ms(1_000), EndedBy::Us);
    story.silence(0, 1_100, 2);
    let end = story.ledger.end_state(ms(20_000));
    assert_eq!((end.streams_wrong, end.missing), (1, 2));
    // It keeps them, and they are promised.
    assert_eq!(end.retained, Some(counts(1, 0, 0, 0)));
}

#[test]
fn an_endpoint_that_comes_back_while_it_is_kept_is_there_already() {
    let mut story = proxies(1);
    story.ledger.stream_closed(0, ms(1_000), EndedBy::Us);
    story.promised(ms(1_040), &[]);
    story.silence(0, 1_100, 1);
    story.promised(ms(4_540), &[1]);
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.retained, counts(1, 1, 3_500, 3_500));
    let had = FirstEndpoint {
        latency: Duration::ZERO,
        never: false,
        between_tries: true,
    };
    assert_eq!(outbox.first_endpoints, [had]);
    assert_eq!(outbox.deliveries, []);
    // The other one is still kept, and gone.
    assert_eq!(story.still(11_040), counts(1, 1, 10_000, 10_000));
    // It goes a second time: that is another time, of the same stream.
    story.promised(ms(12_040), &[]);
    assert_eq!(story.still(13_040), counts(1, 1, 13_000, 12_000));
    assert_eq!(story.retained(), RetainedCounts::default());
}

#[test]
fn only_what_a_proxy_reads_replaces_them() {
    let none = |exists| Update::NoEndpoints { exists };
    let first = [
        (add(&[]), false),
        (remove(&[1]), false),
        (none(true), true),
        (none(false), true),
        (add(&[3]), true),
    ];
    for (update, replaces) in first {
        let mut story = proxies(1);
        story.ledger.stream_closed(0, ms(1_000), EndedBy::Us);
        story.promised(ms(1_000), &[3]);
        story.ledger.stream_sent(0, ms(1_100));
        story.ledger.update(0, ms(1_200), &update);
        let kept = story.still(1_200).kept;
        assert_eq!(kept == 0, replaces, "{update:?}");
    }
}

#[test]
fn a_stream_that_is_refused_for_good_keeps_nothing() {
    let mut story = proxies(1);
    story
        .ledger
        .stream_closed(0, ms(1_000), EndedBy::Destination);
    story.promised(ms(1_040), &[]);
    story.ledger.stream_refused(0, ms(1_050));
    assert_eq!(story.retained(), counts(1, 1, 20, 10));
    assert_eq!(story.still(9_000), RetainedCounts::default());
}

#[test]
fn a_stream_that_had_nothing_keeps_nothing() {
    let mut story = proxies(1);
    story.promised(ms(1_000), &[]);
    story.ledger.update(0, ms(1_001), &remove(&[1, 2]));
    story.ledger.stream_closed(0, ms(2_000), EndedBy::Us);
    assert_eq!(story.retained(), RetainedCounts::default());
    assert_eq!(story.still(9_000), RetainedCounts::default());
}

#[test]
fn an_eternal_stream_keeps_nothing() {
    let mut story = living(Lifecycle::Eternal, 1);
    story.ledger.stream_closed(0, ms(1_000), EndedBy::Us);
    story.promised(ms(1_040), &[]);
    assert_eq!(story.retained(), RetainedCounts::default());
    assert_eq!(story.ledger.end_state(ms(9_000)).retained, None);
}

#[test]
fn when_endpoints_that_a_relist_has_came_back_is_not_known() {
    let mut story = proxies(1);
    story.ledger.stream_closed(0, ms(1_000), EndedBy::Us);
    story.ledger.stream_retries(0, ms(1_100));
    story.promised(ms(1_040), &[]);
    story.observed(ms(9_000), endpoints(&[1, 2]), false);
    assert_eq!(story.retained(), counts(1, 1, 0, 0));
    assert_eq!(story.still(9_500), counts(1, 0, 0, 0));
}

#[test]
fn the_number_of_an_endpoint_that_is_kept_is_not_used_again() {
    let mut story = proxies(1);
    story.ledger.stream_closed(0, ms(1_000), EndedBy::Us);
    story.ledger.stream_retries(0, ms(1_100));
    story.promised(ms(1_040), &[]);
    for second in [100, 200, 300] {
        story.ledger.expire(At::from_secs(second));
    }
    story.promised(At::from_secs(301), &[7, 8]);
    assert_eq!(story.still(311_040), counts(1, 1, 620_000, 310_000));
}
