//! One line on standard error that says how far a run has come.

use std::{convert::Infallible, io::IsTerminal, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    live::books::Books,
    model::{plan::Plan, scenario::Scenario},
};

/// How often the line is drawn.
const TICK: Duration = Duration::from_millis(250);

/// Shows progress until it is dropped; nothing if it is not wanted, or nobody is looking.
pub(super) async fn show(books: &Arc<Books>, scenario: &Scenario, wanted: bool) -> Infallible {
    if !wanted || !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // A template that cannot be parsed would show in every run; the default is good enough then.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
        bar.set_style(style);
    }
    let planned = Plan::new(scenario).end().map_or_else(
        || "until stopped".to_owned(),
        |end| format!("{} s planned", end.as_micros() / 1_000_000),
    );
    loop {
        let (held, all) = books.streams_held();
        let cycle = match books.cycle() {
            0 => String::new(),
            cycle => format!(", cycle {cycle}"),
        };
        let waiting = if books.is_settled() {
            ""
        } else {
            ", updates on their way"
        };
        bar.set_message(format!(
            "{held} of {all} streams{cycle}{waiting} ({planned})"
        ));
        bar.tick();
        tokio::time::sleep(TICK).await;
    }
}
