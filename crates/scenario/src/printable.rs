//! Text from elsewhere, made fit to be shown.
//!
//! Servers, files and names may hold whatever somebody has put there: terminal escape sequences, line
//! breaks followed by a made-up log line, characters that turn the order of a line round, a page of
//! HTML, a URL with a password. [`line`] and [`sentence`] are for where such text enters; [`whole`]
//! and [`json`] are the last line of defence of what is written.
//!
//! What counts as printable is what the standard library's `escape_debug` leaves as it is: its table
//! follows Unicode, and holds neither control nor format characters (directions, joiners, tags), nor
//! separators, private or unassigned ones. Letters of all scripts, marks and symbols stay.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use regex::{Captures, Regex};
use serde::{Deserialize, Deserializer};

use super::words::count;

/// The longest text from elsewhere that is shown whole, characters: names, messages, answers.
pub const LONGEST: usize = 400;
/// The longest sentence that is made of several of them, characters.
pub const LONGEST_SENTENCE: usize = 1_500;

/// A text from elsewhere as one line of at most [`LONGEST`] characters, without credentials in URLs.
/// What is left out is counted.
#[must_use]
pub fn line(text: &str) -> String {
    within(text, LONGEST)
}

/// The same of bytes, of which those that are no UTF-8 are replaced by `�`.
#[must_use]
pub fn line_of(bytes: &[u8]) -> String {
    line(&String::from_utf8_lossy(bytes))
}

/// As [`line`], of a sentence that holds several such texts.
#[must_use]
pub fn sentence(text: &str) -> String {
    within(text, LONGEST_SENTENCE)
}

/// A text as one line of at most this many characters, the words about the rest among them: a line
/// stays as it is when it is shortened again.
pub(crate) fn within(text: &str, most: usize) -> String {
    let text = without_credentials(text);
    let mut line = String::with_capacity(text.len().min(4 * most));
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        word.chars().for_each(|c| push(&mut line, c));
    }
    if line.contains(OLD_COMMAND) {
        line = line.replace(OLD_COMMAND, "#\\#[");
    }
    let length = line.chars().count();
    if length <= most {
        return line;
    }
    let rest = |left_out: usize| format!("… ({} more characters)", count(left_out as u64));
    let kept = most.saturating_sub(rest(length).chars().count());
    let end = line.char_indices().nth(kept).map_or(line.len(), |it| it.0);
    line.truncate(end);
    line.push_str(&rest(length - kept));
    line
}

/// All of a text that is written, with its line breaks and tabs: what could steer a terminal is made
/// visible, and so is what a CI system would take for a command.
#[must_use]
pub fn whole(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_harmless) && !text.contains("::") && !text.contains(OLD_COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut clean = String::with_capacity(line.len());
        push_all(&mut clean, line);
        out.push_str(&whole_line(&clean));
    }
    Cow::Owned(out)
}

/// A line that is no command of a CI system.
fn whole_line(line: &str) -> String {
    let line = line.replace(OLD_COMMAND, "#\\#[");
    // GitHub's runner looks for its commands behind spaces too.
    let rest = line.trim_start();
    if is_command(rest) {
        return format!("{}\\{rest}", &line[..line.len() - rest.len()]);
    }
    line
}

/// The same of a part of a text, which may begin anywhere in a line; the colours that this tool sets
/// stay if there are any to be.
#[must_use]
pub fn part(text: &str, coloured: bool) -> Cow<'_, str> {
    if text.bytes().all(is_harmless) && !text.contains(OLD_COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split('\u{1b}');
    push_all(&mut out, pieces.next().unwrap_or_default());
    for piece in pieces {
        let colour = (COLOURS.iter()).find(|colour| coloured && piece.starts_with(**colour));
        let rest = match colour {
            Some(colour) => {
                out.push('\u{1b}');
                out.push_str(colour);
                &piece[colour.len()..]
            }
            None => {
                push(&mut out, '\u{1b}');
                piece
            }
        };
        push_all(&mut out, rest);
    }
    Cow::Owned(out.replace(OLD_COMMAND, "#\\#["))
}

/// One line of an output, without line breaks of its own.
#[must_use]
pub fn written_line(line: &str, coloured: bool) -> Cow<'_, str> {
    let clean = part(line, coloured);
    if !is_command(clean.trim_start())
        && !clean.contains(['\n', '\t'])
        && !clean.contains(OLD_COMMAND)
    {
        return clean;
    }
    let flat = clean.replace(['\n', '\t'], " ");
    Cow::Owned(whole_line(&flat))
}

