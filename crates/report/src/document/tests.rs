//! Claims about what renderers make of blocks, whatever these say.

use super::{html::Extras, *};
use crate::terminal::Style;

fn page(document: &Document) -> String {
    let extras = Extras {
        tool: "0".to_owned(),
        source: "a test.",
        script: html::Script::default(),
        data: "",
    };
    html::render(document, &extras)
}

fn forms(document: &Document) -> [String; 3] {
    [
        text::render(document, Style::PLAIN),
        markdown::render(document),
        page(document),
    ]
}

fn of(blocks: Vec<Block>) -> Document {
    let mut document = Document::default();
    document.section(ALL, "all", "All", "All of it");
    for block in blocks {
        document.add(ALL, block);
    }
    document
}

#[test]
fn every_block_is_said_in_every_form_but_what_is_drawn() {
    let tile = Tile {
        label: "the tile",
        value: "a value".to_owned(),
        note: "a note".to_owned(),
        tone: Tone::Good,
    };
    let item = Item {
        tone: Tone::Doubtful,
        text: "an item".to_owned(),
        below: vec!["what is below it".to_owned()],
    };
    let document = of(vec![
        Block::Part {
            text: "a part".to_owned(),
        },
        Block::paragraph("a paragraph"),
        Block::note("how to read it"),
        Block::Remarks {
            remarks: vec!["a remark".to_owned()],
        },
        Block::facts(vec![("the fact", "a sentence".to_owned())]),
        Block::Tiles { tiles: vec![tile] },
        Table::of_numbers(
            "",
            ["a head", "of numbers"],
            vec![vec!["a row".into(), "42".into()]],
        )
        .into(),
        Block::List(List {
            style: ListStyle::Sentences,
            items: vec![item],
        }),
        Block::Chart { name: "drawing" },
        Block::Folded {
            summary: "a summary".to_owned(),
            blocks: vec![Block::Verbatim {
                verbatim: "as\nit is".to_owned(),
            }],
        },
        Block::Command {
            label: "Again",
            command: "type this".to_owned(),
        },
    ]);
    for (form, shown) in ALL.iter().zip(forms(&document)) {
        for said in [
            "All of it",
            "a part",
            "a paragraph",
            "how to read it",
            "a remark",
            "the fact",
            "a sentence",
            "the tile",
            "a value",
            "a note",
            "a head",
            "a row",
            "42",
            "an item",
            "what is below it",
            "a summary",
            "as\nit is",
            "type this",
        ] {
            assert!(shown.contains(said), "{form:?}: {said}\n{shown}");
        }
        assert_eq!(shown.contains("drawing"), *form == Form::Page, "{form:?}");
    }
}

#[test]
fn a_block_is_in_the_forms_that_show_it_and_in_no_other() {
    let mut document = Document::default();
    document.section(ALL, "all", "All", "All");
    for (forms, said) in [
        (TEXT, "one"),
        (MARKDOWN, "two"),
        (PAGE, "three"),
        (TEXT_AND_MARKDOWN, "four"),
        (TEXT_AND_PAGE, "five"),
        (MARKDOWN_AND_PAGE, "six"),
    ] {
        document.add(forms, Block::paragraph(said));
    }
    for (shown, said) in forms(&document).iter().zip([
        ["one", "four", "five"],
        ["two", "four", "six"],
        ["three", "five", "six"],
    ]) {
        for word in ["one", "two", "three", "four", "five", "six"] {
            // The page's style has words too.
            let body = shown.rsplit("</style>").next().unwrap();
            let is_shown = body
                .lines()
                .any(|it| it.trim_matches(['<', 'p', '>', '/']) == word);
            assert_eq!(is_shown, said.contains(&word), "{word} in\n{body}");
        }
    }
}

#[test]
fn columns_are_as_wide_as_a_terminal_shows_their_cells() {
    let rows = vec![
        vec!["東京".to_owned(), "1 s".to_owned()],
        vec!["abc".to_owned(), "20 s".to_owned()],
    ];
    let shown = text::render(
        &of(vec![Table::of_numbers("", ["", ""], rows).into()]),
        Style::PLAIN,
    );
    assert!(shown.ends_with("\n東京    1 s\nabc    20 s\n"), "{shown}");
}

#[test]
fn a_name_that_is_too_long_loses_its_beginning() {
    let rows = vec![vec!["x".repeat(90) + "end", "1 s".to_owned()]];
    let shown = text::render(
        &of(vec![Table::of_numbers("", ["", ""], rows).into()]),
        Style::PLAIN,
    );
    let row = shown.lines().last().unwrap();
    assert!(row.starts_with('…') && row.ends_with("xend 1 s"), "{row}");
    assert_eq!(row.chars().count(), 80);
}

#[test]
fn what_is_verbatim_cannot_end_its_fence() {
    let verbatim = "```\n<b>@someone".to_owned();
    let shown = markdown::render(&of(vec![Block::Verbatim { verbatim }]));
    assert_eq!(shown.matches("```").count(), 2, "{shown}");
}
