//! The report as one HTML page that needs nothing else: no network, no other file.
//!
//! Words and tables are written here, so that they are there without JavaScript too. Charts are
//! drawn by a script of the page, from the numbers that are embedded in it, as SVG. That script is
//! our own and small: what is drawn is steps, bands and bars on linear and logarithmic axes, with a
//! reading for keyboard and screen reader, and must print. A library (uPlot, 50 KB) would draw on a
//! canvas, which neither prints well nor can be read aloud.

use dst_load_scenario::printable;

use super::{
    blocks::{self, State},
    page::Page,
};
use crate::document::html::{self, Extras, Script};

/// The script, in the order in which its parts need each other.
const SCRIPT: [&str; 8] = [
    include_str!("html/words.js"),
    include_str!("html/draw.js"),
    include_str!("html/chart.js"),
    include_str!("html/timeline.js"),
    include_str!("html/fan_out.js"),
    include_str!("html/latency.js"),
    include_str!("html/cycles.js"),
    include_str!("html/page.js"),
];

/// What a page that follows its run has beside that.
const FOLLOWS: &str = include_str!("html/live.js");

/// The report as a page.
#[must_use]
pub fn render(page: &Page) -> String {
    rendered(page, State::Final)
}

/// The page of a run that goes on. It has no verdict yet, and follows the run for as long as it can
/// be had again from where it came from.
#[must_use]
pub fn render_running(page: &Page) -> String {
    rendered(page, State::Running)
}

fn rendered(page: &Page, state: State) -> String {
    let tool = &page.report.tool;
    let extras = Extras {
        tool: format!("{} ({})", tool.version, tool.commit),
        source: "the run’s recording. The same numbers are in report.json.",
        script: Script {
            text: script(state),
            fetches_itself: state == State::Running,
        },
        data: &data(page),
    };
    html::render(&blocks::document_of_page(page, state), &extras)
}

/// All of the script in one function, so that nothing of it is global.
fn script(state: State) -> String {
    let follows = match state {
        State::Final => "",
        State::Running => FOLLOWS,
    };
    let parts = SCRIPT.concat();
    format!("(() => {{\n\"use strict\";\n{parts}{follows}}})();\n")
}

/// The page's numbers as JSON that cannot end the element in which it stands.
fn data(page: &Page) -> String {
    let json = serde_json::to_string(page)
        .expect("invariant: the page's maps have text keys and nothing else can fail");
    // Only within strings: JSON has none of these elsewhere.
    printable::json(&json).replace('<', "\\u003c")
}
