//! The messages of `docs/troubleshooting.md`: each is one that the tool prints, each that is
//! printed here has a row, and the rows are in alphabetical order.
//!
//! A new message is made to be printed in the file of its kind below, and gets a row. What a row
//! says is a pattern: `…` stands for any text, and a word of [`PLACEHOLDERS`] for what it is named
//! after. `UPDATE_DOCS=1` sorts the rows.

mod claims;
mod commands;
mod errors;
mod reasons;
mod source;
mod warnings;

use std::{collections::BTreeSet, fmt, fs};

use regex::Regex;

/// Where a message is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// After `error: ` on standard error.
    Error,
    /// A line of `check` with × or ‼.
    Check,
    /// A reason below the verdict.
    Verdict,
    /// A warning of a report, with its kind in `report.json`.
    Warning(String),
}

/// A message as the tool prints it.
#[derive(Debug)]
struct Message {
    place: Place,
    text: String,
}

/// A row of the page.
#[derive(Debug)]
struct Row {
    line: usize,
    place: Place,
    message: String,
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/troubleshooting.md");

/// What stands for other text in a row, and what that may look like.
const PLACEHOLDERS: [(&str, &str); 33] = [
    ("ADDRESS", r"\S+"),
    ("AUTHORITY", r"\S+"),
    ("CALL", r"\w+ .+?"),
    ("CAUSE", r".+"),
    ("CLUSTER", r"\S+"),
    ("CODE", r"\d+"),
    ("COMMAND", r".+?"),
    ("CRITERION", r"[a-zA-Z.0-9]+( \(\w+\))?"),
    ("DIRECTION", r"add|remove"),
    ("DURATION", r"\d\S*( [a-zµ]+)?"),
    ("FILE", r"\S+"),
    ("FLAG", r"\S+"),
    ("KEY", r"\S+"),
    ("LEVEL", r".+?"),
    ("LIMIT", r".+"),
    ("N", r"\d[\d,.]*"),
    ("NAME", r"\S+"),
    ("NAMESPACE", r"\S+"),
    ("PATH", r"/\S*"),
    ("POD", r"\S+"),
    ("QUANTILE", r"\w+"),
    ("REASON", r".+?"),
    ("RESOURCE", r"\S+"),
    ("RUN", r"\S+"),
    ("SERVICE", r"\S+"),
    ("SIDE", r"baseline|candidate"),
    ("SIZE", r"\d\S* \w+"),
    ("STATUS", r".+?"),
    ("TEXT", r".*?"),
    ("URL", r"\S+"),
    ("VARIABLE", r"\S+"),
    ("VERB", r"\w+"),
    ("VERSION", r"\d+"),
];

#[tokio::test]
async fn messages_are_those_that_are_printed() {
    let mut printed = errors::all();
    printed.extend(claims::all().await);
    printed.extend(reasons::all());
    printed.extend(warnings::all());
    printed.extend(commands::all());
    printed.extend(source::all());
    let rows = rows();
    let patterns: Vec<_> = rows.iter().map(Row::pattern).collect();
    let is = |row: usize, message: &Message| {
        rows[row].place == message.place && patterns[row].is_match(&message.plain())
    };
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        if !printed.iter().any(|message| is(number, message)) {
            wrong.push(format!("{row}: nothing prints this"));
        }
    }
    for message in &printed {
        let matching: Vec<_> = (0..rows.len()).filter(|&row| is(row, message)).collect();
        match matching.as_slice() {
            [_] => {}
            [] => wrong.push(format!("{message}: the page has no such row")),
            several => {
                let lines: Vec<_> = several.iter().map(|&it| rows[it].to_string()).collect();
                wrong.push(format!("{message}: several rows: {}", lines.join("; ")));
            }
        }
    }
    for message in source::wanted() {
        if !(0..rows.len()).any(|row| is(row, &message)) {
            wrong.push(format!("{message}: the page has no such row"));
        }
    }
    wrong.extend(source::unprinted_reasons(&printed));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn rows_are_in_alphabetical_order() {
    let rows = rows();
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|row| row.key());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = fs::read_to_string(PAGE).unwrap();
        let mut lines: Vec<_> = page.lines().collect();
        let first = rows[0].line - 1;
        let table: Vec<_> = sorted.iter().map(|row| lines[row.line - 1]).collect();
        lines[first..first + rows.len()].copy_from_slice(&table);
        return fs::write(PAGE, lines.join("\n") + "\n").unwrap();
    }
    for (row, wanted) in rows.iter().zip(&sorted) {
        assert_eq!(
            row.line, wanted.line,
            "here belongs {wanted}: run this test with UPDATE_DOCS=1\n{row}"
        );
    }
}

