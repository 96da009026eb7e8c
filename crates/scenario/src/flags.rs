//! The flags of the destination controller that change what it promises.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Flags of the destination controller, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flags {
    /// `-enable-ipv6`: whether the IPv6 addresses of pods are served. `null`: not known; Services
    /// for which it matters are not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<bool>,
    /// `-enable-endpoint-slices`: whether EndpointSlices are read, and not Endpoints. `null`: not
    /// known; it is assumed, as both the controller and its chart have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_slices: Option<bool>,
}

// === impl Flags ===

impl Flags {
    /// The defaults of the controller's binary. Those of its Helm chart differ: no IPv6.
    pub const DEFAULT: Self = Self {
        ipv6: Some(true),
        endpoint_slices: Some(true),
    };

    /// What a command line says, or leaves to the defaults. A value that is not plain, such as
    /// `$(VARIABLE)`, is not known.
    #[must_use]
    pub fn of_args<'a>(args: impl IntoIterator<Item = &'a str>) -> Self {
        let mut flags = Self::DEFAULT;
        for arg in args {
            let Some(flag) = arg.strip_prefix('-') else {
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, boolean(value)),
                None => (flag, Some(true)),
            };
            match name {
                "enable-ipv6" => flags.ipv6 = value,
                "enable-endpoint-slices" => flags.endpoint_slices = value,
                _ => {}
            }
        }
        flags
    }

    /// These, and where they are not known `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            ipv6: self.ipv6.or(others.ipv6),
            endpoint_slices: self.endpoint_slices.or(others.endpoint_slices),
        }
    }

    /// What is the same in both: the flags of several replicas.
    #[must_use]
    pub fn in_common(self, others: Self) -> Self {
        Self {
            ipv6: self.ipv6.filter(|_| self.ipv6 == others.ipv6),
            endpoint_slices: (self.endpoint_slices)
                .filter(|_| self.endpoint_slices == others.endpoint_slices),
        }
    }
}

/// A boolean as Go's `flag` reads it.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (Option<bool>, Option<bool>) {
        let flags = Flags::of_args(line.split(' '));
        (flags.ipv6, flags.endpoint_slices)
    }

    #[test]
    fn a_command_line_is_read_as_go_reads_it() {
        let (yes, no) = (Some(true), Some(false));
        for (line, flags) in [
            ("destination", (yes, yes)),
            ("destination -enable-ipv6=false", (no, yes)),
            ("destination --enable-ipv6=0 --addr :1", (no, yes)),
            ("d -enable-endpoint-slices=F -enable-ipv6=f", (no, no)),
            ("d -enable-ipv6=false -enable-ipv6", (yes, yes)),
            ("d -enable-ipv6=$(IPV6)", (None, yes)),
            // A value of another flag is none of these.
            ("d -log-level enable-ipv6=false", (yes, yes)),
        ] {
            assert_eq!(of(line), flags, "{line}");
        }
    }

    #[test]
    fn replicas_that_differ_leave_it_open() {
        let off = Flags::of_args(["-enable-ipv6=false"]);
        assert_eq!(off.in_common(off), off);
        assert_eq!(off.in_common(Flags::DEFAULT).ipv6, None);
        assert_eq!(off.in_common(Flags::default()).ipv6, None);
        assert_eq!(Flags::default().or(off), off);
        assert_eq!(off.or(Flags::DEFAULT), off);
    }
}
