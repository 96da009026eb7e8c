//! What is printed, as blocks: headings, paragraphs, facts, tables and lists.
//!
//! A report, a comparison and the findings of a preflight are each built once as a [`Document`];
//! [`text`], [`markdown`] and [`html`] only render one. Text within blocks is plain: each renderer
//! escapes it.

pub(crate) mod html;
pub(crate) mod markdown;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use serde::Serialize;

pub(crate) use self::table::{Bar, Cell, Column, Kind, Row, Table};

/// A form in which documents are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Markdown,
    Page,
}

/// The forms that show a block.
pub(crate) type Forms = &'static [Form];

pub(crate) const ALL: Forms = &[Form::Text, Form::Markdown, Form::Page];
pub(crate) const TEXT: Forms = &[Form::Text];
pub(crate) const MARKDOWN: Forms = &[Form::Markdown];
pub(crate) const PAGE: Forms = &[Form::Page];
pub(crate) const TEXT_AND_MARKDOWN: Forms = &[Form::Text, Form::Markdown];
pub(crate) const TEXT_AND_PAGE: Forms = &[Form::Text, Form::Page];
pub(crate) const MARKDOWN_AND_PAGE: Forms = &[Form::Markdown, Form::Page];

/// Whether something is well. Forms show it as a colour or a mark, and never by that alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    Good,
    Bad,
    Doubtful,
    /// Neither well nor not.
    #[default]
    Plain,
    /// Not judged, where that is no doubt.
    Quiet,
    /// Not over yet.
    Running,
}

/// A label and what is said of it.
pub(crate) type Fact = (&'static str, String);

/// A document, from top to bottom.
#[derive(Default)]
pub(crate) struct Document {
    /// What comes first in every form; none where the blocks say it all.
    head: Option<Head>,
    headings: Headings,
    blocks: Vec<(Forms, Block)>,
}

/// What comes first.
#[derive(Serialize)]
pub(crate) struct Head {
    pub(crate) title: String,
    /// That the numbers are the tool's own, where they are.
    pub(crate) self_test: Option<String>,
    /// What else is printed before any number.
    pub(crate) caveats: Vec<String>,
    /// What was tested, for a page.
    pub(crate) tested: Option<String>,
    /// How far the run has come, where it goes on.
    pub(crate) running: Option<String>,
    pub(crate) verdict: Verdict,
}

/// How the heads of sections look in text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Headings {
    #[default]
    Bold,
    /// As those of `linkerd check`.
    Underlined,
}

/// What comes of it all.
#[derive(Serialize)]
pub(crate) struct Verdict {
    /// In a word, such as `Pass`.
    pub(crate) word: &'static str,
    pub(crate) tone: Tone,
    /// In a sentence without a capital letter or a full stop.
    pub(crate) said: String,
    /// Why it is so, most important first.
    pub(crate) reasons: Vec<String>,
}

/// A part of a document.
#[derive(Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Block {
    /// The head of all that follows, up to the next one.
    Section(Section),
    /// The head of a part of a section.
    Part { text: String },
    /// Sentences.
    Paragraph { text: String },
    /// How something is to be read.
    Note { text: String },
    /// What else is to be said of what stands above, a sentence each.
    Remarks { remarks: Vec<String> },
    /// Labelled sentences.
    Facts {
        id: Option<&'static str>,
        facts: Vec<Fact>,
    },
    /// Numbers that are worth a large type.
    Tiles { tiles: Vec<Tile> },
    /// Rows of cells.
    Table(Table),
    /// Items, a line each.
    List(List),
    /// A drawing, by its name in the page's script.
    Chart { name: &'static str },
    /// Blocks that are shown when they are asked for.
    Folded { summary: String, blocks: Vec<Self> },
    /// Lines as they are.
    Verbatim { verbatim: String },
    /// What to type.
    Command {
        label: &'static str,
        command: String,
    },
}

