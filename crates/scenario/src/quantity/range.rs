//! Ranges of IPv4 addresses, in CIDR form: `240.0.0.0/4`.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use super::QuantityError;

/// A part of an address, without zeros in front.
const OCTET: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

/// All IPv4 addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: Ipv4Addr,
    prefix: u8,
}

// === impl AddressRange ===

impl AddressRange {
    /// The reserved range of RFC 1112, section 4: no host and, as a rule, no cluster has addresses
    /// there, so that made-up endpoints lead nowhere.
    pub const RESERVED: Self = Self {
        first: Ipv4Addr::new(240, 0, 0, 0),
        prefix: 4,
    };

    /// Addresses in it.
    #[must_use]
    pub const fn count(self) -> u64 {
        1 << (32 - self.prefix)
    }

    /// The address that `offset` others precede, if there is one.
    #[must_use]
    pub fn nth(self, offset: u64) -> Option<Ipv4Addr> {
        let offset = (offset < self.count()).then_some(offset)?;
        let bits = u64::from(self.first.to_bits()) + offset;
        u32::try_from(bits).ok().map(Ipv4Addr::from_bits)
    }
}

impl FromStr for AddressRange {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refuse = |problem| QuantityError::new(text, problem);
        let no_range = || refuse("is not a range of IPv4 addresses; write for example 240.0.0.0/4");
        let (first, prefix) = text.split_once('/').ok_or_else(no_range)?;
        let first: Ipv4Addr = first.parse().map_err(|_| no_range())?;
        if !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(no_range()); // A number may have a sign, and this has none.
        }
        let prefix: u8 = prefix.parse().map_err(|_| no_range())?;
        if prefix > 32 {
            return Err(refuse("has a prefix above 32"));
        }
        let range = Self { first, prefix };
        if u64::from(first.to_bits()) % range.count() != 0 {
            return Err(refuse("has bits set behind its prefix"));
        }
        // What the API server refuses in an EndpointSlice.
        let last = range.nth(range.count() - 1).unwrap_or(first);
        let has = |address: Ipv4Addr| (first..=last).contains(&address);
        let inside = |test: fn(&Ipv4Addr) -> bool| test(&first) || test(&last);
        if has(Ipv4Addr::UNSPECIFIED)
            || has(Ipv4Addr::LOCALHOST)
            || has(Ipv4Addr::new(169, 254, 0, 1))
            || has(Ipv4Addr::new(224, 0, 0, 1))
            || inside(Ipv4Addr::is_loopback)
            || inside(Ipv4Addr::is_link_local)
            || inside(Ipv4Addr::is_multicast)
        {
            return Err(refuse(
                "holds unspecified, loopback, link-local or multicast addresses, which Kubernetes refuses",
            ));
        }
        Ok(range)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

quantity!(AddressRange, "a range of addresses such as 240.0.0.0/4", {
    "description": "A range of IPv4 addresses such as 240.0.0.0/4.",
    "type": "string",
    "pattern": format!("^{OCTET}(\\.{OCTET}){{3}}/0*(3[0-2]|[12]?[0-9])$"),
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_prints_what_it_was_parsed_from_and_counts_its_addresses() {
        for (text, count) in [
            ("240.0.0.0/4", 1 << 28),
            ("10.9.8.0/24", 256),
            ("10.0.0.7/32", 1),
        ] {
            let range: AddressRange = text.parse().unwrap();
            assert_eq!((range.to_string().as_str(), range.count()), (text, count));
            assert_eq!(range.nth(count), None);
        }
        let range: AddressRange = "10.9.8.0/24".parse().unwrap();
        assert_eq!(range.nth(255), Some(Ipv4Addr::new(10, 9, 8, 255)));
        assert_eq!("240.0.0.0/4".parse(), Ok(AddressRange::RESERVED));
    }

    #[test]
    fn what_is_no_range_says_what_would_be_one() {
        let message = |text: &str| text.parse::<AddressRange>().unwrap_err().to_string();
        let no_range = "is not a range of IPv4 addresses; write for example 240.0.0.0/4";
        for text in ["10.0.0.0", "10.0.0/8", "10.0.0.0/x", "fd00::/8"] {
            assert_eq!(message(text), format!("{text} {no_range}"));
        }
        assert_eq!(message("10.0.0.0/33"), "10.0.0.0/33 has a prefix above 32");
        assert_eq!(
            message("10.0.0.1/8"),
            "10.0.0.1/8 has bits set behind its prefix"
        );
        for text in [
            "0.0.0.0/0",
            "127.0.0.0/8",
            "169.254.3.0/24",
            "224.0.0.0/3",
            "239.1.0.0/16",
        ] {
            assert!(
                message(text).ends_with("which Kubernetes refuses"),
                "{text}"
            );
        }
    }
}
