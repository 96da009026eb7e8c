//! Whether the target lived, as a kubelet would have asked it.

use dst_load_scenario::time::At;
use serde::{Deserialize, Serialize};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingLine {
    /// When it was asked.
    pub at: At,
    /// How long the answer took, microseconds; absent if there was none that a kubelet takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Why a kubelet would say that it does not live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub error: Option<String>,
}
