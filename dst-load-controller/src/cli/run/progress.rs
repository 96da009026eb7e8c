//! How far a run has come: one line on a terminal, a log line a phase elsewhere.

use std::{convert::Infallible, io::IsTerminal, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    live::books::Books,
    model::{plan::Plan, recording::Phase, scenario::Scenario},
};

/// How often it is looked.
const TICK: Duration = Duration::from_millis(250);

/// Shows progress until it is dropped; nothing if it is not wanted.
pub(super) async fn show(books: &Arc<Books>, scenario: &Scenario, wanted: bool) -> Infallible {
    if !wanted {
        return std::future::pending().await;
    }
    let planned = Plan::new(scenario).end().map_or_else(
        || "until stopped".to_owned(),
        |end| format!("{} s planned", end.as_micros() / 1_000_000),
    );
    if std::io::stderr().is_terminal() {
        draw(books, &planned).await
    } else {
        log(books, &planned).await
    }
}

/// One line, drawn over and over.
async fn draw(books: &Books, planned: &str) -> Infallible {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // A template that cannot be parsed would show in every run; the default is good enough then.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
        bar.set_style(style);
    }
    loop {
        let waiting = if books.is_settled() {
            ""
        } else {
            ", updates on their way"
        };
        bar.set_message(format!("{}{waiting} ({planned})", words(books)));
        bar.tick();
        tokio::time::sleep(TICK).await;
    }
}

/// A line whenever the phase or the cycle changes.
async fn log(books: &Books, planned: &str) -> Infallible {
    let mut before = None;
    loop {
        let now = (books.phase(), books.cycle());
        if before != Some(now) {
            tracing::info!("{} ({planned})", words(books));
            before = Some(now);
        }
        tokio::time::sleep(TICK).await;
    }
}

fn words(books: &Books) -> String {
    let (held, all) = books.streams_held();
    match books.phase() {
        Phase::Preparing => format!("making {} Services", books.all().len()),
        Phase::Opening => format!("opening streams, {held} of {all}"),
        Phase::Churning if books.cycle() == 0 => format!("{held} streams, before the first cycle"),
        Phase::Churning => format!("{held} streams, cycle {}", books.cycle()),
        Phase::Settling => "waiting for what is still on its way".to_owned(),
        Phase::CleaningUp => "cleaning up".to_owned(),
    }
}