/// What went wrong, for people: lines that are no longer than a sentence, without credentials.
#[must_use]
pub fn lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        if line.len() > LONGEST_SENTENCE {
            sentence(line)
        } else {
            without_credentials(line).into_owned()
        }
    });
    whole(&lines.collect::<Vec<_>>().join("\n")).into_owned()
}

/// All of a JSON text: what [`whole`] makes visible is escaped as JSON does it, so that whoever reads
/// it gets what was there.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_harmless) && !text.contains(OLD_COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if stays(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    // Only within a string do these three follow each other.
    Cow::Owned(out.replace(OLD_COMMAND, "#\\u0023["))
}

/// A text in which URLs have no user, no password and no query: each may be a secret.
#[must_use]
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    /// A scheme; what may be a user up to the last `@`; the place; what may be a query.
    static URL: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)([a-z][a-z0-9+.-]*://)(?:[^\s"]*@)?([^\s?#"'`<>|]*)([?#][^\s"'`<>|)]*)?"#)
            .expect("invariant: the expression is a constant, which every test of it compiles")
    });
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    URL.replace_all(text, |found: &Captures<'_>| {
        let query = found.get(3).map_or("", |it| match it.as_str() {
            // A question's mark, and no query.
            "?" => "?",
            "#" => "#",
            _ => "?…",
        });
        format!("{}{}{query}", &found[1], &found[2])
    })
}

/// What GitHub's runner took for a command wherever it stood in a line, before `::`.
const OLD_COMMAND: &str = "##[";

/// The escape sequences by which reports and the log are coloured, without the escape character.
const COLOURS: [&str; 9] = [
    "[0m", "[1m", "[2m", "[3m", "[31m", "[32m", "[33m", "[34m", "[35m",
];

/// Whether a line is what GitHub's runner takes for a command, such as `::error::`.
fn is_command(line: &str) -> bool {
    let name = line.strip_prefix("::").unwrap_or_default();
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.contains("::")
}

const fn is_harmless(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\t' | b' '..=b'~')
}

/// Whether a character may be written as it is.
fn stays(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        // Spaces of all widths, but no separators of lines.
        c if c.is_whitespace() => !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}'),
        // After another one: a mark is printable where it has something to stand on.
        c => {
            let mut text = [b'a'; 5];
            let length = 1 + c.encode_utf8(&mut text[1..]).len();
            std::str::from_utf8(&text[..length])
                .is_ok_and(|text| text.escape_debug().nth(1) == Some(c))
        }
    }
}

fn push(out: &mut String, c: char) {
    if stays(c) {
        out.push(c);
    } else {
        out.extend(c.escape_unicode());
    }
}

fn push_all(out: &mut String, text: &str) {
    text.chars().for_each(|c| push(out, c));
}

/// Something that holds texts from elsewhere.
pub trait Printable {
    /// The same as it may be shown.
    #[must_use]
    fn printable(self) -> Self;
}

impl Printable for String {
    fn printable(self) -> Self {
        sentence(&self)
    }
}

impl Printable for Arc<str> {
    fn printable(self) -> Self {
        sentence(&self).into()
    }
}

impl<T: Printable> Printable for Option<T> {
    fn printable(self) -> Self {
        self.map(T::printable)
    }
}

impl<T: Printable> Printable for Vec<T> {
    fn printable(self) -> Self {
        self.into_iter().map(T::printable).collect()
    }
}

impl<T> Printable for BTreeMap<String, T> {
    fn printable(self) -> Self {
        let entries = self.into_iter();
        entries.map(|(key, it)| (key.printable(), it)).collect()
    }
}

impl Printable for serde_json::Value {
    fn printable(self) -> Self {
        match self {
            Self::String(text) => text.printable().into(),
            Self::Array(items) => Self::Array(items.printable()),
            Self::Object(fields) => {
                let fields = fields.into_iter();
                let fields = fields.map(|(key, it)| (key.printable(), it.printable()));
                Self::Object(fields.collect())
            }
            other => other,
        }
    }
}

