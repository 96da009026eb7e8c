//! A document as one HTML page that needs nothing else: no network, no other file.
//!
//! Words and tables are written here, so that they are there without JavaScript too.

use base64::{Engine, prelude::BASE64_STANDARD};
use dst_load_scenario::printable;
use minijinja::{Environment, HtmlEscape, Value, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Block, Document, Form, Head, Section};

const STYLE: &str = include_str!("html/page.css");

/// The page, one block, and macros of the parts of both.
const TEMPLATES: [(&str, &str); 3] = [
    ("page.html", include_str!("html/page.html.jinja")),
    ("block.html", include_str!("html/block.html.jinja")),
    ("blocks.html", include_str!("html/blocks.html.jinja")),
];

/// What a page has beside its document.
pub(crate) struct Extras<'a> {
    /// The tool that wrote it, and what from: a version, and a sentence's end.
    pub(crate) tool: String,
    pub(crate) source: &'static str,
    pub(crate) script: Script,
    /// What the script reads, as JSON.
    pub(crate) data: &'a str,
}

/// The only script of a page.
#[derive(Default)]
pub(crate) struct Script {
    /// Its text; empty where the page has none.
    pub(crate) text: String,
    /// Whether it asks for the page again where that came from.
    pub(crate) fetches_itself: bool,
}

/// What the template puts into the page.
#[derive(Serialize)]
struct Page<'a> {
    head: Option<&'a Head>,
    /// What stands above the first section.
    first: Vec<&'a Block>,
    sections: Vec<PageSection<'a>>,
    tool: &'a str,
    source: &'static str,
}

/// A section with all that stands below its head.
#[derive(Serialize)]
struct PageSection<'a> {
    #[serde(flatten)]
    section: &'a Section,
    blocks: Vec<&'a Block>,
}

/// The document as a page.
pub(crate) fn render(document: &Document, extras: &Extras<'_>) -> String {
    let mut page = Page {
        head: document.head.as_ref(),
        first: Vec::new(),
        sections: Vec::new(),
        tool: &extras.tool,
        source: extras.source,
    };
    for block in document.blocks(Form::Page) {
        match (block, page.sections.last_mut()) {
            (Block::Section(section), _) => page.sections.push(PageSection {
                section,
                blocks: Vec::new(),
            }),
            (block, Some(section)) => section.blocks.push(block),
            (block, None) => page.first.push(block),
        }
    }
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("code", code);
    // Names that end in `.html` have what is put into them escaped.
    for (name, template) in TEMPLATES {
        environment
            .add_template(name, template)
            .expect("invariant: the template is a constant, which every test of a page renders");
    }
    let script = &extras.script;
    let page = environment
        .get_template(TEMPLATES[0].0)
        .and_then(|template| {
            template.render(context! {
                policy => policy(script),
                style => Value::from_safe_string(STYLE.to_owned()),
                script => Value::from_safe_string(script.text.clone()),
                data => Value::from_safe_string(extras.data.to_owned()),
                page => Value::from_serialize(on_one_line(serde_json::json!(page))),
            })
        })
        .expect("invariant: the template is a constant, which every test of a page renders");
    printable::whole(&page).into_owned()
}

/// What has lines of its own: JSON, whose texts have none.
const OF_SEVERAL_LINES: &str = "verbatim";

/// The same with each text on one line: it may hold names from elsewhere.
fn on_one_line(page: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match page {
        Value::String(text) => text.replace(['\r', '\n', '\t'], " ").into(),
        Value::Array(items) => items.into_iter().map(on_one_line).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let flat = |(key, it): (String, Value)| {
                let whole = key == OF_SEVERAL_LINES;
                let it = if whole { it } else { on_one_line(it) };
                (key, it)
            };
            Value::Object(fields.map(flat).collect())
        }
        other => other,
    }
}

/// Text whose parts between backticks are what is typed, as in Markdown.
fn code(text: &str) -> Value {
    let parts: Vec<_> = text.split('`').collect();
    // The last of an odd number of backticks opens nothing.
    let paired = parts.len() % 2 == 1;
    let mut markup = String::with_capacity(text.len());
    for (n, part) in parts.iter().enumerate() {
        let part = HtmlEscape(part);
        let last = n + 1 == parts.len();
        markup += &match n % 2 {
            0 => part.to_string(),
            _ if last && !paired => format!("`{part}"),
            _ => format!("<code>{part}</code>"),
        };
    }
    Value::from_safe_string(markup)
}

/// What the page may do: its own style and script, and nothing else. Text that came from elsewhere
/// could not run even if it were not escaped, and nothing is fetched but, where the script asks for
/// it, the page itself.
fn policy(script: &Script) -> String {
    let mut policy = "default-src 'none'; style-src 'unsafe-inline'; ".to_owned();
    if !script.text.is_empty() {
        // The element's text is hashed as it stands between its tags.
        let hash = BASE64_STANDARD.encode(Sha256::digest(format!("\n{}", script.text)));
        policy += &format!("script-src 'sha256-{hash}'; ");
    }
    if script.fetches_itself {
        policy += "connect-src 'self'; ";
    }
    policy + "base-uri 'none'; form-action 'none'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stands_out_and_stays_text() {
        for (text, markup) in [
            ("plain <b>", "plain &lt;b&gt;"),
            (
                "run `a <b` and `c`.",
                "run <code>a &lt;b</code> and <code>c</code>.",
            ),
            ("a ` alone", "a ` alone"),
            ("`a` and ` alone", "<code>a</code> and ` alone"),
        ] {
            assert_eq!(code(text).as_str(), Some(markup));
        }
    }

    #[test]
    fn a_page_may_do_what_its_script_needs_and_no_more() {
        assert!(!policy(&Script::default()).contains("script"));
        let mut script = Script {
            text: "f();".into(),
            fetches_itself: false,
        };
        let alone = policy(&script);
        assert!(alone.contains("script-src 'sha256-") && !alone.contains("connect"));
        script.fetches_itself = true;
        assert!(policy(&script).contains("connect-src 'self'"));
    }
}
