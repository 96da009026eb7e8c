//! The lines of a page in Prometheus' text format.

/// A line of a page: a series and its value. What is no series has a name that none has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    /// The series' name.
    pub(super) name: &'a str,
    /// `name{a="x",b="y"`.
    labels: &'a str,
    value: &'a str,
}

/// All lines of a page.
pub(super) fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    page.lines().map(|line| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        // After the labels, whose values may hold spaces: the value, and perhaps a timestamp.
        let (labels, rest) = line.rsplit_once('}').unwrap_or(("", &line[name.len()..]));
        Sample {
            name,
            labels,
            value: rest.split_whitespace().next().unwrap_or_default(),
        }
    })
}

// === impl Sample ===

impl<'a> Sample<'a> {
    /// The value of a label.
    pub(super) fn label(&self, name: &str) -> Option<&'a str> {
        let start = format!("{name}=\"");
        let mut rest = self.labels;
        while let Some((before, after)) = rest.split_once(&start) {
            // A longer label may end in this one's name.
            if before.ends_with(['{', ',', ' ']) {
                return after.split('"').next();
            }
            rest = after;
        }
        None
    }

    /// The value.
    ///
    /// # Errors
    /// If it is no number.
    pub(super) fn number(&self) -> Result<f64, String> {
        let Self { name, value, .. } = self;
        (value.parse()).map_err(|_| format!("{name} is {value:?}, which is no number"))
    }
}