/// Reads what is printable, for serde's `deserialize_with`: where a recording is read, texts enter.
pub fn read<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Printable,
{
    T::deserialize(deserializer).map(T::printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_all_scripts_stays_and_what_steers_is_seen() {
        for text in [
            "plain \"text\" with 'quotes' and \\",
            "Grüße, u\u{308}ber, naïve",
            "日本語 中文 한국어 हिन्दी ไทย العربية",
            "⚠️ ✅ ≥ … µs ‼",
        ] {
            assert_eq!(line(text), text);
            assert_eq!(whole(text), text);
            assert_eq!(json(text), text);
        }
        for (text, shown) in [
            (
                "\u{1b}]0;pwned\u{7}\u{1b}[2J",
                "\\u{1b}]0;pwned\\u{7}\\u{1b}[2J",
            ),
            ("a\u{9b}2J\u{7f}", "a\\u{9b}2J\\u{7f}"),
            (
                "a\u{202e}b\u{2066}c\u{200b}\u{feff}",
                "a\\u{202e}b\\u{2066}c\\u{200b}\\u{feff}",
            ),
            ("tag\u{e0041}\u{e007f}", "tag\\u{e0041}\\u{e007f}"),
            (
                "a\r\nINFO verdict: pass\u{2028}b\u{85}c",
                "a INFO verdict: pass b c",
            ),
        ] {
            assert_eq!(line(text), shown);
            assert_eq!(line(shown), shown);
        }
        assert_eq!(line_of(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn what_is_long_is_cut_once_and_the_rest_is_counted() {
        let long = "ä".repeat(15_000);
        let cut = line(&long);
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(cut.ends_with("ä… (14,626 more characters)"), "{cut}");
        assert_eq!(line(&cut), cut);
        assert_eq!(sentence(&cut), cut);
        assert_eq!(sentence(&long).chars().count(), LONGEST_SENTENCE);
        let fits = "x".repeat(LONGEST);
        assert_eq!(line(&fits), fits);
    }

    #[test]
    fn all_of_a_text_keeps_its_lines_and_no_command_of_a_ci_system() {
        for (text, written) in [
            ("a\tb\nc\n", "a\tb\nc\n"),
            ("a\rb\u{1b}[31mc\u{2028}", "a\\u{d}b\\u{1b}[31mc\\u{2028}"),
            ("a\n  ::error file=x::b\n", "a\n  \\::error file=x::b\n"),
            ("::1 and [::1]:80 or a::b::c", "::1 and [::1]:80 or a::b::c"),
            ("a ##[error]b", "a #\\#[error]b"),
        ] {
            assert_eq!(whole(text), written);
            assert_eq!(whole(written), written);
        }
    }

    #[test]
    fn the_tools_own_colours_stay_where_there_are_colours() {
        let painted = "\u{1b}[31mFAIL\u{1b}[0m \u{1b}[2J";
        assert_eq!(part(painted, true), "\u{1b}[31mFAIL\u{1b}[0m \\u{1b}[2J");
        assert_eq!(part(painted, false), "\\u{1b}[31mFAIL\\u{1b}[0m \\u{1b}[2J");
        assert_eq!(part("a ##[error]b", false), "a #\\#[error]b");
        assert_eq!(line("a ##[error]b"), "a #\\#[error]b");
    }

    #[test]
    fn json_stays_what_it_was() {
        let text = serde_json::to_string("\u{7f}\u{9b}\u{202e}\u{e0041}ü##[x").unwrap();
        let written = json(&text);
        assert_eq!(
            written,
            "\"\\u007f\\u009b\\u202e\\udb40\\udc41ü#\\u0023[x\""
        );
        let read: String = serde_json::from_str(&written).unwrap();
        assert_eq!(read, "\u{7f}\u{9b}\u{202e}\u{e0041}ü##[x");
    }

    #[test]
    fn a_url_has_no_credentials_wherever_it_stands() {
        for (text, shown) in [
            ("http://a:1/m", "http://a:1/m"),
            ("see https://a/b?", "see https://a/b?"),
            ("(http://u:S@a/m?t=S)", "(http://a/m?…)"),
            ("\"http://u:S@x@a/m#S\": no", "\"http://a/m?…\": no"),
            ("HTTP://u:S/p@a and socks5://S@b", "HTTP://a and socks5://b"),
            ("me@example.com?", "me@example.com?"),
        ] {
            assert_eq!(without_credentials(text), shown);
            assert_eq!(without_credentials(shown), shown);
        }
        assert_eq!(line("at http://u:S@a?t=S"), "at http://a?…");
    }
}
