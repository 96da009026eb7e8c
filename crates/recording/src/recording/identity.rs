//! Which run a recording is of, and which client's: so that none counts twice, and none is missed.

use dst_load_scenario::seed;
use serde::{Deserialize, Serialize};

use super::{Header, Line};

/// Whose recording this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// What tells the recording from every other. Of a merged one: each that it holds.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub recordings: Vec<String>,
    /// The Pods that recorded, where they have names, one for each recording.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub pods: Vec<String>,
    /// Which of the client replicas recorded, from 0, where each has Services of its own to ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<u32>,
    /// How many client replicas the scenario has, in a recording of one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_replicas: Option<u32>,
    /// How many recordings a merge needs to be complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<u32>,
}

/// Two recordings that hold the same one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} hold the same recording ({id}): give each run once")]
pub struct GivenTwice {
    /// Where the first is.
    pub first: String,
    /// Where the second is.
    pub second: String,
    /// The recording's id.
    pub id: String,
}

// === impl Identity ===

impl Identity {
    /// A recording of its own. Its id follows from `entity`: in virtual time what determines the
    /// run, else something that no other recording has.
    #[must_use]
    pub fn new(seed: u64, entity: &str) -> Self {
        Self {
            recordings: vec![seed::hex(seed, "recording-id", entity, 8)],
            ..Self::default()
        }
    }

    /// Whether this is unknown: of lines that are in no file.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// What a merge of these holds.
    pub(super) fn merged<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut merged = Self::default();
        for one in all {
            merged.recordings.extend(one.recordings.iter().cloned());
            merged.pods.extend(one.pods.iter().cloned());
            merged.replicas.extend(&one.replicas);
            merged.client_replicas = merged.client_replicas.max(one.client_replicas);
            merged.expected = merged.expected.max(one.expected).max(one.client_replicas);
        }
        merged
    }

    /// Pods from which there is more than one recording: their client restarted.
    #[must_use]
    pub fn restarted(&self) -> Vec<String> {
        given_twice(&self.pods)
    }

    /// Replicas of which there is more than one recording: their clients asked for the same Services.
    #[must_use]
    pub fn same_replicas(&self) -> Vec<u32> {
        given_twice(&self.replicas)
    }
}

/// What is in a list more than once, in order.
fn given_twice<T: Clone + Ord>(all: &[T]) -> Vec<T> {
    let mut sorted = all.to_vec();
    sorted.sort();
    let mut twice: Vec<_> = (sorted.windows(2))
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0].clone())
        .collect();
    twice.dedup();
    twice
}

/// Checks that none of these holds a recording that another one holds, each with its place.
///
/// # Errors
/// The first two that do.
pub fn each_once<'a>(
    all: impl IntoIterator<Item = (String, &'a Header)>,
) -> Result<(), GivenTwice> {
    let mut known = std::collections::BTreeMap::<&str, String>::new();
    for (place, header) in all {
        for id in &header.identity.recordings {
            if let Some(first) = known.insert(id, place.clone()) {
                return Err(GivenTwice {
                    first,
                    second: place,
                    id: id.clone(),
                });
            }
        }
    }
    Ok(())
}

/// The header of a recording, which is its first line.
#[must_use]
pub fn header_of(lines: &[Line]) -> Option<&Header> {
    match lines.first() {
        Some(Line::Header(header)) => Some(header),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{MergeError, merge, samples};

    fn recording(ids: &[&str]) -> Vec<Line> {
        let mut lines = samples::passed();
        if let Some(Line::Header(header)) = lines.first_mut() {
            header.identity.recordings = ids.iter().map(ToString::to_string).collect();
        }
        lines
    }

    fn checked(all: &[(&str, &[&str])]) -> Result<(), GivenTwice> {
        let all: Vec<_> = (all.iter())
            .map(|(place, ids)| ((*place).to_owned(), recording(ids)))
            .collect();
        each_once((all.iter()).map(|(place, lines)| (place.clone(), header_of(lines).unwrap())))
    }

    #[test]
    fn ids_follow_from_what_determines_the_run() {
        let id = |seed, entity| Identity::new(seed, entity).recordings;
        assert_eq!(id(7, "a"), id(7, "a"));
        assert_ne!(id(7, "a"), id(8, "a"));
        assert_ne!(id(7, "a"), id(7, "b"));
        assert_eq!(id(7, "a")[0].len(), 16);
    }

    #[test]
    fn a_recording_that_is_given_twice_is_named_by_both_places() {
        assert_eq!(checked(&[("a", &["1"]), ("b", &["2"])]), Ok(()));
        let error = checked(&[("a", &["1"]), ("b", &["2"]), ("copy of a", &["1"])]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "a and copy of a hold the same recording (1): give each run once"
        );
        // What is in a merge counts there.
        assert!(checked(&[("all", &["1", "2"]), ("b", &["2"])]).is_err());
        // And nothing is known of what has no id.
        assert_eq!(checked(&[("a", &[]), ("b", &[])]), Ok(()));
    }

    #[test]
    fn no_merge_holds_one_twice() {
        let merged = merge(vec![recording(&["1"]), recording(&["2"])]).unwrap();
        assert_eq!(header_of(&merged).unwrap().identity.recordings, ["1", "2"]);
        let twice = merge(vec![merged, recording(&["2"])]);
        assert_eq!(
            twice,
            Err(MergeError::Twice(GivenTwice {
                first: "recording 1".to_owned(),
                second: "recording 2".to_owned(),
                id: "2".to_owned()
            }))
        );
    }

    #[test]
    fn a_merge_expects_as_many_as_there_are_client_replicas() {
        let one = Identity {
            pods: vec!["client-a".to_owned()],
            client_replicas: Some(3),
            ..Identity::new(1, "a")
        };
        assert_eq!(one.expected, None);
        assert_eq!(one.same_replicas(), [0; 0]);
        let two = Identity::merged([&one, &Identity::new(1, "b")].into_iter());
        assert_eq!((two.recordings.len(), two.expected), (2, Some(3)));
        assert_eq!(two.restarted(), [""; 0]);
        let twice = Identity::merged([&one, &two].into_iter());
        assert_eq!(twice.restarted(), ["client-a"]);
    }
}
