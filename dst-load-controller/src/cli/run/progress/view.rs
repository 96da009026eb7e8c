//! What is shown of a run, as lines of text. Pure: what is not known is left out.

use std::time::Duration;

use dst_load_recording::recording::Phase;
use dst_load_scenario::{
    action::Direction,
    criteria::Unit,
    words::{bytes, count, counted, number, seconds, span},
};
use dst_load_session::progress::ProgressSnapshot;

/// Cells of a bar.
const BAR: usize = 24;

/// A run at one moment.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) now: ProgressSnapshot,
    /// How far the plan has come, and how long it is in all; `None` for one without an end.
    pub(super) plan: Option<(Duration, Duration)>,
    pub(super) cycles: Option<u32>,
    pub(super) streams_wanted: u64,
    pub(super) updates_per_second: f64,
}

// === impl View ===

impl View {
    /// One line, for where lines are only ever added.
    pub(super) fn line(&self) -> String {
        let mut parts = vec![self.doing(), self.streams()];
        parts.extend(self.latency());
        parts.extend(self.target());
        if self.now.warnings.0 > 0 {
            parts.push(counted(self.now.warnings.0 as u64, "warning", "warnings"));
        }
        parts.retain(|part| !part.is_empty());
        parts.join("; ")
    }

    /// The lines of a terminal, always as many, so that nothing jumps.
    pub(super) fn screen(&self) -> [String; 4] {
        let plan = self.plan.map_or_else(String::new, |(done, whole)| {
            let share = done.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
            format!(
                "{} {} of {}",
                bar(share),
                clock(done),
                span(whole.as_secs_f64())
            )
        });
        let mut target: Vec<String> = self.target().into_iter().collect();
        if let (n @ 1.., Some(last)) = &self.now.warnings {
            target.push(format!("‼ {n}: {last}"));
        }
        [
            joined(&[
                format!("{} {}", clock(self.elapsed()), self.doing()),
                self.streams(),
                plan,
            ]),
            self.fan_out(),
            joined(&[
                self.latency()
                    .unwrap_or_else(|| "no delivery yet".to_owned()),
                format!("{} updates/s", number(self.updates_per_second)),
            ]),
            target.join(" · "),
        ]
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now.at.since_start()
    }

    fn doing(&self) -> String {
        let of = self
            .cycles
            .map_or_else(String::new, |all| format!(" of {all}"));
        match self.now.phase {
            Phase::Preparing => {
                let services = counted(self.now.services, "Service", "Services");
                format!("creating {services}")
            }
            Phase::Opening => "opening streams".to_owned(),
            Phase::Churning if self.now.cycle == 0 => "before the first cycle".to_owned(),
            Phase::Churning => format!("cycle {}{of}", self.now.cycle),
            Phase::Settling => "waiting for pending deliveries".to_owned(),
            Phase::CleaningUp => "cleaning up".to_owned(),
        }
    }

    fn streams(&self) -> String {
        format!(
            "{} of {} streams open",
            count(self.now.streams_open),
            count(self.streams_wanted)
        )
    }

    /// The change on its way, or how the last one went: most take a few milliseconds, and are seen
    /// only afterwards.
    fn fan_out(&self) -> String {
        if let Some((service, change)) = &self.now.under_way {
            return format!(
                "{} {} of {} streams updated, {}",
                spread(
                    service,
                    change.direction,
                    change.endpoints,
                    change.known,
                    change.audience
                ),
                count(change.known.into()),
                count(change.audience.into()),
                seconds(change.age.as_secs_f64())
            );
        }
        let Some(last) = &self.now.last_change else {
            return "no change yet".to_owned();
        };
        let known = match last.last_us {
            _ if last.never > 0 => format!(
                "{} of {} streams never updated",
                count(last.never.into()),
                count(last.audience.into())
            ),
            Some(micros) => format!(
                "{} updated within {}",
                counted(last.known.into(), "stream", "streams"),
                seconds(Duration::from_micros(micros).as_secs_f64())
            ),
            None => "superseded before a stream was updated".to_owned(),
        };
        let spread = spread(
            &last.service,
            last.direction,
            last.endpoints,
            last.known,
            last.audience,
        );
        format!("{spread} {known}")
    }

    fn latency(&self) -> Option<String> {
        let so_far = &self.now.so_far;
        (so_far.count > 0).then(|| {
            let never = match so_far.never {
                0 => String::new(),
                never => format!(", {} never", count(never)),
            };
            format!(
                "p50 {}, p99 {} ({}{never})",
                seconds(so_far.p50.as_secs_f64()),
                seconds(so_far.p99.as_secs_f64()),
                counted(so_far.count, "delivery", "deliveries")
            )
        })
    }