/// The table below *Messages*.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(PAGE).unwrap();
    let section = page.lines().enumerate();
    let section = section
        .skip_while(|(_, line)| *line != "## Messages")
        .skip(1);
    let section = section.take_while(|(_, line)| !line.starts_with("## "));
    let lines: Vec<_> = section.filter(|(_, line)| line.starts_with('|')).collect();
    let (head, rows) = lines.split_at(2);
    let head: Vec<_> = head.iter().map(|(_, line)| *line).collect();
    assert_eq!(
        head,
        [
            "| Message | Where | Why | What to do |",
            "|---|---|---|---|"
        ]
    );
    rows.iter()
        .map(|(index, line)| Row::read(index + 1, line))
        .collect()
}

// === impl Row ===

impl Row {
    fn read(line: usize, text: &str) -> Self {
        let inside = text.strip_prefix("| ").and_then(|it| it.strip_suffix(" |"));
        let cells: Vec<_> = inside.map_or(Vec::new(), |it| it.split(" | ").collect());
        let [message, place, why, what] = cells.as_slice() else {
            panic!("docs/troubleshooting.md:{line}: a row has four cells");
        };
        assert!(
            message.starts_with('`')
                && message.ends_with('`')
                && !why.is_empty()
                && !what.is_empty(),
            "docs/troubleshooting.md:{line}: a message is code, and has a cause and a remedy"
        );
        let place = match place.split_once(' ') {
            None if *place == "error" => Place::Error,
            None if *place == "check" => Place::Check,
            None if *place == "verdict" => Place::Verdict,
            Some(("warning", kind)) => Place::Warning(kind.trim_matches('`').to_owned()),
            _ => panic!("docs/troubleshooting.md:{line}: {place} is no place of a message"),
        };
        let message = message.trim_matches('`').trim().replace('`', "");
        Self {
            line,
            place,
            message,
        }
    }

    /// What it stands for. What is wrong may be preceded by a flag or a file.
    fn pattern(&self) -> Regex {
        let word = Regex::new(r"(?s)\b[A-Z]+\b|.").unwrap();
        let parts = word.find_iter(&self.message).map(|part| {
            let part = part.as_str();
            if part == "…" {
                return "(?:.*)".to_owned();
            }
            let is_word = PLACEHOLDERS.iter().find(|(name, _)| *name == part);
            is_word.map_or_else(|| regex::escape(part), |(_, like)| format!("(?:{like})"))
        });
        let pattern: String = parts.collect();
        Regex::new(&format!(r"(?s)^(?:\S+: )?{pattern}$")).unwrap()
    }

    /// By what it is sorted: letters and digits from the first word on that is printed as it is.
    fn key(&self) -> String {
        let mut rest = self.message.as_str();
        loop {
            rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
            let end = rest.find(|c: char| !c.is_alphanumeric());
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            if !PLACEHOLDERS.iter().any(|(name, _)| *name == word) {
                break;
            }
            rest = after;
        }
        let kept = rest.chars().filter(|c| c.is_alphanumeric() || *c == ' ');
        let kept: String = kept.collect();
        let words: Vec<_> = kept.split_whitespace().collect();
        words.join(" ").to_lowercase()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docs/troubleshooting.md:{}: {}", self.line, self.message)
    }
}

// === impl Message ===

impl Message {
    fn new(place: Place, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { place, text }
    }

    fn error(text: impl Into<String>) -> Self {
        Self::new(Place::Error, text)
    }

    /// Without what Markdown takes for code.
    fn plain(&self) -> String {
        self.text.replace('`', "")
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.place, self.text)
    }
}

#[test]
fn a_placeholder_is_named_once() {
    let names: BTreeSet<_> = PLACEHOLDERS.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), PLACEHOLDERS.len());
}
