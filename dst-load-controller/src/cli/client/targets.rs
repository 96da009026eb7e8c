//! The Services that `--services` names. A shell expands braces before this tool sees them, a
//! Pod's args do not, so both must mean the same.

use std::collections::BTreeSet;

use crate::model::authority::{Authority, AuthorityError};

/// More Services than Kubernetes supports in a cluster are a slip of the keyboard.
const MOST_TARGETS: usize = 10_000;

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
}

/// The Services of all values, in order.
pub(super) fn parse(values: &[String]) -> Result<Vec<Authority>, TargetsError> {
    let mut targets = Vec::new();
    let mut seen = BTreeSet::new();
    for part in values.iter().flat_map(|value| split(value)) {
        for text in expand(part)? {
            let target: Authority = text.parse()?;
            if !seen.insert(target.clone()) {
                return Err(TargetsError::Twice(target));
            }
            targets.push(target);
            if targets.len() > MOST_TARGETS {
                return Err(TargetsError::TooMany);
            }
        }
    }
    Ok(targets)
}

/// Splits at commas outside braces.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    list.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

/// Expands braces as bash does: `{1..3}` and `{a,b}`, the first varying slowest.
fn expand(text: &str) -> Result<Vec<String>, TargetsError> {
    let broken = || TargetsError::Brace(text.to_owned());
    let Some((head, rest)) = text.split_once('{') else {
        return if text.contains('}') {
            Err(broken())
        } else {
            Ok(vec![text.to_owned()])
        };
    };
    let (inner, tail) = rest.split_once('}').ok_or_else(broken)?;
    let tails = expand(tail)?;
    let middles = alternatives(inner)?;
    if middles.len().saturating_mul(tails.len()) > MOST_TARGETS {
        return Err(TargetsError::TooMany);
    }
    let joined = middles.iter().flat_map(|middle| {
        tails
            .iter()
            .map(move |tail| format!("{head}{middle}{tail}"))
    });
    Ok(joined.collect())
}

/// What stands between two braces: a range of numbers, or a list.
fn alternatives(inner: &str) -> Result<Vec<String>, TargetsError> {
    let range = inner.split_once("..").and_then(|(from, to)| {
        let numbers = (from.parse::<u32>().ok()?, to.parse::<u32>().ok()?);
        // Bash pads every number where one of the two is written with a leading zero.
        let padded = [from, to]
            .iter()
            .any(|text| text.len() > 1 && text.starts_with('0'));
        Some((numbers, if padded { from.len().max(to.len()) } else { 0 }))
    });
    match range {
        Some(((from, to), _)) if from.abs_diff(to) as usize >= MOST_TARGETS => {
            Err(TargetsError::TooMany)
        }
        Some(((from, to), width)) => {
            let number = |number| format!("{number:0width$}");
            Ok(if from <= to {
                (from..=to).map(number).collect()
            } else {
                (to..=from).rev().map(number).collect()
            })
        }
        None => Ok(inner.split(',').map(str::to_owned).collect()),
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
}
