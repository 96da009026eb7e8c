//! What is shown of a run, as lines of text. Pure: what is not known is left out.

use std::time::Duration;

use dst_load_recording::recording::{ChangeLine, Phase};
use dst_load_scenario::{
    action::Direction,
    criteria::Unit,
    words::{bytes, count, counted, number, seconds, span},
};

/// Cells of a bar.
const BAR: usize = 24;

/// A run at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) phase: Option<Phase>,
    pub(super) elapsed: Duration,
    /// How far the plan has come, and how long it is in all; `None` for one without an end.
    pub(super) plan: Option<(Duration, Duration)>,
    pub(super) cycle: u32,
    pub(super) cycles: Option<u32>,
    pub(super) services: u64,
    pub(super) streams_open: u64,
    pub(super) streams_wanted: u64,
    pub(super) change: Option<Change>,
    /// The last that is over.
    pub(super) last: Option<ChangeLine>,
    pub(super) deliveries: u64,
    pub(super) never: u64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) updates_per_second: f64,
    pub(super) cores: Option<f64>,
    pub(super) memory: Option<f64>,
    pub(super) warnings: (usize, Option<String>),
}

/// A change on its way to the streams.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) service: String,
    pub(super) direction: Direction,
    pub(super) endpoints: u32,
    pub(super) known: u32,
    pub(super) audience: u32,
    pub(super) age: Duration,
}

// === impl View ===

impl View {
    /// One line, for where lines are only ever added.
    pub(super) fn line(&self) -> String {
        let mut parts = vec![self.doing(), self.streams()];
        parts.extend(self.latency());
        parts.extend(self.target());
        if self.warnings.0 > 0 {
            parts.push(counted(self.warnings.0 as u64, "warning", "warnings"));
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
        if let (n @ 1.., Some(last)) = &self.warnings {
            target.push(format!("‼ {n}: {last}"));
        }
        [
            joined(&[
                format!("{} {}", clock(self.elapsed), self.doing()),
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

    fn doing(&self) -> String {
        let of = self
            .cycles
            .map_or_else(String::new, |all| format!(" of {all}"));
        match self.phase {
            None | Some(Phase::Preparing) => {
                format!("making {}", counted(self.services, "Service", "Services"))
            }
            Some(Phase::Opening) => "opening streams".to_owned(),
            Some(Phase::Churning) if self.cycle == 0 => "before the first cycle".to_owned(),
            Some(Phase::Churning) => format!("cycle {}{of}", self.cycle),
            Some(Phase::Settling) => "waiting for what is still on its way".to_owned(),
            Some(Phase::CleaningUp) => "cleaning up".to_owned(),
        }
    }

    fn streams(&self) -> String {
        format!(
            "{} of {} streams open",
            count(self.streams_open),
            count(self.streams_wanted)
        )
    }

    /// The change on its way, or how the last one went: most take a few milliseconds, and are seen
    /// only afterwards.
    fn fan_out(&self) -> String {
        if let Some(change) = &self.change {
            return format!(
                "{} {} of {} streams know, {}",
                spread(
                    &change.service,
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
        let Some(last) = &self.last else {
            return "no change yet".to_owned();
        };
        let known = match last.last_us {
            _ if last.never > 0 => format!(
                "{} of {} streams never knew",
                count(last.never.into()),
                count(last.audience.into())
            ),
            Some(micros) => format!(
                "{} knew within {}",
                counted(last.known.into(), "stream", "streams"),
                seconds(Duration::from_micros(micros).as_secs_f64())
            ),
            None => "overtaken before a stream knew".to_owned(),
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
        (self.deliveries > 0).then(|| {
            let never = if self.never > 0 {
                format!(", {} never", count(self.never))
            } else {
                String::new()
            };
            format!(
                "p50 {}, p99 {} ({}{never})",
                seconds(self.p50.as_secs_f64()),
                seconds(self.p99.as_secs_f64()),
                counted(self.deliveries, "delivery", "deliveries")
            )
        })
    }

    fn target(&self) -> Option<String> {
        let cores = self
            .cores
            .map(|cores| format!("CPU {}", Unit::Cores.words(cores)));
        let memory = self.memory.map(|it| format!("memory {}", bytes(it)));
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
    use super::*;
    use dst_load_scenario::time::At;

    fn amid() -> View {
        View {
            phase: Some(Phase::Churning),
            elapsed: Duration::from_secs(131),
            plan: Some((Duration::from_secs(120), Duration::from_secs(480))),
            cycle: 1,
            cycles: Some(3),
            services: 10,
            streams_open: 1_000,
            streams_wanted: 1_000,
            change: Some(Change {
                service: "test-service-3".into(),
                direction: Direction::Add,
                endpoints: 25,
                known: 78,
                audience: 100,
                age: Duration::from_micros(4_100),
            }),
            last: None,
            deliveries: 123_456,
            never: 0,
            p50: Duration::from_micros(1_200),
            p99: Duration::from_micros(14_100),
            updates_per_second: 1_234.0,
            cores: Some(0.42),
            memory: Some(64.0 * 1024.0 * 1024.0),
            warnings: (0, None),
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
            View {
                change: None,
                last: Some(last),
                ..amid()
            }
            .fan_out()
        });
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let empty = View {
            services: 1,
            streams_wanted: 20,
            warnings: (2, Some("the observer's watch was lost".into())),
            ..View::default()
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
