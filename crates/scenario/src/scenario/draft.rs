//! A scenario on its way: a file's text, what overrides it, and then the validated thing.
//!
//! Files, `--set` and the commands' flags all end in the same tree and are judged by the same
//! rules, so that a mistake reads the same wherever it was made.

use serde_json::Value;

use super::{
    Scenario,
    file::{self, tree::Tree},
};
use crate::words::{abridged, excerpt};

/// The largest text of a scenario, in bytes.
pub const LARGEST_SCENARIO: usize = 1 << 20;

/// What is wrong with a scenario: one line that says where, what, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ScenarioError {
    /// `FILE:LINE:COLUMN`, `--set churn.minHold` or `--min-hold`.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

/// A scenario that may still be overridden.
#[derive(Clone, Debug)]
pub struct Draft {
    tree: Tree,
}

// === impl ScenarioError ===

impl ScenarioError {
    pub(super) fn new(place: &str, message: &str) -> Self {
        Self {
            place: abridged(place).into_owned(),
            message: abridged(message).into_owned(),
        }
    }
}

// === impl Draft ===

impl Draft {
    /// Starts from a file's bytes.
    ///
    /// # Errors
    /// If they are too many, not UTF-8, or not one YAML document.
    pub fn read(bytes: &[u8], file_name: &str) -> Result<Self, ScenarioError> {
        // Before its text is looked at: the end may be within a letter.
        fits(bytes.len(), file_name)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text, file_name),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let text = String::from_utf8_lossy(before);
                let line = text.matches('\n').count() + 1;
                let column = text
                    .rsplit('\n')
                    .next()
                    .map_or(0, |last| last.chars().count())
                    + 1;
                let message = format!(
                    "the byte 0x{:02x} is not UTF-8 text; a scenario is a YAML file",
                    bytes[error.valid_up_to()]
                );
                Err(ScenarioError::new(
                    &format!("{file_name}:{line}:{column}"),
                    &message,
                ))
            }
        }
    }

    /// Starts from a file's text.
    ///
    /// # Errors
    /// If it is too large, or not one YAML document.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ScenarioError> {
        fits(text.len(), file_name)?;
        Tree::parse(text, file_name).map(|tree| Self { tree })
    }

    /// Starts from nothing, for flags: what is missing in the end is reported at `place`, and
    /// `name` is the scenario's if none is given.
    #[must_use]
    pub fn from_flags(name: &str, place: &str) -> Self {
        Self {
            tree: Tree::empty(name, place),
        }
    }

    /// Applies one `--set`: `churn.minHold=5s`, or several of these with commas between, as in
    /// Helm.
    ///
    /// # Errors
    /// If it is not of that form, or leads through a value that has no keys.
    pub fn set(&mut self, assignments: &str) -> Result<(), ScenarioError> {
        for assignment in split_commas(assignments) {
            let Some((path, value)) = assignment.split_once('=') else {
                let shown = excerpt(&assignment);
                let message = format!("{shown:?} has no =; write it as churn.minHold=5s");
                return Err(ScenarioError::new("--set", &message));
            };
            self.put(&format!("--set {}", excerpt(path)), path, value)?;
        }
        Ok(())
    }

    /// Overrides the value at the dotted `path`; `place` is how errors call it.
    ///
    /// # Errors
    /// If the path leads through a value that has no keys.
    pub fn put(&mut self, place: &str, path: &str, value: &str) -> Result<(), ScenarioError> {
        self.tree.put(place, path, value)
    }

    /// Judges everything, and returns the scenario with warnings about what will not be used.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn finish(&self) -> Result<(Scenario, Vec<String>), ScenarioError> {
        file::check::check(&self.tree)
    }
}

impl Scenario {
    /// Reads a scenario file, with `--set` overrides in the order given; `file_name` is only for
    /// messages, and for the scenario's name where it has none. Beside the scenario come warnings.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn from_yaml(
        text: &str,
        file_name: &str,
        overrides: &[String],
    ) -> Result<(Self, Vec<String>), ScenarioError> {
        let mut draft = Draft::parse(text, file_name)?;
        for assignments in overrides {
            draft.set(assignments)?;
        }
        draft.finish()
    }

    /// Reads what [`Scenario::effective`] wrote, as the recording called `name` holds it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its keys.
    pub fn from_effective(effective: &Value, name: &str) -> Result<Self, ScenarioError> {
        let tree = Tree::of_json(effective, name);
        file::check::check(&tree).map(|(scenario, _)| scenario)
    }
}

fn fits(length: usize, file_name: &str) -> Result<(), ScenarioError> {
    if length <= LARGEST_SCENARIO {
        return Ok(());
    }
    let message = format!("has more than {LARGEST_SCENARIO} bytes; is that a scenario?");
    Err(ScenarioError::new(file_name, &message))
}

/// Splits at commas that no backslash precedes and that are not within the braces of a list.
fn split_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut within = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let last = parts
            .last_mut()
            .expect("invariant: it starts with one part");
        match c {
            ',' if !within => parts.push(String::new()),
            '\\' => last.extend(chars.next()),
            _ => {
                within = c == '{' && last.ends_with('=') || within && c != '}';
                last.push(c);
            }
        }
    }
    parts
}
