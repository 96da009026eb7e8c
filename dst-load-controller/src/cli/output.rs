//! The forms in which results are printed.

use clap::ValueEnum;

use super::usage::UsageError;

/// A form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// A form of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a pull request; reports only.
    Markdown,
    /// For a CI system, in XML; reports only.
    Junit,
    /// For a browser, one page with charts; reports only.
    Html,
}

// === impl Format ===

impl Format {
    /// The form, where only text and JSON are to be had.
    ///
    /// # Errors
    /// If it is one that only reports have.
    pub fn plain(self) -> Result<Output, UsageError> {
        match self {
            Self::Text => Ok(Output::Text),
            Self::Json => Ok(Output::Json),
            Self::Markdown | Self::Junit | Self::Html => Err(UsageError(
                "only reports are printed as markdown, junit or html; use --output text or json"
                    .to_owned(),
            )),
        }
    }
}
