//! How text for a terminal looks.

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI escapes colour it.
    pub coloured: bool,
    /// The longest line, in characters; what has no spaces may be longer.
    pub columns: usize,
}

impl Style {
    /// For files and pipes: 80 columns, no colours.
    pub const PLAIN: Self = Self {
        coloured: false,
        columns: 80,
    };
}
