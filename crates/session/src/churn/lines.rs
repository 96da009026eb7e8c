//! The lines of `/events`, as the churner writes them and clients read them.
//!
//! Instants are microseconds of the clock that `/clock` tells.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum EventLine {
    Beat(BeatLine),
    Mark(MarkLine),
    Action(ActionLine),
    /// So many are no longer kept.
    Lost {
        lost: u64,
    },
}

/// An action that is due, and later the same one answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ActionLine {
    /// From 1, without gaps, as is that of a mark.
    pub(crate) sequence: u64,
    pub(crate) action: Cow<'static, str>,
    pub(crate) service: String,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Endpoints that should appear, and endpoints that should go.
    pub(crate) add: u32,
    pub(crate) remove: u32,
    /// The next two are absent while nothing has been answered.
    pub(crate) intended: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acknowledged: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// Where in the plan all Services are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MarkLine {
    pub(crate) sequence: u64,
    pub(crate) action: Mark,
    /// The cycle that starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cycle: Option<u32>,
    /// Whether the last cycle ran its whole course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) whole: Option<bool>,
    pub(crate) intended: u64,
}

/// What a mark is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mark {
    Cycle,
    End,
}

/// A heartbeat for observers: the uid of the slice that was written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BeatLine {
    pub(crate) heartbeat: String,
    pub(crate) resource_version: String,
    pub(crate) acknowledged: u64,
}
