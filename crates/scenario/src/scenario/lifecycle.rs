//! How long a stream lives: as the load test plan wants it, or as a proxy would have it.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who decides when a stream ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Lifecycle {
    /// A stream waits for ever, and ends only where the scenario or the server says so.
    #[default]
    Eternal,
    /// As in Linkerd's proxy: the first item is awaited 3 s, a stream that says nothing for 5 min
    /// or has lived for 1 h is opened again, and a refusal ends it for good.
    Proxy,
}

/// A word that is no lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no lifecycle; it is eternal or proxy")]
pub struct UnknownLifecycle(String);

// === impl Lifecycle ===

impl FromStr for Lifecycle {
    type Err = UnknownLifecycle;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "eternal" => Ok(Self::Eternal),
            "proxy" => Ok(Self::Proxy),
            other => Err(UnknownLifecycle(other.to_owned())),
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eternal => "eternal",
            Self::Proxy => "proxy",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifecycle_is_written_as_it_is_read() {
        for lifecycle in [Lifecycle::Eternal, Lifecycle::Proxy] {
            assert_eq!(lifecycle.to_string().parse(), Ok(lifecycle));
            assert_eq!(serde_json::json!(lifecycle), lifecycle.to_string());
        }
        let error = "Proxy".parse::<Lifecycle>().unwrap_err().to_string();
        assert_eq!(error, "\"Proxy\" is no lifecycle; it is eternal or proxy");
    }
}
