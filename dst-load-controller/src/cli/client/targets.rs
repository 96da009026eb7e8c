//! The Services that `--services` names. A shell expands braces before this tool sees them, a
//! Pod's args do not, so both must mean the same.

use std::collections::BTreeSet;

use dst_load_scenario::{
    authority::{Authority, AuthorityError},
    words::excerpt,
};

/// More Services than Kubernetes supports in a cluster are a slip of the keyboard.
const MOST_TARGETS: usize = 10_000;
/// The longest text of all of them, in bytes: as many names as there may be, as long as they may be.
const LONGEST_LIST: usize = MOST_TARGETS * LONGEST_NAME;
/// The longest name, in bytes: two labels of 63, `.svc.cluster.local:65535`, and the dot between.
const LONGEST_NAME: usize = 2 * 63 + 25;
/// Pairs of braces in a name.
const MOST_BRACES: usize = 16;
/// Digits of a number between braces.
const MOST_DIGITS: usize = 10;

/// What is wrong with a list of Services.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetsError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("{0:?} has a brace without its other half")]
    Brace(String),
    #[error("{0} is given twice")]
    Twice(Authority),
    #[error("more than {MOST_TARGETS} Services are given")]
    TooMany,
    #[error("the list has {0} bytes; at most {LONGEST_LIST} are read")]
    List(usize),
    #[error("{0:?} has more than {MOST_BRACES} pairs of braces")]
    Braces(String),
    #[error("{0:?} has a number of more than {MOST_DIGITS} digits between braces")]
    Digits(String),
    #[error("{0:?} stands for names of more than {LONGEST_NAME} characters")]
    Name(String),
}

/// A name with braces, of which nothing is expanded yet.
struct Pattern<'a>(Vec<Piece<'a>>);

