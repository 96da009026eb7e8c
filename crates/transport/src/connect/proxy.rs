//! Which proxy leads where, as Go's tools read it from the environment: `HTTPS_PROXY`, `HTTP_PROXY`
//! and `NO_PROXY`, in capitals or not (<https://pkg.go.dev/golang.org/x/net/http/httpproxy>).
//! Loopback is never proxied.

use std::{fmt, net::IpAddr};

use http::{
    HeaderValue, Uri,
    uri::{Authority, Scheme},
};
use ipnet::IpNet;

use crate::http::{Credentials, user_info};

/// The proxies of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Variable>,
    https: Option<Variable>,
    /// The value of `NO_PROXY`.
    no: String,
}

/// A variable that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    name: String,
    value: String,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Scheme, host and port.
    uri: Uri,
    /// Whether it speaks SOCKS 5: names are resolved by it then, as Go does with either scheme.
    socks: bool,
    user: Option<(String, String)>,
}

/// A text that names no proxy. It is not repeated: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{whose} names no proxy: write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")]
pub struct ProxyError {
    /// Which variable or key.
    pub whose: String,
}

// === impl Proxies ===

impl Proxies {
    /// The proxies that this process is told to use.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(get: impl Fn(&str) -> Option<String>) -> Self {
        let first = |name: &str| {
            [name.to_uppercase(), name.to_lowercase()]
                .into_iter()
                .filter_map(|name| {
                    Some(Variable {
                        value: get(&name)?,
                        name,
                    })
                })
                .find(|it| !it.value.trim().is_empty())
        };
        Self {
            http: first("HTTP_PROXY"),
            https: first("HTTPS_PROXY"),
            no: first("NO_PROXY").map(|it| it.value).unwrap_or_default(),
        }
    }

    /// The proxy for `to`; `None` where it is reached directly.
    ///
    /// # Errors
    /// If the variable that counts for `to` names no proxy.
    pub fn of(&self, to: &Uri) -> Result<Option<Proxy>, ProxyError> {
        let secure = to.scheme() == Some(&Scheme::HTTPS);
        let variable = if secure { &self.https } else { &self.http };
        match (variable, to.host()) {
            (Some(variable), Some(host)) if !self.spares(host, port(to)) => {
                Proxy::parse(&variable.value, &variable.name).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether `host` is loopback, or `NO_PROXY` names it.
    fn spares(&self, host: &str, port: u16) -> bool {
        let host = bare(host).trim_end_matches('.').to_ascii_lowercase();
        let ip = host.parse().ok().map(|ip: IpAddr| ip.to_canonical());
        if ip.map_or_else(
            || host == "localhost" || host.ends_with(".localhost"),
            |ip| ip.is_loopback(),
        ) {
            return true;
        }
        let mut entries = self.no.split(|it: char| it == ',' || it.is_whitespace());
        entries.any(|entry| at_port(entry, port).is_some_and(|entry| names(entry, &host, ip)))
    }
}

/// The entry of `NO_PROXY` without its port; `None` if that is another than `port`.
fn at_port(entry: &str, port: u16) -> Option<&str> {
    if bare(entry).parse::<IpAddr>().is_ok() || entry.parse::<IpNet>().is_ok() {
        return Some(entry);
    }
    match entry.rsplit_once(':') {
        Some((host, "")) => Some(host),
        Some((host, of)) => (of.parse() == Ok(port)).then_some(host),
        None => Some(entry),
    }
}

/// Whether an entry of `NO_PROXY` names this host. One that begins with a dot names what is below it
/// alone, as for Go and unlike for curl.
fn names(entry: &str, host: &str, ip: Option<IpAddr>) -> bool {
    let entry = bare(entry).to_ascii_lowercase();
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return ip.is_some_and(|ip| network.contains(&ip));
    }
    if let Ok(of) = entry.parse::<IpAddr>() {
        return ip == Some(of.to_canonical());
    }
    // `*.corp` is `.corp`.
    let entry = entry
        .strip_prefix('*')
        .filter(|it| it.starts_with('.'))
        .unwrap_or(&entry);
    let name = entry.strip_prefix('.').unwrap_or(entry);
    match host.strip_suffix(name) {
        _ if name.is_empty() => false,
        Some("") => entry == name,
        Some(before) => before.ends_with('.'),
        None => false,
    }
}

// === impl Proxy ===

impl Proxy {
    /// The proxy that `text` names; HOST:PORT is one of HTTP. `whose` text it is says an error.
    ///
    /// # Errors
    /// If it names none.
    pub fn parse(text: &str, whose: &str) -> Result<Self, ProxyError> {
        let wrong = || ProxyError {
            whose: whose.to_owned(),
        };
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (scheme, socks, default) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", false, 80),
            "https" => ("https", false, 443),
            "socks5" | "socks5h" => ("http", true, 1080),
            _ => return Err(wrong()),
        };
        let authority: Authority = rest
            .split(['/', '?', '#'])
            .next()
            .and_then(|it| it.parse().ok())
            .ok_or_else(wrong)?;
        let host = authority.host();
        let place = authority.as_str().rsplit('@').next().unwrap_or_default();
        // The parser takes a port that is none.
        let port = place.strip_prefix(host).and_then(|it| it.strip_prefix(':'));
        if bare(host).is_empty() || port.is_some_and(|it| it.parse::<u16>().is_err()) {
            return Err(wrong());
        }
        let user = authority.as_str().rsplit_once('@');
        let user = user.map(|(user, _)| user_info(user));
        let at = format!("{host}:{}", authority.port_u16().unwrap_or(default));
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(at)
            .path_and_query("/");
        Ok(Self {
            uri: uri.build().map_err(|_| wrong())?,
            socks,
            user,
        })
    }

    /// Where it is: `http` or `https`, host and port.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether it is given whole requests for `to`, and opens no tunnel: plain HTTP, which many
    /// proxies tunnel to no port.
    #[must_use]
    pub fn forwards(&self, to: &Uri) -> bool {
        !self.socks && to.scheme() == Some(&Scheme::HTTP)
    }

    /// Whether it speaks SOCKS 5, and not HTTP.
    #[must_use]
    pub fn is_socks(&self) -> bool {
        self.socks
    }

    /// Who asks, and the password.
    #[must_use]
    pub fn user(&self) -> Option<(&str, &str)> {
        let (name, password) = self.user.as_ref()?;
        Some((name, password))
    }

    /// The same as a header.
    #[must_use]
    pub fn basic_auth(&self) -> Option<HeaderValue> {
        let (name, password) = self.user()?;
        Some(Credentials::basic(name, password).ok()?.header())
    }
}

