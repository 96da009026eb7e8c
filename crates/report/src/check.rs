//! Whether a run can be trusted to work where it is about to run: findings, and how they read.
//!
//! The form is that of `linkerd check`: sections of lines, each a √, a ‼ or a ×, and below each
//! that is not well what it means and what to do.

pub mod capacity;
pub mod quota;

use std::fmt;

use dst_load_scenario::printable::sentence;
use serde::Serialize;

use crate::{
    document::{ALL, Block, Document, Item, List, ListStyle, Tone, text},
    terminal::Style,
};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which cluster it is, where there are two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<&'static str>,
    /// The section, such as `kubernetes-api`.
    pub section: &'static str,
    /// What was claimed, such as `can reach the API server`.
    pub claim: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The claim holds.
    Ok {
        /// What was seen, where it says more than the claim.
        #[serde(skip_serializing_if = "Option::is_none")]
        seen: Option<String>,
    },
    /// The run will do, and its user should know.
    Warning {
        /// What was seen.
        seen: String,
        /// What to do.
        hint: String,
    },
    /// The run will not do.
    Failed {
        /// What was seen.
        seen: String,
        /// What to do.
        hint: String,
    },
}

/// All findings, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// One each.
    pub findings: Vec<Finding>,
    /// Of which cluster the next ones are, where there are two: `source` or `target`.
    #[serde(skip)]
    pub cluster: Option<&'static str>,
}

// === impl Outcome ===

impl Outcome {
    /// The claim holds, and that says it all.
    #[must_use]
    pub const fn ok() -> Self {
        Self::Ok { seen: None }
    }

    /// The claim holds, and this was seen.
    #[must_use]
    pub fn seen(seen: impl Into<String>) -> Self {
        Self::Ok {
            seen: Some(sentence(&seen.into())),
        }
    }

    /// The run will do all the same.
    #[must_use]
    pub fn warning(seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Warning {
            seen: sentence(&seen.into()),
            hint: hint.into(),
        }
    }

    /// The run will not do.
    #[must_use]
    pub fn failed(seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed {
            seen: sentence(&seen.into()),
            hint: hint.into(),
        }
    }
}

// === impl Findings ===

impl Findings {
    /// Adds one.
    pub fn push(&mut self, section: &'static str, claim: impl Into<String>, outcome: Outcome) {
        self.findings.push(Finding {
            cluster: self.cluster,
            section,
            claim: sentence(&claim.into()),
            outcome,
        });
    }

    /// As a document: a section for each run of findings that are of one.
    fn document(&self) -> Document {
        let mut document = Document::of_claims();
        for findings in self.findings.chunk_by(|a, b| a.heading() == b.heading()) {
            let heading = findings.first().map(Finding::heading);
            document.part(ALL, heading.unwrap_or_default());
            document.add(ALL, claims(findings));
        }
        let sign = match self.failed().next() {
            Some(_) => Tone::Bad,
            None => Tone::Good,
        };
        let text = format!("Status check results are {}", sign.mark());
        document.add(ALL, Block::paragraph(text));
        document
    }

    /// Those because of which a run should not start.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| matches!(finding.outcome, Outcome::Failed { .. }))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut document = Document::of_claims();
        document.add(ALL, claims(std::slice::from_ref(self)));
        f.write_str(&text::render(&document, Style::PLAIN))
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::render(&self.document(), Style::PLAIN))
    }
}

fn claims(findings: &[Finding]) -> List {
    List {
        style: ListStyle::Claims,
        items: findings.iter().map(Finding::item).collect(),
    }
}

// === impl Finding ===

impl Finding {
    /// The head of its section.
    fn heading(&self) -> String {
        match self.cluster {
            Some(cluster) => format!("{} ({cluster} cluster)", self.section),
            None => self.section.to_owned(),
        }
    }

    fn item(&self) -> Item {
        let below = |seen: &str, hint: &str| vec![seen.to_owned(), format!("hint: {hint}")];
        let claim = &self.claim;
        let (tone, text, below) = match &self.outcome {
            Outcome::Ok { seen: None } => (Tone::Good, claim.clone(), Vec::new()),
            Outcome::Ok { seen: Some(seen) } => {
                (Tone::Good, format!("{claim} ({seen})"), Vec::new())
            }
            Outcome::Warning { seen, hint } => (Tone::Doubtful, claim.clone(), below(seen, hint)),
            Outcome::Failed { seen, hint } => (Tone::Bad, claim.clone(), below(seen, hint)),
        };
        Item { tone, text, below }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_read_like_those_of_linkerd_check() {
        let mut findings = Findings::default();
        findings.push(
            "kubernetes-api",
            "can reach the API server",
            Outcome::seen("v1.36.3"),
        );
        findings.push("permissions", "may list services", Outcome::ok());
        findings.push(
            "permissions",
            "may list nodes",
            Outcome::warning("no", "grant it"),
        );
        assert_eq!(
            findings.to_string(),
            "kubernetes-api\n--------------\n√ can reach the API server (v1.36.3)\n\n\
             permissions\n-----------\n√ may list services\n\
             ‼ may list nodes\n    no\n    hint: grant it\n\nStatus check results are √\n"
        );
        findings.push(
            "permissions",
            "may create services",
            Outcome::failed("no", "grant it"),
        );
        assert_eq!(findings.failed().count(), 1);
        assert!(findings.to_string().ends_with("results are ×\n"));
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["findings"][3]["outcome"], "failed");
        assert_eq!(json["findings"][0]["seen"], "v1.36.3");
    }
}
