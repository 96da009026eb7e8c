//! How far a run has come: a few lines that are drawn over and over on a terminal, and elsewhere a
//! log line at each phase and cycle, and every half minute.

mod view;

use std::{convert::Infallible, io::IsTerminal, time::Duration};

use dst_load_recording::recording::Phase;
use dst_load_scenario::{plan::Plan, printable, scenario::Scenario, time::At};
use dst_load_session::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::view::View;

/// How often it is looked.
const TICK: Duration = Duration::from_millis(250);
/// The rate is that of this many ticks.
const RATE_OVER: usize = 4;
/// How often a line is written where lines are only ever added.
const SAY: Duration = Duration::from_secs(30);

/// Shows progress until it is dropped; nothing if it is not wanted.
pub(super) async fn show(progress: &Progress, scenario: &Scenario, wanted: bool) -> Infallible {
    if !wanted {
        return std::future::pending().await;
    }
    let look = Look::new(progress, scenario);
    if std::io::stderr().is_terminal() {
        draw(look).await
    } else {
        log(look).await
    }
}

/// Lines drawn over and over; what is logged meanwhile would tear them, so warnings are among them.
async fn draw(mut look: Look<'_>) -> Infallible {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let lines: [ProgressBar; 4] = std::array::from_fn(|_| {
        let line = all.add(ProgressBar::new_spinner());
        // A template that cannot be parsed would show in every run; the default is good enough then.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            line.set_style(style);
        }
        line
    });
    loop {
        for (line, text) in lines.iter().zip(look.view().screen()) {
            line.set_message(printable::line(&text));
            line.tick();
        }
        tokio::time::sleep(TICK).await;
    }
}

/// A line whenever the phase or the cycle changes, and now and then.
async fn log(mut look: Look<'_>) -> Infallible {
    let mut before = None;
    let mut said = Duration::ZERO;
    loop {
        let view = look.view();
        let (now, elapsed) = ((view.now.phase, view.now.cycle), view.elapsed());
        if before != Some(now) || elapsed >= said + SAY {
            tracing::info!("{}", view.line());
            (before, said) = (Some(now), elapsed);
        }
        tokio::time::sleep(TICK).await;
    }
}

/// What was seen before, for what is a difference.
struct Look<'a> {
    progress: &'a Progress,
    scenario: &'a Scenario,
    whole: Option<Duration>,
    churning_since: Option<At>,
    updates: std::collections::VecDeque<(At, u64)>,
}

// === impl Look ===

impl<'a> Look<'a> {
    fn new(progress: &'a Progress, scenario: &'a Scenario) -> Self {
        Self {
            progress,
            scenario,
            whole: Plan::new(scenario).end().map(At::since_start),
            churning_since: None,
            updates: std::collections::VecDeque::new(),
        }
    }

    fn view(&mut self) -> View {
        let now = self.progress.snapshot();
        if now.phase == Phase::Churning {
            self.churning_since.get_or_insert(now.at);
        }
        let plan = self.churning_since.zip(self.whole);
        View {
            plan: plan.map(|(since, whole)| (now.at.since(since).min(whole), whole)),
            cycles: self.scenario.churn.cycles,
            streams_wanted: self.scenario.streams(),
            updates_per_second: self.rate(now.at, now.so_far.updates),
            now,
        }
    }

    fn rate(&mut self, now: At, updates: u64) -> f64 {
        self.updates.push_back((now, updates));
        if self.updates.len() > RATE_OVER + 1 {
            self.updates.pop_front();
        }
        let Some(&(since, before)) = self.updates.front() else {
            return 0.0;
        };
        let span = now.since(since).as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a second's updates are far below 2^52"
        )]
        let more = updates.saturating_sub(before) as f64;
        if span > 0.0 { more / span } else { 0.0 }
    }
}
