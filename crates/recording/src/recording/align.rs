//! One time for the recordings of several processes, each of which counts from its own start.

use dst_load_scenario::time::At;

use super::{Header, Line, ObserverEvent};

/// Moves each recording's instants so that all count from the start of the one that began first.
///
/// If all have compared their clocks with the same churner, its clock is used (its uncertainty is in
/// the recording, and is far below what the edge of a cycle or a phase needs); otherwise the dates
/// at which they started, as far as the machines' clocks agree. Recordings of virtual time have no
/// dates, and do not change.
pub(super) fn align(recordings: &mut [Vec<Line>]) {
    let Some(starts) = by_partner(recordings).or_else(|| by_date(recordings)) else {
        return;
    };
    let first = starts.iter().copied().min().unwrap_or_default();
    for (lines, start) in recordings.iter_mut().zip(starts) {
        let later = start.abs_diff(first);
        lines.iter_mut().for_each(|line| line.shift(later));
    }
}

/// When each started, in microseconds of the churner's clock.
fn by_partner(recordings: &[Vec<Line>]) -> Option<Vec<i64>> {
    let first = |lines: &Vec<Line>| {
        lines.iter().find_map(|line| match line {
            Line::Clock(clock) => Some((clock.start.clone(), clock.offset_us)),
            _ => None,
        })
    };
    let all: Option<Vec<_>> = recordings.iter().map(first).collect();
    let all = all?;
    let same = all.windows(2).all(|two| two[0].0 == two[1].0);
    // Our clock's zero is this far into theirs.
    same.then(|| all.into_iter().map(|(_, offset)| offset).collect())
}

/// When each started, microseconds of the epoch.
fn by_date(recordings: &[Vec<Line>]) -> Option<Vec<i64>> {
    let all = recordings.iter().map(|lines| match lines.first() {
        Some(Line::Header(header)) => started(header),
        _ => None,
    });
    all.collect()
}

/// When a recording started, microseconds of the epoch, if it says.
#[must_use]
pub fn started(header: &Header) -> Option<i64> {
    let date: jiff::Timestamp = header.started.as_ref()?.parse().ok()?;
    Some(date.as_microsecond())
}

// === impl Line ===

impl Line {
    /// Moves its instants to a clock that began `micros` earlier.
    fn shift(&mut self, micros: u64) {
        let shift = |at: &mut At| *at = At::from_micros(at.as_micros() + micros);
        match self {
            Self::Header(_) => {}
            Self::Phase { at, .. }
            | Self::Cycle { at, .. }
            | Self::LastCycleEnds { at, .. }
            | Self::TargetSilent { at, .. }
            | Self::PolicyControllerSilent { at, .. }
            | Self::Replicas { at, .. }
            | Self::Warning { at, .. } => shift(at),
            Self::Change(change) => {
                shift(&mut change.at);
                change.intended.as_mut().into_iter().for_each(shift);
            }
            Self::Second(second) => shift(&mut second.at),
            Self::Target(sample) | Self::PolicyController(sample) => shift(&mut sample.at),
            Self::Ping(ping) => shift(&mut ping.at),
            Self::Generator(sample) => shift(&mut sample.at),
            Self::Clock(clock) => {
                shift(&mut clock.at);
                clock.offset_us -= i64::try_from(micros).unwrap_or_default();
            }
            Self::Identified(line) => shift(&mut line.at),
            Self::Observer(line) => {
                shift(&mut line.at);
                if let ObserverEvent::Blind { since, .. } = &mut line.event {
                    shift(since);
                }
            }
            Self::EndState(end) => shift(&mut end.at),
            Self::End(end) => shift(&mut end.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{ClockLine, samples};

    fn compared(offset_us: i64, start: &str) -> Vec<Line> {
        let mut lines = samples::passed();
        let clock = ClockLine {
            at: At::from_millis(10),
            start: start.to_owned(),
            offset_us,
            uncertainty_us: 50,
        };
        lines.insert(1, Line::Clock(clock));
        lines
    }

    fn started_at(mut lines: Vec<Line>, date: &str) -> Vec<Line> {
        if let Some(Line::Header(header)) = lines.first_mut() {
            header.started = Some(date.to_owned());
        }
        lines
    }

    fn ends(recordings: &[Vec<Line>]) -> Vec<u64> {
        let end = |lines: &Vec<Line>| lines.last().unwrap().order().0.as_micros();
        recordings.iter().map(end).collect()
    }

    #[test]
    fn the_later_one_is_moved_by_what_the_acting_halfs_clock_says() {
        let own = ends(&[samples::passed()])[0];
        let mut two = [compared(7_250_000, "p1"), compared(5_000_000, "p1")];
        align(&mut two);
        assert_eq!(ends(&two), [own + 2_250_000, own]);
        let offsets: Vec<_> = two
            .iter()
            .map(|lines| match &lines[1] {
                Line::Clock(clock) => clock.offset_us,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(offsets, [5_000_000; 2]);
    }

    #[test]
    fn without_a_common_clock_the_dates_count_and_without_dates_nothing() {
        let own = ends(&[samples::passed()])[0];
        let mut two = [
            started_at(compared(7_000_000, "p1"), "2026-01-01T00:00:02.500Z"),
            started_at(compared(5_000_000, "p2"), "2026-01-01T00:00:00.000Z"),
        ];
        align(&mut two);
        assert_eq!(ends(&two), [own + 2_500_000, own]);
        let mut undated = compared(5_000_000, "p2");
        if let Some(Line::Header(header)) = undated.first_mut() {
            header.started = None;
        }
        let mut two = [compared(7_000_000, "p1"), undated];
        align(&mut two);
        assert_eq!(ends(&two), [own, own]);
    }
}
