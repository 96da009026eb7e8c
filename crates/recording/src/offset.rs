//! How far another process's clock is from ours, from questions that it answered.
//!
//! Both clocks count from the start of their own process, so an offset says nothing by itself; it
//! turns the other's instants into ours.

use std::time::Duration;

use dst_load_scenario::time::At;

/// One question about the other's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// When we asked.
    pub sent: At,
    /// What the other's clock said.
    pub theirs: At,
    /// When the answer had arrived.
    pub received: At,
}

/// How far the other's clock is ahead of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Microseconds; negative if it is behind.
    pub micros: i64,
    /// How wrong that may be.
    pub uncertainty: Duration,
}

// === impl Offset ===

impl Offset {
    /// The offset by the fastest of the round trips: it was answered somewhere between its two
    /// ends, so its middle is wrong by at most half of it (Cristian, 1989).
    #[must_use]
    pub fn best(trips: &[RoundTrip]) -> Option<Self> {
        let fastest = trips
            .iter()
            .min_by_key(|trip| trip.received.since(trip.sent))?;
        let whole = fastest.received.since(fastest.sent);
        let middle = fastest.sent + whole / 2;
        Some(Self {
            micros: signed(fastest.theirs) - signed(middle),
            // Rounded up: half a microsecond is lost in the middle, and the clocks have no finer.
            uncertainty: Duration::from_micros(whole.as_micros().div_ceil(2) as u64 + 1),
        })
    }

    /// The instant of our clock at which the other's said `theirs`; `None` before ours began.
    #[must_use]
    pub fn ours(&self, theirs: At) -> Option<At> {
        let micros = signed(theirs).saturating_sub(self.micros);
        u64::try_from(micros).ok().map(At::from_micros)
    }
}

fn signed(at: At) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(sent: u64, theirs: u64, received: u64) -> RoundTrip {
        RoundTrip {
            sent: At::from_micros(sent),
            theirs: At::from_micros(theirs),
            received: At::from_micros(received),
        }
    }

    #[test]
    fn the_fastest_round_trip_counts_and_half_of_it_is_the_doubt() {
        let trips = [
            trip(1_000, 901_900, 2_000),
            trip(3_000, 903_060, 3_100),
            trip(4_000, 904_400, 4_900),
        ];
        let offset = Offset::best(&trips).unwrap();
        assert_eq!(offset.micros, 900_010);
        assert_eq!(offset.uncertainty, Duration::from_micros(51));
        assert_eq!(Offset::best(&[]), None);
    }

    #[test]
    fn the_truth_lies_within_the_doubt_however_lopsided_the_way() {
        // The other is ahead by 5 s; the way there takes all of the time, or none of it.
        for answered in [1_000, 1_333, 1_999] {
            let offset = Offset::best(&[trip(1_000, 5_000_000 + answered, 1_999)]).unwrap();
            let wrong = offset.micros.abs_diff(5_000_000);
            assert!(u128::from(wrong) <= offset.uncertainty.as_micros());
        }
    }

    #[test]
    fn an_instant_before_our_clock_began_is_none() {
        let ahead = Offset {
            micros: 60_000_000,
            uncertainty: Duration::ZERO,
        };
        assert_eq!(ahead.ours(At::from_secs(61)), Some(At::from_secs(1)));
        assert_eq!(ahead.ours(At::from_secs(59)), None);
        let behind = Offset {
            micros: -60_000_000,
            ..ahead
        };
        assert_eq!(behind.ours(At::ZERO), Some(At::from_secs(60)));
    }
}
