//! Shares of a whole, and growth against one: `10%`, or the fraction `0.1`.

use std::{fmt, str::FromStr};

use super::{DECIMAL, QuantityError, decimal, split_unit};

/// A fraction at least zero; more than 1 only if written with a percent sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Share(pub f64);

// === impl Share ===

impl FromStr for Share {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refuse = |problem| Err(QuantityError::new(text, problem));
        if text.starts_with('-') {
            return refuse("is negative; a percentage is at least 0%");
        }
        let (number, unit) = split_unit(text);
        match (decimal(number), unit) {
            (Some(percent), "%") => Ok(Self(percent / 100.0)),
            (Some(fraction), "") if fraction <= 1.0 => Ok(Self(fraction)),
            (Some(_), "") => refuse("has no unit; write a percentage such as 10%"),
            (Some(_), _) => refuse("has an unknown unit; write a percentage such as 10%"),
            (None, _) => refuse("is not a percentage; write for example 10% or 0.5%"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{}%", self.0 * 100.0);
        // Multiplying and dividing by 100 loses the last bit of some fractions.
        if percent.parse() == Ok(*self) || self.0 > 1.0 {
            f.write_str(&percent)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

quantity!(Share, "a percentage such as 10%, or a fraction from 0 to 1", {
    "description": "A percentage such as 10%, or a fraction from 0 to 1.",
    "type": ["string", "number"],
    "pattern": format!("^({DECIMAL}%|0+(\\.[0-9]*)?|0*\\.[0-9]+|0*1(\\.0*)?)$"),
    "minimum": 0,
    "maximum": 1,
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_and_fractions_mean_the_same() {
        for (text, fraction) in [
            ("10%", 0.1),
            ("0.1", 0.1),
            ("0.5%", 0.005),
            ("0", 0.0),
            ("200%", 2.0),
        ] {
            assert_eq!(text.parse(), Ok(Share(fraction)), "{text}");
        }
    }

    #[test]
    fn what_is_no_percentage_says_what_would_be_one() {
        for (text, message) in [
            ("10", "10 has no unit; write a percentage such as 10%"),
            (
                "5s",
                "5s has an unknown unit; write a percentage such as 10%",
            ),
            ("-1%", "-1% is negative; a percentage is at least 0%"),
            (
                "few",
                "few is not a percentage; write for example 10% or 0.5%",
            ),
        ] {
            assert_eq!(
                text.parse::<Share>().map_err(|e| e.to_string()),
                Err(message.to_owned())
            );
        }
    }

    proptest! {
        #[test]
        fn a_printed_share_reads_back(fraction in 0.0_f64..=1.0) {
            let share = Share(fraction);
            prop_assert_eq!(share.to_string().parse(), Ok(share));
        }
    }
}