/// A part of it.
enum Piece<'a> {
    Text(&'a str),
    /// Numbers, padded with zeros to a width.
    Range {
        from: u32,
        to: u32,
        width: usize,
    },
    List(Vec<&'a str>),
}

/// The Services of all values, in order.
pub(super) fn parse(values: &[String]) -> Result<Vec<Authority>, TargetsError> {
    let length = values
        .iter()
        .map(String::len)
        .fold(0, usize::saturating_add);
    if length > LONGEST_LIST {
        return Err(TargetsError::List(length));
    }
    let mut targets = Vec::new();
    let mut seen = BTreeSet::new();
    for part in values.iter().flat_map(|value| split(value)) {
        let pattern = Pattern::parse(part)?;
        let room = (MOST_TARGETS - targets.len()) as u64;
        let count = pattern.count().filter(|count| *count <= room);
        for number in 0..count.ok_or(TargetsError::TooMany)? {
            let target: Authority = pattern.nth(number).parse()?;
            if !seen.insert(target.clone()) {
                return Err(TargetsError::Twice(target));
            }
            targets.push(target);
        }
    }
    Ok(targets)
}

/// Splits at commas outside braces.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    list.split(move |c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

// === impl Pattern ===

impl<'a> Pattern<'a> {
    /// Reads braces as bash does: `{1..3}` and `{a,b}`.
    fn parse(text: &'a str) -> Result<Self, TargetsError> {
        let refused = |error: fn(String) -> TargetsError| error(excerpt(text));
        if text.matches('{').nth(MOST_BRACES).is_some() {
            return Err(refused(TargetsError::Braces));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((head, tail)) = rest.split_once('{') {
            let (inner, tail) = tail
                .split_once('}')
                .filter(|(inner, _)| !inner.contains('{') && !head.contains('}'))
                .ok_or_else(|| refused(TargetsError::Brace))?;
            pieces.push(Piece::Text(head));
            pieces.push(Piece::parse(inner).ok_or_else(|| refused(TargetsError::Digits))?);
            rest = tail;
        }
        if rest.contains('}') {
            return Err(refused(TargetsError::Brace));
        }
        pieces.push(Piece::Text(rest));
        let longest = pieces.iter().map(Piece::longest);
        if pieces.len() > 1 && longest.fold(0, usize::saturating_add) > LONGEST_NAME {
            return Err(refused(TargetsError::Name));
        }
        Ok(Self(pieces))
    }

    /// How many names it stands for; `None` if that is no number.
    fn count(&self) -> Option<u64> {
        let mut counts = self.0.iter().map(Piece::count);
        counts.try_fold(1, u64::checked_mul)
    }

    /// One of the names; the first braces vary slowest.
    fn nth(&self, number: u64) -> String {
        let (mut name, mut rest) = (String::new(), number);
        let mut chosen = Vec::with_capacity(self.0.len());
        for piece in self.0.iter().rev() {
            chosen.push((piece, rest % piece.count()));
            rest /= piece.count();
        }
        for (piece, nth) in chosen.into_iter().rev() {
            piece.write(nth, &mut name);
        }
        name
    }
}

// === impl Piece ===

impl<'a> Piece<'a> {
    /// What stands between two braces: a range of numbers, or a list. `None` if a number has too many
    /// digits.
    fn parse(inner: &'a str) -> Option<Self> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let range = inner.split_once("..");
        let range = range.filter(|(from, to)| is_number(from) && is_number(to));
        let list = || Self::List(inner.split(',').collect());
        let Some((from, to)) = range else {
            return Some(list());
        };
        if from.len().max(to.len()) > MOST_DIGITS {
            return None;
        }
        // Bash pads every number where one of the two is written with a leading zero.
        let padded = [from, to]
            .iter()
            .any(|text| text.len() > 1 && text.starts_with('0'));
        let width = if padded { from.len().max(to.len()) } else { 0 };
        let numbers = from.parse().ok().zip(to.parse().ok());
        Some(numbers.map_or_else(list, |(from, to)| Self::Range { from, to, width }))
    }

    fn count(&self) -> u64 {
        match self {
            Self::Text(_) => 1,
            Self::Range { from, to, .. } => u64::from(from.abs_diff(*to)) + 1,
            Self::List(list) => list.len() as u64,
        }
    }

    /// The length of the longest, in bytes.
    fn longest(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            // A short one may be among them, and the name is looked at again.
            Self::Range { .. } => 1,
            Self::List(list) => list.iter().map(|it| it.len()).max().unwrap_or_default(),
        }
    }

    fn write(&self, nth: u64, name: &mut String) {
        match self {
            Self::Text(text) => name.push_str(text),
            Self::Range { from, to, width } => {
                let (from, to) = (u64::from(*from), u64::from(*to));
                let number = if from <= to { from + nth } else { from - nth };
                name.push_str(&format!("{number:0width$}"));
            }
            Self::List(list) => {
                let index = usize::try_from(nth).unwrap_or(usize::MAX);
                name.push_str(list.get(index).copied().unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(values: &[&str]) -> Result<Vec<String>, String> {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        match parse(&values) {
            Ok(targets) => Ok(targets.into_iter().map(|target| target.service).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn braces_expand_as_in_bash() {
        for (text, services) in [
            ("a-{1..3}.n:80", vec!["a-1", "a-2", "a-3"]),
            ("a-{3..1}.n:80", vec!["a-3", "a-2", "a-1"]),
            ("a-{09..11}.n:80", vec!["a-09", "a-10", "a-11"]),
            ("{a,b}-{1..2}.n:80", vec!["a-1", "a-2", "b-1", "b-2"]),
        ] {
            assert_eq!(names(&[text]).unwrap(), services, "{text}");
        }
    }

    #[test]
    fn repeated_flags_commas_and_braces_mean_the_same() {
        let braces = names(&["a-{1..3}.n:80"]);
        assert_eq!(names(&["a-1.n:80", "a-2.n:80", "a-3.n:80"]), braces);
        assert_eq!(names(&["a-1.n:80,a-2.n:80, a-3.n:80,"]), braces);
        assert_eq!(names(&["a-{1,2}.n:80,a-3.n:80"]), braces);
    }

    #[test]
    fn a_slip_is_named() {
        for (text, message) in [
            (
                "a-{1..3.n:80",
                "\"a-{1..3.n:80\" has a brace without its other half",
            ),
            (
                "a-1}.n:80",
                "\"a-1}.n:80\" has a brace without its other half",
            ),
            ("a.n:80,a.n:80", "a.n.svc.cluster.local:80 is given twice"),
            ("a-{1..99999}.n:80", "more than 10000 Services are given"),
            (
                "{1..200}-{1..200}.n:80",
                "more than 10000 Services are given",
            ),
            (
                "a-1",
                "\"a-1\" names no Service; write NAME.NAMESPACE.svc.cluster.local:PORT",
            ),
        ] {
            assert_eq!(names(&[text]), Err(message.to_owned()));
        }
    }
    #[test]
    fn limits_are_named_before_anything_is_expanded() {
        let ends = |text: &str, end: &str| {
            let error = names(&[text]).unwrap_err();
            assert!(error.ends_with(end), "{error}");
            assert!(error.len() < 500, "{error}");
        };
        let one = "{1..10}";
        ends(
            &one.repeat(MOST_BRACES + 1),
            "has more than 16 pairs of braces",
        );
        ends(&"{".repeat(20_000), "has more than 16 pairs of braces");
        ends(&"}".repeat(20_000), "has a brace without its other half");
        ends(
            &format!("a-{{{}1..3}}.n:80", "0".repeat(70_000)),
            "has a number of more than 10 digits between braces",
        );
        let many = format!("{}.n:80", one.repeat(MOST_BRACES));
        ends(&many, "more than 10000 Services are given");
        let most = "{1..4294967295}".repeat(3);
        ends(&most, "more than 10000 Services are given");
        let long = format!("{{1..10000}}.{}:80", "n".repeat(100_000));
        ends(&long, "stands for names of more than 151 characters");
        ends(
            &format!("a{}.n:80", "a".repeat(100_000)),
            "names no Service; write NAME.NAMESPACE.svc.cluster.local:PORT",
        );
        ends(
            &"a".repeat(LONGEST_LIST + 1),
            "has 1510001 bytes; at most 1510000 are read",
        );
        // As many as there may be, in several values.
        let values = ["a-{1..5000}.n:80", "b-{1..5000}.n:80", "c.n:80"];
        assert_eq!(names(&values[..2]).unwrap().len(), MOST_TARGETS);
        assert!(names(&values).unwrap_err().starts_with("more than 10000"));
    }

    #[test]
    fn the_longest_names_are_read() {
        let label = "l".repeat(62);
        let text = format!("{{a,b}}{label}.{{c,d}}{label}.svc.cluster.local:65535");
        assert_eq!(names(&[&text]).unwrap().len(), 4);
    }
}
