//! What a stream asks for: a Service's name, namespace and port.

use std::{fmt, str::FromStr};

use super::words::excerpt;

/// A Service and a port, as a proxy names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Authority {
    /// The Service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// The port.
    pub port: u16,
}

/// A text that names no Service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// It has not the form of one.
    #[error("{0:?} names no Service; write NAME.NAMESPACE.svc.cluster.local:PORT")]
    Form(String),
    /// It has the form of one outside the cluster's own domain.
    #[error("{0:?} is not under cluster.local, the only cluster domain that is supported")]
    Domain(String),
}

// === impl Authority ===

impl FromStr for Authority {
    type Err = AuthorityError;

    /// Reads `name.namespace[.svc[.cluster.local]][:port]`; the port is 80 if absent, as for a
    /// proxy.
    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let form = || AuthorityError::Form(excerpt(text));
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| form())?),
            None => (text, 80),
        };
        let mut labels = host.splitn(3, '.');
        let (Some(service), Some(namespace)) = (labels.next(), labels.next()) else {
            return Err(form());
        };
        let is_name = |text: &str| is_label(text) && text.len() <= 63;
        if !is_name(service) || !is_name(namespace) || port == 0 {
            return Err(form());
        }
        match labels.next() {
            None | Some("svc" | "svc.cluster.local") => Ok(Self {
                service: service.to_owned(),
                namespace: namespace.to_owned(),
                port,
            }),
            Some(rest) if rest.starts_with("svc.") => Err(AuthorityError::Domain(excerpt(text))),
            Some(_) => Err(form()),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            namespace,
            port,
        } = self;
        write!(f, "{service}.{namespace}.svc.cluster.local:{port}")
    }
}

/// Whether a text is a DNS label in lower case, but for its length.
pub(crate) fn is_label(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.chars().all(|c| alphanumeric(c) || c == '-')
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_names_mean_the_same_service() {
        for text in [
            "web.shop:8080",
            "web.shop.svc:8080",
            "web.shop.svc.cluster.local:8080",
        ] {
            let authority: Authority = text.parse().unwrap();
            assert_eq!(authority.to_string(), "web.shop.svc.cluster.local:8080");
        }
        assert_eq!("web.shop".parse::<Authority>().unwrap().port, 80);
    }

    #[test]
    fn what_names_no_service_is_refused() {
        let form = "names no Service; write NAME.NAMESPACE.svc.cluster.local:PORT";
        for text in [
            "web",
            "web:80",
            "web.shop:http",
            "web.shop:0",
            "Web.shop:80",
            "web.shop.pod:80",
            "a{1..2}.b:80",
        ] {
            let message = text.parse::<Authority>().unwrap_err().to_string();
            assert_eq!(message, format!("{text:?} {form}"));
        }
        assert!(matches!(
            "web.shop.svc.example.org:80".parse::<Authority>(),
            Err(AuthorityError::Domain(_))
        ));
    }
}
