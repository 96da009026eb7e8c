//! Whose controller was measured, as its responses say.
//!
//! The header says what flags and metrics made of it before the run; a metrics address may be that
//! of another process, or absent. The responses come from what was measured.

use std::collections::BTreeSet;

use dst_load_scenario::time::At;
use serde::{Deserialize, Serialize};

use super::{Line, TargetInfo, TargetKind};

/// A replica of the destination has answered, and said for the first time whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifiedLine {
    /// When.
    pub at: At,
    /// Which, from 0.
    pub replica: u32,
    /// The version of the reference destination that it says it is; absent if it says nothing of
    /// the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub reference: Option<String>,
}

/// What all replicas have said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    reference: BTreeSet<u32>,
    others: BTreeSet<u32>,
}

// === impl Identities ===

impl Identities {
    /// What a recording's lines say.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
        let mut identities = Self::default();
        for line in lines {
            if let Line::Identified(line) = line {
                identities.absorb(line);
            }
        }
        identities
    }

    /// Takes in a line.
    pub fn absorb(&mut self, line: &IdentifiedLine) {
        let side = match line.reference {
            Some(_) => &mut self.reference,
            None => &mut self.others,
        };
        side.insert(line.replica);
    }

    /// Whether some responses came from the reference destination, and some did not.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        !self.reference.is_empty() && !self.others.is_empty()
    }

    /// The target of a header, put right where the responses say otherwise. What is partly the
    /// reference destination is nobody's controller, and not Linkerd's.
    #[must_use]
    pub fn correct(&self, target: &TargetInfo) -> TargetInfo {
        let kind = if !self.reference.is_empty() {
            TargetKind::Reference
        } else if !self.others.is_empty() {
            TargetKind::Linkerd
        } else {
            target.kind
        };
        // A version belongs to what it was read from.
        let version = target.version.clone().filter(|_| kind == target.kind);
        TargetInfo {
            kind,
            version,
            forwarded: target.forwarded,
            flags: target.flags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(replica: u32, reference: Option<&str>) -> Line {
        Line::Identified(IdentifiedLine {
            at: At::ZERO,
            replica,
            reference: reference.map(str::to_owned),
        })
    }

    fn target(kind: TargetKind) -> TargetInfo {
        TargetInfo {
            kind,
            version: Some("edge-26.8.3".into()),
            forwarded: true,
            flags: None,
        }
    }

    #[test]
    fn what_responses_say_counts_whatever_the_header_says() {
        use TargetKind::{Linkerd, Reference};
        let (says, silent) = (line(0, Some("0.1.0")), line(0, None));
        for (lines, header, kind) in [
            (vec![], Linkerd, Linkerd),
            (vec![], Reference, Reference),
            (vec![&says], Linkerd, Reference),
            (vec![&silent], Reference, Linkerd),
            (vec![&silent, &says], Linkerd, Reference),
        ] {
            let corrected = Identities::of(lines).correct(&target(header));
            assert_eq!(corrected.kind, kind);
            assert_eq!(corrected.version.is_some(), kind == header);
            assert!(corrected.forwarded);
        }
    }

    #[test]
    fn one_address_with_both_behind_it_is_mixed_as_two_are() {
        let mixed = |lines: &[Line]| Identities::of(lines).is_mixed();
        assert!(mixed(&[line(0, Some("0.1.0")), line(0, None)]));
        assert!(mixed(&[line(0, None), line(1, Some("0.1.0"))]));
        assert!(!mixed(&[line(0, Some("0.1.0")), line(1, Some("0.1.0"))]));
        assert!(!mixed(&[line(0, None), line(1, None)]));
    }
}
