//! Text for a terminal: lines of some width, and colours that nothing depends on, so that it can be
//! read aloud.

use dst_load_scenario::printable::{self, LONGEST, written_line};

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI escapes colour it.
    pub coloured: bool,
    /// The longest line, in characters; what has no spaces may be longer.
    pub columns: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Colour {
    Good,
    Bad,
    Doubtful,
    Bold,
}

/// What is written on, from top to bottom.
pub(super) struct Sheet {
    text: String,
    style: Style,
}

// === impl Style ===

impl Style {
    /// For files and pipes: 80 columns, no colours.
    pub const PLAIN: Self = Self {
        coloured: false,
        columns: 80,
    };
}

// === impl Sheet ===

impl Sheet {
    pub(super) const fn new(style: Style) -> Self {
        Self {
            text: String::new(),
            style,
        }
    }

    pub(super) const fn columns(&self) -> usize {
        self.style.columns
    }

    /// All that was written, ending in a newline.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn line(&mut self, line: &str) {
        let line = written_line(line, self.style.coloured);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// An empty line, and a bold head.
    pub(super) fn section(&mut self, head: &str) {
        self.line("");
        let start = self.text.len();
        self.wrapped("", head, 0);
        // Line by line, and only now: wrapping counts characters, and escapes have no width.
        for line in self.text.split_off(start).lines() {
            let line = self.paint(Colour::Bold, line);
            self.line(&line);
        }
    }

    /// Breaks lines at spaces; those after the first are indented. `first` may be painted.
    pub(super) fn wrapped(&mut self, first: &str, text: &str, indent: usize) {
        let mut line = first.to_owned();
        let mut width = visible(first);
        let mut fresh = true;
        for word in text.split_whitespace() {
            let short;
            let word = if word.len() > LONGEST {
                short = printable::line(word);
                &short
            } else {
                word
            };
            let length = word.chars().count();
            if !fresh && width + 1 + length > self.style.columns {
                self.line(&line);
                line = " ".repeat(indent);
                width = indent;
                fresh = true;
            }
            if !fresh {
                line.push(' ');
                width += 1;
            }
            line.push_str(word);
            width += length;
            fresh = false;
        }
        self.line(line.trim_end());
    }

    /// A section of sentences; nothing if there are none.
    pub(super) fn list(&mut self, head: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.section(head);
        for item in items {
            self.wrapped("  - ", item, 4);
        }
    }

    /// A section of rows under these heads; nothing if there are none.
    pub(super) fn titled_table(&mut self, head: &str, heads: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        self.section(head);
        let mut table = vec![heads.iter().map(|&it| it.to_owned()).collect()];
        table.extend(rows);
        self.table(&table);
    }

    /// Rows of cells, in columns as wide as their widest.
    pub(super) fn table(&mut self, rows: &[Vec<String>]) {
        let widths = widths(rows.iter().map(Vec::as_slice));
        for row in rows {
            let line = self.row(row, &widths);
            self.line(&line);
        }
    }

    /// A row of cells as wide as these: the first to the left, the others to the right.
    pub(super) fn row(&self, cells: &[String], widths: &[usize]) -> String {
        let content: usize = widths.iter().sum();
        let gaps = widths.len().saturating_sub(1).max(1);
        let gap = (self.style.columns.saturating_sub(content) / gaps).clamp(1, 3);
        let mut line = String::new();
        for (i, (cell, &width)) in cells.iter().zip(widths).enumerate() {
            if i == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                let width = width + gap;
                line.push_str(&format!("{cell:>width$}"));
            }
        }
        line.trim_end().to_owned()
    }

    pub(super) fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Good => 32,
            Colour::Bad => 31,
            Colour::Doubtful => 33,
            Colour::Bold => 1,
        };
        if self.style.coloured {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// How many characters of painted text are seen.
fn visible(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let plain = parts.next().unwrap_or_default();
    // An escape ends with its `m`.
    let painted = parts.filter_map(|part| part.split_once('m'));
    let shown = std::iter::once(plain).chain(painted.map(|(_, after)| after));
    shown.map(|part| part.chars().count()).sum()
}

/// The widest cell of each column, in characters.
pub(super) fn widths<'a>(rows: impl Iterator<Item = &'a [String]>) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}