/// Without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", Authority::as_str);
        let scheme = self.uri.scheme_str().filter(|_| !self.socks);
        write!(f, "{}://{authority}", scheme.unwrap_or("socks5"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// The port of `to`, or the one of its scheme.
fn port(to: &Uri) -> u16 {
    let secure = to.scheme() == Some(&Scheme::HTTPS);
    to.port_u16().unwrap_or(if secure { 443 } else { 80 })
}

/// The same with its port written.
pub(super) fn with_port(to: Uri) -> Uri {
    let (Some(host), None) = (to.host(), to.port()) else {
        return to;
    };
    let authority = format!("{host}:{}", port(&to)).parse().ok();
    let mut parts = to.clone().into_parts();
    parts.authority = authority;
    Uri::from_parts(parts).unwrap_or(to)
}

/// A host without the brackets that a URL puts around an IPv6 address.
fn bare(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inner.unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::from_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        })
    }

    fn of(variables: &[(&str, &str)], to: &str) -> String {
        match proxies(variables).of(&to.parse().unwrap()) {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => "direct".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_scheme_has_its_variable_in_capitals_or_not() {
        let both = [("HTTPS_PROXY", "http://s:1"), ("http_proxy", "p:2")];
        assert_eq!(of(&both, "https://api.corp:6443/"), "http://s:1");
        assert_eq!(of(&both, "http://api.corp/"), "http://p:2");
        assert_eq!(of(&both[..1], "http://api.corp/"), "direct");
        let empty = [("HTTPS_PROXY", ""), ("https_proxy", "socks5://s")];
        assert_eq!(of(&empty, "https://api.corp/"), "socks5://s:1080");
        // Go's tools do not know it.
        assert_eq!(of(&[("ALL_PROXY", "http://s:1")], "https://a/"), "direct");
    }

    #[test]
    fn loopback_is_never_proxied() {
        let all = [("HTTP_PROXY", "p:1")];
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "a.localhost",
            "localhost.",
            "127.0.0.1:1",
            "127.8.9.1",
            "[::1]",
            "[::1]:80",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(of(&all, &format!("http://{host}/")), "direct", "{host}");
        }
        for host in ["localhost.corp", "128.0.0.1", "[::2]", "notlocalhost"] {
            assert_eq!(of(&all, &format!("http://{host}/")), "http://p:1", "{host}");
        }
    }

    #[test]
    fn no_proxy_has_names_suffixes_networks_and_ports() {
        for (no, spared, proxied) in [
            ("*", vec!["a.b", "10.1.2.3"], vec![]),
            (
                "corp",
                vec!["corp", "a.corp", "A.Corp", "a.corp."],
                vec!["xcorp", "corp.org"],
            ),
            (".corp", vec!["a.corp", "a.b.corp"], vec!["xcorp", "corp"]),
            ("*.Corp", vec!["a.corp"], vec!["xcorp", "corp"]),
            (
                ".corp:80,b:",
                vec!["a.corp", "b"],
                vec!["a.corp:81", "corp"],
            ),
            (":80, . ,*corp", vec![], vec!["a", "acorp"]),
            (
                "10.0.0.0/8",
                vec!["10.1.2.3", "10.1.2.3:99"],
                vec!["11.1.2.3", "a10.0.0.0"],
            ),
            ("10.1.2.3", vec!["10.1.2.3:6443"], vec!["10.1.2.33"]),
            ("fd00::/8", vec!["[fd12::1]:443"], vec!["[fe80::1]"]),
            ("fd00::1", vec!["[fd00::1]"], vec!["[fd00::2]"]),
            ("[FD00:0::1]", vec!["[fd00::1]:6443"], vec!["[fd00::2]"]),
            ("::ffff:10.1.2.3", vec!["10.1.2.3"], vec!["10.1.2.4"]),
            ("10.0.0.0/8", vec!["[::ffff:10.1.2.3]"], vec![]),
            ("a\tb\nc", vec!["a", "b", "c"], vec!["d"]),
            (
                "api.corp:6443",
                vec!["api.corp:6443"],
                vec!["api.corp", "api.corp:443"],
            ),
            ("10.1.2.3:80", vec!["10.1.2.3"], vec!["10.1.2.3:81"]),
            ("[fd00::1]:80", vec!["[fd00::1]"], vec!["[fd00::1]:81"]),
            ("*:81", vec!["a:81"], vec!["a"]),
            ("a, b ,,c d", vec!["a", "b", "c", "d"], vec!["e"]),
            ("", vec![], vec!["a"]),
            ("127.0.0.1,localhost", vec!["localhost"], vec!["a"]),
        ] {
            let variables = [("HTTP_PROXY", "p:1"), ("NO_PROXY", no)];
            for host in spared {
                assert_eq!(
                    of(&variables, &format!("http://{host}/")),
                    "direct",
                    "{no} {host}"
                );
            }
            for host in proxied {
                assert_eq!(
                    of(&variables, &format!("http://{host}/")),
                    "http://p:1",
                    "{no} {host}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_proxy_is_named_where_it_would_count_and_not_repeated() {
        for wrong in [
            "ftp://user:secret@p:1",
            "http://",
            "http://user:secret@",
            "p:port",
            "://",
        ] {
            let said = of(&[("HTTP_PROXY", wrong)], "http://a/");
            assert!(
                said.starts_with("HTTP_PROXY names no proxy"),
                "{wrong}: {said}"
            );
            assert!(!said.contains("secret"), "{said}");
            assert_eq!(of(&[("HTTP_PROXY", wrong)], "http://127.0.0.1/"), "direct");
        }
    }

    #[test]
    fn a_password_is_used_and_never_shown() {
        let proxy = Proxy::parse("http://me:p%40ss%3Aword@p:1", "").unwrap();
        assert_eq!(proxy.user(), Some(("me", "p@ss:word")));
        assert_eq!(format!("{proxy} {proxy:?}"), "http://p:1 Proxy(http://p:1)");
        let header = proxy.basic_auth().unwrap();
        assert_eq!(header, "Basic bWU6cEBzczp3b3Jk");
        assert!(header.is_sensitive());
    }
}
