//! A document for a terminal, and readable aloud: nothing is said by colour alone.

use console::{Alignment, measure_text_width, pad_str};
use dst_load_scenario::printable::{self, LONGEST, written_line};
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::{Block, Document, Fact, Form, Head, Headings, Kind, List, ListStyle, Table, Tone};
use crate::terminal::Style;

/// How wide the labels of facts are.
const LABEL: usize = 15;

/// Between the cells of a row: at least, and at most where there is room.
const GAPS: (usize, usize) = (1, 3);

/// Between the cells of a row that begins with a mark.
const MARKED_GAP: &str = "  ";

/// Writes lines from top to bottom, none wider than the terminal where it can be broken.
struct TextWriter {
    text: String,
    style: Style,
    headings: Headings,
    /// Whether the last line is the head of a section.
    after_heading: bool,
}

/// The document as text, ending in a newline.
pub(crate) fn render(document: &Document, style: Style) -> String {
    let mut writer = TextWriter {
        text: String::new(),
        style,
        headings: document.headings,
        after_heading: false,
    };
    if let Some(head) = &document.head {
        writer.head(head);
    }
    for block in document.blocks(Form::Text) {
        writer.block(block);
    }
    writer.text
}

// === impl TextWriter ===

impl TextWriter {
    fn head(&mut self, head: &Head) {
        let title = self.painted(&bold(), &head.title);
        self.line(&title);
        for line in head.preamble() {
            self.wrapped("", line, 0);
        }
        let verdict = &head.verdict;
        let word = verdict.word.to_uppercase();
        let word = self.painted(&loud(verdict.tone), &word);
        self.wrapped(&format!("Verdict: {word}, "), &verdict.said, 2);
        for reason in &verdict.reasons {
            self.wrapped("  - ", reason, 4);
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Section(section) => self.heading(&section.text),
            Block::Part { text } => self.heading(text),
            Block::Paragraph { text } | Block::Note { text } => {
                self.gap();
                self.wrapped("", text, 0);
            }
            Block::Remarks { remarks } => {
                for remark in remarks {
                    self.wrapped("  ", remark, 4);
                }
            }
            Block::Facts { facts, .. } => self.facts(facts),
            Block::Tiles { tiles } => {
                let fact = |it: &super::Tile| (it.label, format!("{} ({})", it.value, it.note));
                self.facts(&tiles.iter().map(fact).collect::<Vec<_>>());
            }
            Block::Table(table) => self.table(table),
            Block::List(list) => self.list(list),
            Block::Chart { .. } => {}
            Block::Folded { summary, blocks } => {
                self.heading(summary);
                for block in blocks {
                    self.block(block);
                }
            }
            Block::Verbatim { verbatim } => {
                for line in verbatim.lines() {
                    self.line(line);
                }
            }
            Block::Command { label, command } => self.line(&format!("{label}: {command}")),
        }
    }

    /// An empty line, unless the head of a section or nothing stands above.
    fn gap(&mut self) {
        if !self.after_heading && !self.text.is_empty() {
            self.line("");
        }
    }

    fn heading(&mut self, text: &str) {
        self.after_heading = false;
        self.gap();
        match self.headings {
            Headings::Bold => {
                for line in self.broken("", text, 0) {
                    let line = self.painted(&bold(), &line);
                    self.line(&line);
                }
            }
            Headings::Underlined => {
                self.line(text);
                self.line(&"-".repeat(measure_text_width(text)));
            }
        }
        self.after_heading = true;
    }

    fn facts(&mut self, facts: &[Fact]) {
        self.gap();
        for (label, sentence) in facts {
            self.wrapped(&format!("{:<LABEL$}", format!("{label}:")), sentence, LABEL);
        }
    }

