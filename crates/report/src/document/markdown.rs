//! A document as GitHub Markdown, for a pull request's comment.

use dst_load_scenario::printable::whole;

use super::{Block, Cell, Document, Form, Head, Kind, List, Table, Tone};

/// The document as Markdown, ending in a newline.
pub(crate) fn render(document: &Document) -> String {
    let mut blocks = Vec::new();
    blocks.extend(document.head.iter().flat_map(head));
    blocks.extend(document.blocks(Form::Markdown).filter_map(block));
    let mut text = blocks.join("\n\n");
    text.push('\n');
    whole(&text).into_owned()
}

fn head(head: &Head) -> Vec<String> {
    let verdict = &head.verdict;
    let mark = match verdict.tone {
        Tone::Good => "✅ ",
        Tone::Bad => "❌ ",
        Tone::Doubtful => "⚠️ ",
        Tone::Plain | Tone::Quiet | Tone::Running => "",
    };
    let word = verdict.word.to_uppercase();
    let mut blocks = vec![
        format!("## {}", escape(&head.title)),
        format!("{mark}**{word}**, {}", escape(&verdict.said)),
    ];
    blocks.extend(head.preamble().map(|line| format!("> {}", escape(line))));
    blocks.extend(lines(verdict.reasons.iter().map(|it| escape(it))));
    blocks
}

fn block(block: &Block) -> Option<String> {
    Some(match block {
        Block::Section(section) => format!("### {}", escape(&section.text)),
        Block::Part { text } => format!("### {}", escape(text)),
        Block::Paragraph { text } | Block::Note { text } => escape(text),
        Block::Remarks { remarks } => lines(remarks.iter().map(|it| escape(it)))?,
        Block::Facts { facts, .. } => {
            lines(facts.iter().map(|(label, it)| labelled(label, &escape(it))))?
        }
        Block::Tiles { tiles } => lines(tiles.iter().map(|it| {
            let value = format!("{} ({})", it.value, it.note);
            labelled(it.label, &escape(&value))
        }))?,
        Block::Table(it) => table(it),
        Block::List(it) => list(it)?,
        Block::Chart { .. } => return None,
        Block::Folded { summary, blocks } => {
            let blocks: Vec<_> = blocks.iter().filter_map(self::block).collect();
            format!(
                "<details><summary>{}</summary>\n\n{}\n\n</details>",
                escape(summary),
                blocks.join("\n\n")
            )
        }
        Block::Verbatim { verbatim } => fenced("", verbatim),
        Block::Command { command, .. } => fenced("sh", &command.replace('\n', " ")),
    })
}

fn labelled(label: &str, text: &str) -> String {
    format!("**{label}**: {text}")
}

/// Nothing within a fence is markup, so nothing is escaped but what could end it.
fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```", text.replace("```", "'''"))
}

fn lines(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<_> = items.map(|item| format!("- {item}")).collect();
    (!items.is_empty()).then(|| items.join("\n"))
}

fn list(list: &List) -> Option<String> {
    lines(list.items.iter().map(|item| {
        let below = item.below.iter().map(|it| format!("\n  - {}", escape(it)));
        std::iter::once(escape(&item.text)).chain(below).collect()
    }))
}

fn table(table: &Table) -> String {
    let (columns, rows) = table.shown(Form::Markdown);
    let heads = columns.iter().map(|column| escape(&column.head));
    let rule = columns.iter().map(|column| {
        let numeric = column.kind.is_numeric();
        if numeric { "---:" } else { "---" }.to_owned()
    });
    let mut lines = vec![line(heads), line(rule)];
    lines.extend(rows.iter().map(|(row, cells)| {
        let cells = columns.iter().zip(cells);
        line(cells.map(|(column, it)| cell(column.kind, row.tone, it)))
    }));
    lines.join("\n")
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn cell(kind: Kind, tone: Tone, cell: &Cell) -> String {
    match (kind, tone) {
        (Kind::Result, Tone::Doubtful) => Tone::Plain.mark().to_owned(),
        (Kind::Result, tone) => tone.mark().to_owned(),
        (Kind::Group, Tone::Good | Tone::Bad) => format!("**{}**", escape(&cell.text)),
        _ if cell.code => code(&cell.text),
        _ => escape(&cell.text),
    }
}

/// Text within a cell as it is typed.
fn code(text: &str) -> String {
    let plain = text.replace('`', "'").replace(['\n', '\r'], " ");
    format!("`{}`", plain.replace('|', "\\|"))
}

/// Text from elsewhere must neither end a table's cell nor become markup or a mention.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '\\' | '&' => {
                out.push('\\');
                out.push(c);
            }
            '@' => out.push_str("@&#8203;"),
            c => out.push(c),
        }
    }
    out
}
