//! Byte sizes: `2GiB` and Kubernetes' `2Gi` (powers of 1,024), `6GB` and `6G` (powers of 1,000).

use std::{fmt, str::FromStr};

use super::{DECIMAL, QuantityError, decimal, split_unit};

/// More than any process can hold.
const MOST: u64 = 1 << 60;

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

// === impl Bytes ===

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refuse = |problem| Err(QuantityError::new(text, problem));
        if text.starts_with('-') {
            return refuse("is negative; a size is at least 0");
        }
        let (number, unit) = split_unit(text);
        let Some(count) = decimal(number) else {
            return refuse("is not a size; write for example 512Mi, 2GiB or 6GB");
        };
        let scale: u64 = match unit {
            "" | "B" => 1,
            "k" | "kB" | "K" | "KB" => 1_000,
            "M" | "MB" => 1_000_000,
            "G" | "GB" => 1_000_000_000,
            "T" | "TB" => 1_000_000_000_000,
            "Ki" | "KiB" => 1 << 10,
            "Mi" | "MiB" => 1 << 20,
            "Gi" | "GiB" => 1 << 30,
            "Ti" | "TiB" => 1 << 40,
            _ => return refuse("has an unknown unit; write for example 512Mi, 2GiB or 6GB"),
        };
        let exact = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(scale));
        // A size with decimals is approximate, and a float's cast saturates.
        let size = exact.unwrap_or((count * scale as f64) as u64);
        if size > MOST {
            return refuse("is more than any process can hold");
        }
        Ok(Self(size))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 8] = [
            ("TiB", 1 << 40),
            ("TB", 1_000_000_000_000),
            ("GiB", 1 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("kB", 1_000),
        ];
        let exact = |(_, scale): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*scale);
        match UNITS.iter().find(exact) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => write!(f, "{}B", self.0),
        }
    }
}

quantity!(Bytes, "a size such as 512Mi, 2GiB or 6GB", {
    "description": "A size in bytes: 512Mi, 2GiB, 6GB.",
    "type": ["string", "number"],
    "pattern": format!("^{DECIMAL}([kKMGT]|[KMGT]i)?B?$"),
    "minimum": 0,
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_read_in_both_systems() {
        for (text, bytes) in [
            ("2GiB", 2 << 30),
            ("8Gi", 8 << 30),
            ("512Mi", 512 << 20),
            ("6GB", 6_000_000_000),
            ("1.5k", 1_500),
            ("1024", 1_024),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_what_would_be_one() {
        for (text, message) in [
            (
                "2GBs",
                "2GBs has an unknown unit; write for example 512Mi, 2GiB or 6GB",
            ),
            (
                "5s",
                "5s has an unknown unit; write for example 512Mi, 2GiB or 6GB",
            ),
            (
                "much",
                "much is not a size; write for example 512Mi, 2GiB or 6GB",
            ),
            ("-1Gi", "-1Gi is negative; a size is at least 0"),
            ("2000000TiB", "2000000TiB is more than any process can hold"),
        ] {
            assert_eq!(
                text.parse::<Bytes>().map_err(|e| e.to_string()),
                Err(message.to_owned())
            );
        }
    }

    proptest! {
        #[test]
        fn a_printed_size_reads_back(bytes in 0_u64..1 << 53) {
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
    }
}
