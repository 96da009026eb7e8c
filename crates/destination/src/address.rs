//! The address of a destination controller, in the forms that people have it in.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use dst_load_scenario::words::excerpt;
use dst_load_transport::http::shown;
use http::Uri;

/// Where Linkerd's destination controller serves streams.
pub const GRPC_PORT: u16 = 8086;

/// A host and a port, with TLS or, as a destination controller serves, without.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    tls: bool,
    /// An IPv6 address has brackets.
    host: String,
    port: u16,
}

/// A text that is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not HOST:PORT: {why}")]
pub struct AddressError {
    text: String,
    why: &'static str,
}

// === impl Address ===

impl Address {
    /// Whether it is reached with TLS.
    #[must_use]
    pub const fn tls(&self) -> bool {
        self.tls
    }

    /// The host; an IPv6 address has brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, if it is an IP address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().ok()
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// As it is looked up: HOST:PORT.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// As a URL.
    #[must_use]
    pub fn uri(&self) -> Uri {
        let scheme = if self.tls { "https" } else { "http" };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(self.host_and_port())
            .path_and_query("/")
            .build();
        uri.expect("invariant: it was read as an authority")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// HOST:PORT; HOST, for the controller's own port; a URL of `http` or `https` with its port; or
    /// a target of gRPC's (`dns:///HOST:PORT`, `passthrough:///`, `ipv4:`, `ipv6:`;
    /// <https://github.com/grpc/grpc/blob/master/doc/naming.md>).
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |why| AddressError {
            text: excerpt(&shown(text)),
            why,
        };
        let given = text.trim();
        let (tls, needs_port, place) = match given.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => (false, true, rest.strip_suffix('/').unwrap_or(rest)),
                "https" => (true, true, rest.strip_suffix('/').unwrap_or(rest)),
                "dns" | "passthrough" => {
                    let server = "a DNS server of its own cannot be asked; write dns:///HOST:PORT";
                    let place = rest.strip_prefix('/').ok_or_else(|| wrong(server))?;
                    (false, false, place)
                }
                _ => return Err(wrong("its scheme is not known; write HOST:PORT")),
            },
            None => {
                let kinds = ["dns:", "ipv4:", "ipv6:"];
                let place = kinds.iter().find_map(|kind| given.strip_prefix(kind));
                (
                    false,
                    false,
                    place.filter(|it| !is_port(it)).unwrap_or(given),
                )
            }
        };
        if place.contains(['/', '?', '#', '@']) {
            return Err(wrong("there is more than a host and a port"));
        }
        if place.parse::<Ipv6Addr>().is_ok() {
            return Err(wrong("an IPv6 address has brackets: [::1]:8086"));
        }
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (host, port.ok_or_else(|| wrong("its port is no port"))?)
            }
            _ if needs_port => return Err(wrong("a URL needs its port, as in http://HOST:8086")),
            _ => (place, GRPC_PORT),
        };
        if host.is_empty() || host == "[]" {
            return Err(wrong("it has no host"));
        }
        let authority = format!("{host}:{port}");
        if authority.parse::<http::uri::Authority>().is_err() {
            return Err(wrong("its host is no host"));
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
        })
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// HOST:PORT, as a URL where it is reached with TLS.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tls {
            f.write_str("https://")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_takes_what_is_an_address() {
        let schema = dst_load_scenario::scenario::schema();
        let pattern = schema.pointer("/definitions/Destination/properties/address/items/pattern");
        let pattern = regex::Regex::new(pattern.unwrap().as_str().unwrap()).unwrap();
        for (text, right) in [
            ("dst.linkerd.svc.cluster.local:8086", true),
            ("dst.linkerd", true),
            ("10.0.0.1:8086", true),
            ("[fd00::1]:8086", true),
            ("http://dst:8086", true),
            ("https://dst:8086/", true),
            ("dns:///dst:8086", true),
            ("passthrough:///10.0.0.1:8086", true),
            ("ipv4:10.0.0.1:8086", true),
            ("ipv6:[::1]:8086", true),
            ("", false),
            ("dst:port", false),
            ("dst :8086", false),
            ("dst:8086/path", false),
            ("user@dst:8086", false),
            ("ftp://dst:8086", false),
            ("::1", false),
        ] {
            assert_eq!(pattern.is_match(text), right, "{text}");
            assert_eq!(text.parse::<Address>().is_ok(), right, "{text}");
        }
    }

    #[test]
    fn the_forms_that_people_have_mean_the_same() {
        for (text, expected) in [
            ("dst.linkerd:8086", "dst.linkerd:8086"),
            ("dst.linkerd", "dst.linkerd:8086"),
            (" 10.0.0.1:1 ", "10.0.0.1:1"),
            ("[fd00::1]:1", "[fd00::1]:1"),
            ("[fd00::1]", "[fd00::1]:8086"),
            ("http://dst:8086", "dst:8086"),
            ("HTTP://dst:8086/", "dst:8086"),
            ("https://dst:443", "https://dst:443"),
            ("dns:///dst:1", "dst:1"),
            ("dns:dst:1", "dst:1"),
            ("dns:///dst", "dst:8086"),
            ("passthrough:///10.0.0.1:1", "10.0.0.1:1"),
            ("ipv4:10.0.0.1:1", "10.0.0.1:1"),
            ("ipv6:[::1]:1", "[::1]:1"),
            // A host of that name.
            ("dns:8086", "dns:8086"),
        ] {
            let read = text.parse::<Address>().map(|it| it.to_string());
            assert_eq!(read, Ok(expected.to_owned()), "{text}");
            // What is printed is read again.
            assert_eq!(expected.parse::<Address>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_would_be_right() {
        for (text, why) in [
            ("", "no host"),
            (":8086", "no host"),
            ("http://dst", "needs its port"),
            ("https://dst", "needs its port"),
            ("http://dst:8086/path", "more than a host"),
            ("http://me:secret@dst:8086", "more than a host"),
            ("dns://8.8.8.8/dst:1", "DNS server of its own"),
            ("unix:///run/dst", "scheme"),
            ("ftp://dst:1", "scheme"),
            ("dst:port", "no port"),
            ("dst:0", "no port"),
            ("dst:99999", "no port"),
            ("::1", "brackets"),
            ("fd00::1:8086", "brackets"),
            ("a b:1", "no host"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
