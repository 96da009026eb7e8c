//! Numbers as people read them: three significant digits, a unit, thousands separators; and errors.
//!
//! Three digits are what the histograms resolve; more would promise what was not measured.

use std::{borrow::Cow, error::Error};

use super::printable::{self, sentence};

/// A whole number with thousands separators: `1,234,567`.
#[must_use]
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// Text as a shell reads it. Only what no shell can hold is left as it is, and then it says most.
#[must_use]
pub fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), Cow::into_owned)
}

/// The longest text of somebody else's that a message repeats, in characters.
const LONGEST_EXCERPT: usize = 100;

/// Text as a message repeats it: on one line, all of it or its beginning, as everything from elsewhere
/// is shown.
#[must_use]
pub fn excerpt(text: &str) -> String {
    printable::within(text, LONGEST_EXCERPT)
}

/// A message without its middle if it has more characters than this: its beginning says what is wrong,
/// its end what would be right.
const LONGEST_MESSAGE: usize = 600;

/// A message of which somebody else's text is a part, and which that must not make long.
#[must_use]
pub fn abridged(message: &str) -> Cow<'_, str> {
    let length = message.chars().count();
    if length <= LONGEST_MESSAGE {
        return Cow::Borrowed(message);
    }
    let half = LONGEST_MESSAGE / 2;
    let start: String = message.chars().take(half).collect();
    let end: String = message.chars().skip(length - half).collect();
    Cow::Owned(format!("{start}…{end}"))
}

/// An error of a library's with its causes, as one sentence: it may hold what a server has said.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    sentence(&causes(error))
}

/// An error with its causes, each said once: hyper's own text is often no more than "connection
/// error", while kube's repeats its cause.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// A span of time: `417 µs`, `1.25 ms`, `12.3 s`.
#[must_use]
pub fn seconds(span: f64) -> String {
    scaled(span, &[(1e-6, "µs"), (1e-3, "ms"), (1.0, "s")])
}

/// A long span as Go writes it, in whole seconds: `24h`, `2m29s`; short ones as [`seconds`] does.
#[must_use]
pub fn span(span: f64) -> String {
    if span < 120.0 {
        return seconds(span);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a span of time is positive and far below 2^63 seconds"
    )]
    let whole = span.round() as u64;
    let parts = [
        (whole / 3_600, 'h'),
        (whole / 60 % 60, 'm'),
        (whole % 60, 's'),
    ];
    let (first, last) = (
        parts.iter().position(|&(n, _)| n > 0).unwrap_or(2),
        parts.iter().rposition(|&(n, _)| n > 0).unwrap_or(2),
    );
    parts[first..=last]
        .iter()
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect()
}

/// An amount of memory or data: `512 B`, `1.5 KiB`, `2 GiB`.
#[must_use]
pub fn bytes(amount: f64) -> String {
    const KIB: f64 = 1024.0;
    let units = [
        (1.0, "B"),
        (KIB, "KiB"),
        (KIB * KIB, "MiB"),
        (KIB * KIB * KIB, "GiB"),
        (KIB * KIB * KIB * KIB, "TiB"),
    ];
    scaled(amount, &units)
}

/// A number without a unit: `0.12`, `12.3`, `12,345`.
#[must_use]
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = if magnitude >= 99.95 {
        0
    } else if magnitude >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = match whole.strip_prefix('-') {
        Some(digits) => format!("-{}", grouped(digits)),
        None => grouped(whole),
    };
    if fraction.is_empty() {
        whole
    } else {
        format!("{whole}.{fraction}")
    }
}

/// `1 stream`, `2 streams`.
#[must_use]
pub fn counted(n: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", count(n), if n == 1 { singular } else { plural })
}

/// The value in the largest unit of which it is at least one, as it will be printed.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // 999.6 ms would be printed as 1,000 ms: it is 1 s.
    let fits = |size: f64| value.abs() / size >= 0.9995;
    let &(size, name) = units
        .iter()
        .rev()
        .find(|&&(size, _)| fits(size))
        .unwrap_or(&units[0]);
    format!("{} {name}", number(value / size))
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The word of `known` that `given` was most likely meant to be. Jaro and Winkler's measure knows
/// both slips of the hand and words that were only begun.
#[must_use]
pub fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    let likeness = |word: &str| strsim::jaro_winkler(&word.to_lowercase(), &given);
    known
        .iter()
        .copied()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits_and_the_unit_that_fits() {
        let texts = [
            0.0, 0.000_417, 0.001_25, 0.099_96, 0.9996, 2.0, 12.34, 1_234.0,
        ]
        .map(seconds);
        assert_eq!(
            texts,
            [
                "0 µs", "417 µs", "1.25 ms", "100 ms", "1 s", "2 s", "12.3 s", "1,234 s"
            ]
        );
        assert_eq!(
            [512.0, 1_536.0, 1_073_741_824.0].map(bytes),
            ["512 B", "1.5 KiB", "1 GiB"]
        );
    }

    #[test]
    fn a_long_span_is_told_in_hours_and_minutes() {
        assert_eq!(
            [30.0, 149.4, 3_600.0, 86_405.0].map(span),
            ["30 s", "2m29s", "1h", "24h0m5s"]
        );
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [-1_234.5, 0.125, 9.999].map(number),
            ["-1,234", "0.12", "10"]
        );
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "stream", "streams"), "1 stream");
        assert_eq!(counted(2_000, "stream", "streams"), "2,000 streams");
    }

    #[test]
    fn a_slip_and_a_word_only_begun_are_both_understood() {
        let known = ["stable", "oscillate", "scale-up", "batch"];
        for (given, meant) in [
            ("osc", "oscillate"),
            ("oscilate", "oscillate"),
            ("Stabel", "stable"),
            ("scaleup", "scale-up"),
        ] {
            assert_eq!(nearest(given, &known), Some(meant));
        }
        assert_eq!(nearest("any", &[]), None);
    }
}
