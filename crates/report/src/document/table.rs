//! Tables: what their columns hold decides how they are aligned.

use serde::Serialize;

use super::{ALL, Form, Forms, Tone};

/// Rows of cells below the heads of columns.
#[derive(Serialize)]
pub(crate) struct Table {
    /// What it shows.
    pub(crate) caption: String,
    /// The name by which the style knows it, where rows become cards on a narrow page.
    pub(crate) cards: Option<&'static str>,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

/// One column.
#[derive(Clone, Serialize)]
pub(crate) struct Column {
    pub(crate) head: String,
    pub(crate) kind: Kind,
    #[serde(skip)]
    pub(crate) forms: Forms,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// What the row is about.
    Name,
    /// A number, with its unit.
    Number,
    /// A number that is not wide, and an interval.
    Interval,
    /// A number to compare others with.
    Limit,
    /// A few words.
    Words,
    /// What came of it: a mark with the row's tone, or a word.
    Result,
    /// What came of it; in text the rows are grouped by it.
    Group,
    /// A sentence, which may be long.
    Remark,
    /// A bar, drawn on a page.
    Drawn,
}

/// One row.
#[derive(Default, Serialize)]
pub(crate) struct Row {
    pub(crate) tone: Tone,
    /// Its name in JSON, where it is not that of the row.
    pub(crate) key: Option<String>,
    /// As many as the table has columns.
    pub(crate) cells: Vec<Cell>,
}

/// One cell.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// Whether it is what is typed, or stands in a program.
    pub(crate) code: bool,
    /// How much of a limit was used, percent.
    pub(crate) used: Option<f64>,
    pub(crate) bar: Option<Bar>,
}

/// An interval beside zero, in hundredths of an axis from its left end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Bar {
    /// From where to where a difference does not matter; `None` if any does.
    pub(crate) band: Option<(f64, f64)>,
    /// The interval as far as it fits, or how far the difference is known; `None` if it is not, or
    /// all of it lies beyond an end.
    pub(crate) interval: Option<(f64, f64)>,
    /// The difference itself; `None` beyond an end.
    pub(crate) point: Option<f64>,
    /// Whether it goes on beyond the left end, and beyond the right.
    pub(crate) beyond: (bool, bool),
    /// The same in words.
    pub(crate) said: String,
}

// === impl Table ===

impl Table {
    /// A table whose first column names rows and whose others hold numbers.
    pub(crate) fn of_numbers<'a>(
        caption: &str,
        heads: impl IntoIterator<Item = &'a str>,
        rows: Vec<Vec<String>>,
    ) -> Self {
        let mut kinds = std::iter::once(Kind::Name).chain(std::iter::repeat(Kind::Number));
        let columns = heads.into_iter();
        let column = |head| Column::new(head, kinds.next().unwrap_or(Kind::Number));
        Self {
            caption: caption.to_owned(),
            cards: None,
            columns: columns.map(column).collect(),
            rows: rows.into_iter().map(Row::of).collect(),
        }
    }

    /// The columns that a form shows, and each row's cells below them.
    pub(super) fn shown(&self, form: Form) -> (Vec<&Column>, Vec<(&Row, Vec<&Cell>)>) {
        let is_shown = |column: &Column| {
            column.forms.contains(&form) && (form == Form::Page || column.kind != Kind::Drawn)
        };
        let columns = self.columns.iter().filter(|it| is_shown(it)).collect();
        let rows = self.rows.iter().map(|row| {
            let cells = self.columns.iter().zip(&row.cells);
            let shown = cells.filter(|(column, _)| is_shown(column));
            (row, shown.map(|(_, cell)| cell).collect())
        });
        (columns, rows.collect())
    }
}

// === impl Column ===

impl Column {
    pub(crate) fn new(head: &str, kind: Kind) -> Self {
        Self::on(ALL, head, kind)
    }

    /// A column that only these forms have room for.
    pub(crate) fn on(forms: Forms, head: &str, kind: Kind) -> Self {
        Self {
            head: head.to_owned(),
            kind,
            forms,
        }
    }
}

// === impl Kind ===

impl Kind {
    /// Whether it is aligned to the right, so that digits stand below digits.
    pub(super) const fn is_numeric(self) -> bool {
        matches!(self, Self::Number | Self::Interval)
    }
}

// === impl Row ===

impl Row {
    /// A row of plain cells.
    pub(crate) fn of(cells: Vec<String>) -> Self {
        Self {
            cells: cells.into_iter().map(Cell::from).collect(),
            ..Self::default()
        }
    }
}

// === impl Cell ===

impl Cell {
    pub(crate) fn code(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            code: true,
            ..Self::default()
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}