/// The head of a section.
#[derive(Serialize)]
pub(crate) struct Section {
    /// Its name in the page's address.
    pub(crate) id: &'static str,
    /// What leads to it.
    pub(crate) link: String,
    pub(crate) text: String,
}

/// One number, and what it is.
#[derive(Serialize)]
pub(crate) struct Tile {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) note: String,
    pub(crate) tone: Tone,
}

/// Items of one kind.
#[derive(Default, Serialize)]
pub(crate) struct List {
    pub(crate) style: ListStyle,
    pub(crate) items: Vec<Item>,
}

/// How a list's items look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListStyle {
    /// As sentences.
    #[default]
    Sentences,
    /// As sentences whose parts between backticks are what is typed.
    Typed,
    /// As what a machine said.
    Machine,
    /// As the claims of `linkerd check`: not indented, and never broken.
    Claims,
}

/// An item of a list.
#[derive(Serialize)]
pub(crate) struct Item {
    /// Marked where it is neither plain nor quiet.
    pub(crate) tone: Tone,
    pub(crate) text: String,
    /// Lines below it.
    pub(crate) below: Vec<String>,
}

// === impl Tone ===

impl Tone {
    /// The mark of what is so, as `linkerd check` has it.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::Good => "√",
            Self::Bad => "×",
            Self::Doubtful => "‼",
            Self::Plain | Self::Quiet | Self::Running => "-",
        }
    }
}

// === impl Document ===

impl Document {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head: Some(head),
            ..Self::default()
        }
    }

    /// A document without a head, as `linkerd check` writes it.
    pub(crate) fn of_claims() -> Self {
        Self {
            headings: Headings::Underlined,
            ..Self::default()
        }
    }

    /// Adds a block that these forms show.
    pub(crate) fn add(&mut self, forms: Forms, block: impl Into<Block>) {
        self.blocks.push((forms, block.into()));
    }

    /// Begins a section, which a link on the page leads to.
    pub(crate) fn section(
        &mut self,
        forms: Forms,
        id: &'static str,
        link: impl Into<String>,
        text: impl Into<String>,
    ) {
        let section = Section {
            id,
            link: link.into(),
            text: text.into(),
        };
        self.add(forms, Block::Section(section));
    }

    /// Begins a part of a section.
    pub(crate) fn part(&mut self, forms: Forms, text: impl Into<String>) {
        self.add(forms, Block::Part { text: text.into() });
    }

    /// Begins a part of a section with these items; nothing if there are none.
    pub(crate) fn listed(&mut self, forms: Forms, text: &str, list: List) {
        if !list.items.is_empty() {
            self.part(forms, text);
            self.add(forms, list);
        }
    }

    /// The blocks that a form shows, from top to bottom.
    pub(crate) fn blocks(&self, form: Form) -> impl Iterator<Item = &Block> {
        let shown = move |(forms, _): &&(Forms, Block)| forms.contains(&form);
        self.blocks.iter().filter(shown).map(|(_, block)| block)
    }
}

// === impl Head ===

impl Head {
    /// What is printed before any number.
    fn preamble(&self) -> impl Iterator<Item = &String> {
        self.self_test.iter().chain(&self.caveats)
    }
}

// === impl Block ===

impl Block {
    pub(crate) fn paragraph(text: impl Into<String>) -> Self {
        Self::Paragraph { text: text.into() }
    }

    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self::Note { text: text.into() }
    }

    pub(crate) const fn facts(facts: Vec<Fact>) -> Self {
        Self::Facts { id: None, facts }
    }
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<List> for Block {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

// === impl List ===

impl List {
    /// These texts, none of them marked.
    pub(crate) fn of(style: ListStyle, texts: &[String]) -> Self {
        Self::marked(style, Tone::Plain, texts)
    }

    /// These texts with a mark.
    pub(crate) fn marked(style: ListStyle, tone: Tone, texts: &[String]) -> Self {
        let item = |text: &String| Item {
            tone,
            text: text.clone(),
            below: Vec::new(),
        };
        Self {
            style,
            items: texts.iter().map(item).collect(),
        }
    }
}