    fn list(&mut self, list: &List) {
        for item in &list.items {
            let mark = item.tone.mark();
            if list.style == ListStyle::Claims {
                self.line(&format!("{mark} {}", item.text));
                for line in &item.below {
                    self.line(&format!("    {line}"));
                }
                continue;
            }
            let mark = match item.tone {
                Tone::Plain | Tone::Quiet | Tone::Running => mark.to_owned(),
                tone => self.painted(&loud(tone), mark),
            };
            self.wrapped(&format!("  {mark} "), &item.text, 4);
            for line in &item.below {
                self.wrapped("    ", line, 4);
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let (columns, rows) = table.shown(Form::Text);
        let kinds: Vec<_> = columns.iter().map(|it| it.kind).collect();
        let texts = |cells: &[&super::Cell]| cells.iter().map(|it| it.text.clone()).collect();
        let tones = rows.iter().map(|(row, _)| row.tone);
        let cells = rows.iter().map(|(_, cells)| texts(cells));
        let rows: Vec<(Tone, Vec<String>)> = tones.zip(cells).collect();
        let heads: Vec<_> = columns.iter().map(|it| it.head.clone()).collect();
        if kinds.contains(&Kind::Result) {
            self.marked(&kinds, &rows);
        } else if let Some(group) = kinds.iter().position(|&it| it == Kind::Group) {
            self.grouped(group, heads, rows);
        } else {
            let rows: Vec<_> = rows.into_iter().map(|(_, cells)| cells).collect();
            let widths = self.widths(rows.iter().chain([&heads]));
            for row in [&heads].into_iter().chain(&rows) {
                self.row(row, &widths);
            }
        }
    }

    /// Rows that begin with a mark: without heads, and with a remark below where it is too long.
    fn marked(&mut self, kinds: &[Kind], rows: &[(Tone, Vec<String>)]) {
        let widths = widths(rows.iter().map(|(_, cells)| cells));
        for (tone, cells) in rows {
            let mark = match tone {
                Tone::Doubtful => Tone::Plain.mark(),
                tone => tone.mark(),
            };
            let mut line = Vec::new();
            let mut remark = "";
            for ((kind, cell), &width) in kinds.iter().zip(cells).zip(&widths) {
                match kind {
                    Kind::Result => {}
                    Kind::Remark => remark = cell,
                    kind if kind.is_numeric() => line.push(padded(cell, width, Alignment::Right)),
                    _ => line.push(padded(cell, width, Alignment::Left)),
                }
            }
            let line = line.join(MARKED_GAP);
            let painted = self.painted(&loud(*tone), mark);
            let wide =
                4 + measure_text_width(&line) + MARKED_GAP.len() + measure_text_width(remark);
            if wide <= self.style.columns {
                self.line(format!("  {painted} {line}{MARKED_GAP}{remark}").trim_end());
            } else {
                self.line(format!("  {painted} {line}").trim_end());
                self.wrapped("      ", remark, 6);
            }
        }
    }

    /// Rows with heads of their own wherever what came of them changes.
    fn grouped(&mut self, group: usize, mut heads: Vec<String>, rows: Vec<(Tone, Vec<String>)>) {
        heads.remove(group);
        if let Some(name) = heads.first_mut() {
            name.clear();
        }
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(tone, mut cells)| (tone, cells.remove(group), cells))
            .collect();
        let widths = self.widths(rows.iter().map(|(_, _, cells)| cells).chain([&heads]));
        let mut last = None;
        for (tone, name, cells) in &rows {
            if last.replace(name) != Some(name) {
                let word = capitalised(name);
                if let Some(first) = heads.first_mut() {
                    first.clone_from(&word);
                }
                self.line("");
                // Escapes have no width: painted once the line is as wide as it is.
                let line = self.laid_out(&heads, &widths);
                let painted = self.painted(&loud(*tone), &word);
                self.line(&line.replacen(&word, &painted, 1));
            }
            self.row(cells, &widths);
        }
    }

    fn row(&mut self, cells: &[String], widths: &[usize]) {
        let line = self.laid_out(cells, widths);
        self.line(&line);
    }

    /// A row of cells as wide as these: the first to the left, the others to the right.
    fn laid_out(&self, cells: &[String], widths: &[usize]) -> String {
        let content: usize = widths.iter().sum();
        let gaps = widths.len().saturating_sub(1).max(1);
        let gap = (self.style.columns.saturating_sub(content) / gaps).clamp(GAPS.0, GAPS.1);
        let mut line = String::new();
        for (at, (cell, &width)) in cells.iter().zip(widths).enumerate() {
            if at == 0 {
                line += &padded(&shortened(cell, width), width, Alignment::Left);
            } else {
                line += &padded(cell, width + gap, Alignment::Right);
            }
        }
        line.trim_end().to_owned()
    }

    /// The widths of columns, of which the first is no wider than the others leave room for.
    fn widths<'a>(&self, rows: impl Iterator<Item = &'a Vec<String>>) -> Vec<usize> {
        let mut widths = widths(rows);
        let others: usize = widths.iter().skip(1).map(|it| it + GAPS.0).sum();
        if let Some(first) = widths.first_mut() {
            *first = (*first)
                .min(self.style.columns.saturating_sub(others))
                .max(1);
        }
        widths
    }

    /// Breaks lines at spaces; those after the first are indented. `first` may be painted.
    fn wrapped(&mut self, first: &str, text: &str, indent: usize) {
        for line in self.broken(first, text, indent) {
            self.line(line.trim_end());
        }
    }

    fn broken(&self, first: &str, text: &str, indent: usize) -> Vec<String> {
        let words: Vec<_> = text.split_whitespace().map(short).collect();
        if words.is_empty() {
            return vec![first.to_owned()];
        }
        let indent = " ".repeat(indent);
        let options = Options::new(self.style.columns)
            .initial_indent(first)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation)
            .word_separator(WordSeparator::AsciiSpace)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        let text = words.join(" ");
        let lines = textwrap::wrap(&text, options);
        lines.into_iter().map(String::from).collect()
    }

    fn line(&mut self, line: &str) {
        self.text += &written_line(line, self.style.coloured);
        self.text.push('\n');
        self.after_heading = false;
    }

    fn painted(&self, look: &console::Style, text: &str) -> String {
        let look = look.clone().force_styling(self.style.coloured);
        look.apply_to(text).to_string()
    }
}

fn bold() -> console::Style {
    console::Style::new().bold()
}

/// The look of a word that says this.
fn loud(tone: Tone) -> console::Style {
    match tone {
        Tone::Good => console::Style::new().green(),
        Tone::Bad => console::Style::new().red(),
        Tone::Doubtful => console::Style::new().yellow(),
        Tone::Plain | Tone::Quiet | Tone::Running => bold(),
    }
}

fn padded(text: &str, width: usize, alignment: Alignment) -> String {
    pad_str(text, width, alignment, None).into_owned()
}

/// The end of a name that is too long: it says most.
fn shortened(name: &str, width: usize) -> String {
    if measure_text_width(name) <= width {
        return name.to_owned();
    }
    let mut rest = name.chars();
    while measure_text_width(rest.as_str()) >= width && rest.next().is_some() {}
    format!("…{}", rest.as_str())
}

fn short(word: &str) -> String {
    if word.len() > LONGEST {
        printable::line(word)
    } else {
        word.to_owned()
    }
}

fn capitalised(word: &str) -> String {
    let mut rest = word.chars();
    let first = rest.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(rest).collect()
}

/// The widest cell of each column.
fn widths<'a>(rows: impl Iterator<Item = &'a Vec<String>>) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).max(*width);
        }
    }
    widths
}
