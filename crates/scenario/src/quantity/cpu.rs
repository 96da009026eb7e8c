//! CPU as Kubernetes writes it: `500m` (thousandths of a core) or `2` (cores).

use std::{fmt, str::FromStr};

use super::{DECIMAL, QuantityError, decimal, split_unit};

/// An amount of CPU, in cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Cpu(pub f64);

// === impl Cpu ===

impl FromStr for Cpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refuse = |problem| Err(QuantityError::new(text, problem));
        let (number, unit) = split_unit(text);
        match (decimal(number), unit) {
            (Some(cores), "") => Ok(Self(cores)),
            (Some(thousandths), "m") => Ok(Self(thousandths / 1_000.0)),
            (Some(_), _) => refuse("has an unknown unit; write CPU as 500m or 2"),
            (None, _) => refuse("is no amount of CPU; write for example 500m or 2"),
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

quantity!(Cpu, "CPU such as 500m or 2", {
    "description": "An amount of CPU: 500m, 2.",
    "type": ["string", "number"],
    "pattern": format!("^{DECIMAL}m?$"),
    "minimum": 0,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_reads_as_in_kubernetes_and_back() {
        for (text, cores) in [("500m", 0.5), ("2", 2.0), ("0.25", 0.25)] {
            let cpu = Cpu(cores);
            assert_eq!(text.parse(), Ok(cpu), "{text}");
            assert_eq!(cpu.to_string().parse(), Ok(cpu));
        }
    }

    #[test]
    fn what_is_no_cpu_says_what_would_be_some() {
        for (text, message) in [
            (
                "2cores",
                "2cores has an unknown unit; write CPU as 500m or 2",
            ),
            (
                "all",
                "all is no amount of CPU; write for example 500m or 2",
            ),
        ] {
            assert_eq!(
                text.parse::<Cpu>().map_err(|e| e.to_string()),
                Err(message.to_owned())
            );
        }
    }
}