    fn target(&self) -> Option<String> {
        let cores = self.now.target_cores;
        let cores = cores.map(|it| format!("CPU {}", Unit::Cores.words(it)));
        let memory = self.now.target_memory;
        let memory = memory.map(|it| format!("memory {}", bytes(it)));
        let parts: Vec<_> = cores.into_iter().chain(memory).collect();
        (!parts.is_empty()).then(|| format!("target {}", parts.join(", ")))
    }
}

/// A change and the share of its streams that know.
fn spread(
    service: &str,
    direction: Direction,
    endpoints: u32,
    known: u32,
    audience: u32,
) -> String {
    let sign = match direction {
        Direction::Add => '+',
        Direction::Remove => '-',
    };
    let share = f64::from(known) / f64::from(audience.max(1));
    format!("{service} {sign}{} {}", count(endpoints.into()), bar(share))
}

fn joined(parts: &[String]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .cloned()
        .collect();
    parts.join(" · ")
}

fn bar(share: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from floating point saturates, and the rest is bounded"
    )]
    let full = ((share * BAR as f64) as usize).min(BAR);
    format!("[{}{}]", "█".repeat(full), "░".repeat(BAR - full))
}

/// `01:02`, or `1:02:03` from an hour on.
fn clock(time: Duration) -> String {
    let all = time.as_secs();
    let (hours, minutes, seconds) = (all / 3_600, all / 60 % 60, all % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use dst_load_oracle::ledger::UnderWay;
    use dst_load_recording::recording::ChangeLine;
    use dst_load_scenario::time::At;
    use dst_load_session::progress::SoFar;

    use super::*;

    /// A run that has just begun.
    fn nothing() -> ProgressSnapshot {
        ProgressSnapshot {
            at: At::ZERO,
            phase: Phase::Preparing,
            cycle: 0,
            services: 1,
            streams_open: 0,
            under_way: None,
            last_change: None,
            so_far: SoFar::default(),
            target_cores: None,
            target_memory: None,
            warnings: (0, None),
        }
    }

    fn amid() -> View {
        let change = UnderWay {
            direction: Direction::Add,
            endpoints: 25,
            known: 78,
            audience: 100,
            visible: At::ZERO,
            age: Duration::from_micros(4_100),
        };
        View {
            now: ProgressSnapshot {
                at: At::from_secs(131),
                phase: Phase::Churning,
                cycle: 1,
                services: 10,
                streams_open: 1_000,
                under_way: Some(("test-service-3".into(), change)),
                so_far: SoFar {
                    count: 123_456,
                    p50: Duration::from_micros(1_200),
                    p99: Duration::from_micros(14_100),
                    ..SoFar::default()
                },
                target_cores: Some(0.42),
                target_memory: Some(64.0 * 1024.0 * 1024.0),
                ..nothing()
            },
            plan: Some((Duration::from_secs(120), Duration::from_secs(480))),
            cycles: Some(3),
            streams_wanted: 1_000,
            updates_per_second: 1_234.0,
        }
    }

    #[test]
    fn a_run_amid_its_plan() {
        insta::assert_snapshot!(amid().screen().join("\n"));
    }

    #[test]
    fn between_changes_the_last_one_is_shown() {
        let over = |never, last_us: Option<u64>| ChangeLine {
            at: At::ZERO,
            service: "test-service-3".into(),
            object: "test-service-3-abcde".into(),
            resource_version: "7".into(),
            direction: Direction::Remove,
            cycle: 1,
            intended: None,
            endpoints: 25,
            audience: 1_000,
            known: if last_us.is_some() { 1_000 - never } else { 0 },
            never,
            left: 0,
            superseded: 0,
            first_us: None,
            p50_us: None,
            p95_us: None,
            p99_us: None,
            last_us,
            times: None,
        };
        let lines = [over(0, Some(8_200)), over(30, Some(8_200)), over(0, None)].map(|last| {
            let mut view = amid();
            (view.now.under_way, view.now.last_change) = (None, Some(last));
            view.fan_out()
        });
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let empty = View {
            now: ProgressSnapshot {
                warnings: (2, Some("the observer's watch was lost".into())),
                ..nothing()
            },
            plan: None,
            cycles: None,
            streams_wanted: 20,
            updates_per_second: 0.0,
        };
        insta::assert_snapshot!(format!(
            "{}\n--\n{}\n--\n{}",
            empty.screen().join("\n"),
            empty.line(),
            amid().line()
        ));
    }

    #[test]
    fn a_bar_is_full_at_the_end_and_not_before() {
        assert_eq!(bar(0.0).matches('█').count(), 0);
        assert_eq!(bar(0.999).matches('█').count(), BAR - 1);
        assert_eq!(bar(1.0).matches('█').count(), BAR);
        assert_eq!(bar(7.0).chars().count(), BAR + 2);
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
    }
}
