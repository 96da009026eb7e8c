//! Whether a run can be trusted to work where it is about to run: findings, and how they read.
//!
//! The form is that of `linkerd check`: sections of lines, each a √, a ‼ or a ×, and below each
//! that is not well what it means and what to do.

pub mod capacity;
pub mod quota;

use std::fmt;

use dst_load_scenario::printable::sentence;
use serde::Serialize;

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

    /// Those because of which a run should not start.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| matches!(finding.outcome, Outcome::Failed { .. }))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = &self.claim;
        match &self.outcome {
            Outcome::Ok { seen: None } => writeln!(f, "√ {claim}"),
            Outcome::Ok { seen: Some(seen) } => writeln!(f, "√ {claim} ({seen})"),
            Outcome::Warning { seen, hint } => {
                writeln!(f, "‼ {claim}\n    {seen}\n    hint: {hint}")
            }
            Outcome::Failed { seen, hint } => {
                writeln!(f, "× {claim}\n    {seen}\n    hint: {hint}")
            }
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = String::new();
        for finding in &self.findings {
            let head = match finding.cluster {
                Some(cluster) => format!("{} ({cluster} cluster)", finding.section),
                None => finding.section.to_owned(),
            };
            if head != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                section = head;
                writeln!(f, "{gap}{section}\n{}", "-".repeat(section.len()))?;
            }
            write!(f, "{finding}")?;
        }
        let sign = if self.failed().next().is_some() {
            '×'
        } else {
            '√'
        };
        writeln!(f, "\nStatus check results are {sign}")
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
