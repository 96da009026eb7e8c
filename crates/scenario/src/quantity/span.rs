//! Durations as Go writes them: `500ms`, `2m`, `1h30m`.

use std::{fmt, str::FromStr, time::Duration};

use super::QuantityError;

/// Go's units, the longest first, with their nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// No run and no limit is longer; the bound keeps every sum of durations far from overflow.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3_600);

/// A duration at least zero, exact to the nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A duration on the plan's grid, which paused timers have too: whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub Duration);

/// The same of at least one millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonZeroSpan(pub Duration);

/// A number's unit, as a regular expression.
const UNIT: &str = "(h|m|s|ms|us|µs|μs|ns)";

// === impl Span ===

impl Span {
    /// What it is written like, as a regular expression.
    #[must_use]
    pub fn pattern() -> String {
        format!("(0|([0-9]+(\\.[0-9]*)?{UNIT})+)")
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refuse = |problem| Err(QuantityError::new(text, problem));
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if text.starts_with('-') {
            return refuse("is negative; a duration is at least 0");
        }
        let unreadable = "is not a duration; write for example 500ms, 2m or 1h30m";
        if text.is_empty() {
            return refuse(unreadable);
        }

        let mut nanos: u128 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (number, tail) = split(rest, |c| c.is_ascii_digit() || c == '.');
            let (unit, tail) = split(tail, |c| !(c.is_ascii_digit() || c == '.'));
            if number.is_empty() {
                return refuse(unreadable);
            }
            if unit.is_empty() {
                return refuse("has no unit; write for example 500ms, 5s, 2m or 1h30m");
            }
            let unit = if unit == "µs" || unit == "μs" {
                "us"
            } else {
                unit
            };
            let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return refuse("has an unknown unit; the units are h, m, s, ms, us and ns");
            };
            let Some(part) = scaled(number, *scale) else {
                return refuse(unreadable);
            };
            nanos = nanos.saturating_add(part);
            rest = tail;
        }
        match u64::try_from(nanos).map(Duration::from_nanos) {
            Ok(span) if span <= LONGEST => Ok(Self(span)),
            _ => refuse("is too long; at most 10 years can be planned"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in UNITS {
            let count = nanos / scale;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            nanos %= scale;
        }
        Ok(())
    }
}

impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}

quantity!(Span, "a duration such as 500ms, 2m or 1h30m", {
    "description": "A duration as in Go: 500ms, 2m, 1h30m.",
    "type": ["string", "integer"],
    "pattern": format!("^{}$", Self::pattern()),
    "minimum": 0,
    "maximum": 0,
});

// === impl Millis ===

impl FromStr for Millis {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let span: Span = text.parse()?;
        if span.0.subsec_nanos().is_multiple_of(1_000_000) {
            return Ok(Self(span.0));
        }
        let problem = "is not a whole number of milliseconds, which is the plan's grid";
        Err(QuantityError::new(&span.to_string(), problem))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span(self.0).fmt(f)
    }
}

quantity!(Millis, "a duration such as 500ms, 2m or 1h30m", {
    "description": "A duration as in Go: 500ms, 2m, 1h30m.",
    "type": ["string", "integer"],
    "pattern": format!("^{}$", Span::pattern()),
    "minimum": 0,
    "maximum": 0,
});

// === impl NonZeroSpan ===

impl NonZeroSpan {
    fn pattern() -> String {
        let any = format!("([0-9]+(\\.[0-9]*)?{UNIT})*");
        let more = "([0-9]*[1-9][0-9]*(\\.[0-9]*)?|[0-9]+\\.[0-9]*[1-9][0-9]*)";
        format!("^{any}{more}{UNIT}{any}$")
    }
}

impl FromStr for NonZeroSpan {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let span: Span = text.parse()?;
        if span.0.is_zero() {
            let problem = "is too short; it is at least 1ms";
            return Err(QuantityError::new(&span.to_string(), problem));
        }
        text.parse().map(|Millis(span)| Self(span))
    }
}

impl fmt::Display for NonZeroSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span(self.0).fmt(f)
    }
}

quantity!(NonZeroSpan, "a duration such as 500ms, 2m or 1h30m", {
    "description": "A duration as in Go, more than zero: 500ms, 2m, 1h30m.",
    "type": "string",
    "pattern": Self::pattern(),
});

fn split(text: &str, of_head: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !of_head(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// `number` (with or without decimals) times `scale`, in whole nanoseconds.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 18 || fraction.len() > 15 {
        return None;
    }
    let mut nanos = whole.parse::<u128>().ok()? * scale;
    if !fraction.is_empty() {
        let digits = u32::try_from(fraction.len()).ok()?;
        nanos += fraction.parse::<u128>().ok()? * scale / 10_u128.pow(digits);
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Duration, String> {
        text.parse::<Span>()
            .map(|span| span.0)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn durations_read_as_in_go() {
        for (text, millis) in [
            ("500ms", 500),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("2m0s", 120_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("15µs"), Ok(Duration::from_micros(15)));
    }

    #[test]
    fn what_is_no_duration_says_what_would_be_one() {
        for (text, message) in [
            (
                "5",
                "5 has no unit; write for example 500ms, 5s, 2m or 1h30m",
            ),
            (
                "1m30",
                "1m30 has no unit; write for example 500ms, 5s, 2m or 1h30m",
            ),
            (
                "5 s",
                "\"5 s\" has an unknown unit; the units are h, m, s, ms, us and ns",
            ),
            (
                "2d",
                "2d has an unknown unit; the units are h, m, s, ms, us and ns",
            ),
            ("-5s", "-5s is negative; a duration is at least 0"),
            (
                "soon",
                "soon is not a duration; write for example 500ms, 2m or 1h30m",
            ),
            (
                "",
                "\"\" is not a duration; write for example 500ms, 2m or 1h30m",
            ),
            (
                "1.2.3s",
                "1.2.3s is not a duration; write for example 500ms, 2m or 1h30m",
            ),
            (
                "100000h",
                "100000h is too long; at most 10 years can be planned",
            ),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn a_printed_duration_reads_back(nanos in 0_u64..300_000_000_000_000_000) {
            let span = Span(Duration::from_nanos(nanos));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
