//! The URL of something that serves HTTP, and what is said there of who asks.

use std::{fmt, io, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use dst_load_scenario::words::excerpt;
use http::{HeaderValue, Uri, uri::PathAndQuery};
use percent_encoding::percent_decode_str;

use crate::files;

/// A URL whose scheme is `http` or `https`. What it says of who asks (`https://USER:PASSWORD@HOST`)
/// is kept apart from it, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    authorization: Option<HeaderValue>,
}

/// A text that is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not an http or https address such as {example}")]
pub struct NotHttp {
    /// The text, without credentials.
    shown: String,
    example: &'static str,
}

/// Who asks: the value of a header.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(HeaderValue);

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file that has them cannot be read.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// They have no user.
    #[error("write USER:PASSWORD on one line")]
    NoUser,
    /// They cannot be a header.
    #[error("a header takes no line breaks and no control characters")]
    NoHeader,
}

// === impl Address ===

impl Address {
    /// Reads a URL; what is none of HTTP is told with the `example`.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str, example: &'static str) -> Result<Self, NotHttp> {
        Self::read(text).ok_or_else(|| NotHttp::new(text, example))
    }

    fn read(text: &str) -> Option<Self> {
        let uri: Uri = text.trim().parse().ok()?;
        let mut parts = uri.into_parts();
        let scheme = parts.scheme.as_ref()?.as_str();
        if !matches!(scheme, "http" | "https") {
            return None;
        }
        let authority = parts.authority.as_ref()?;
        if authority.host().is_empty() || authority.host() == "[]" {
            return None;
        }
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let authorization = match user {
            Some(user) => {
                let (name, password) = user_info(user);
                Some(Credentials::basic(&name, &password).ok()?.0)
            }
            None => None,
        };
        parts.authority = Some(place.parse().ok()?);
        Some(Self {
            uri: Uri::from_parts(parts).ok()?,
            authorization,
        })
    }

    /// The same for whoever has these credentials; those in the URL count where there are none.
    #[must_use]
    pub fn with(self, credentials: Option<Credentials>) -> Self {
        Self {
            authorization: credentials.map(|it| it.0).or(self.authorization),
            ..self
        }
    }

    /// The same host and port, with another path.
    #[must_use]
    pub fn beside(&self, path: &'static str) -> Self {
        self.at(PathAndQuery::from_static(path))
    }

    /// The same with `path`, which begins with a slash, after its own; without its own query.
    ///
    /// # Errors
    /// If that is no path.
    pub fn below(&self, path: &str) -> Result<Self, String> {
        let own = self.uri.path().trim_end_matches('/');
        let path = format!("{own}{path}");
        let path = path.parse().map_err(|_| format!("{path:?} is no path"))?;
        Ok(self.at(path))
    }

    fn at(&self, path: PathAndQuery) -> Self {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts);
        Self {
            uri: uri.expect("invariant: scheme and host were there, and a path now is"),
            authorization: self.authorization.clone(),
        }
    }

    /// The URL, without credentials.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// What is said of who asks.
    #[must_use]
    pub const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Without credentials, and without a query's values, which may be some too.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |it| it.as_str());
        write!(f, "{scheme}://{authority}{}", self.uri.path())?;
        match self.uri.query() {
            Some(_) => f.write_str("?…"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

// === impl NotHttp ===

impl NotHttp {
    /// Of a text, with an `example` of what it should be.
    #[must_use]
    pub fn new(text: &str, example: &'static str) -> Self {
        Self {
            shown: excerpt(&shown(text)),
            example,
        }
    }
}

// === impl Credentials ===

impl Credentials {
    /// A bearer token.
    ///
    /// # Errors
    /// If it cannot be a header.
    pub fn bearer(token: &str) -> Result<Self, CredentialsError> {
        Self::new(&format!("Bearer {}", token.trim()))
    }

    /// A user and a password (RFC 7617).
    ///
    /// # Errors
    /// None that is known: base64 can always be a header.
    pub fn basic(user: &str, password: &str) -> Result<Self, CredentialsError> {
        let text = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self::new(&format!("Basic {text}"))
    }

    /// The same from `USER:PASSWORD`.
    ///
    /// # Errors
    /// If there is no user.
    pub fn user_and_password(text: &str) -> Result<Self, CredentialsError> {
        let text = text.trim_end_matches(['\r', '\n']);
        match text.split_once(':') {
            Some((user, password)) if !user.is_empty() && !text.contains('\n') => {
                Self::basic(user, password)
            }
            _ => Err(CredentialsError::NoUser),
        }
    }

    /// The value of `Authorization` or `Proxy-Authorization`, never to be shown.
    #[must_use]
    pub fn header(self) -> HeaderValue {
        self.0
    }

    fn new(text: &str) -> Result<Self, CredentialsError> {
        let mut value = HeaderValue::try_from(text).map_err(|_| CredentialsError::NoHeader)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The user and the password in front of a URL's host, without percent-encoding.
pub(crate) fn user_info(text: &str) -> (String, String) {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    let plain = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (plain(name), plain(password))
}

/// A text that should be an address, without what may be a password or a token in it: as it is shown
/// where it is none, too.
#[must_use]
pub fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let Some((before, place)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{place}"),
        None => place.to_owned(),
    }
}

/// The text of a file that holds credentials.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path) -> Result<String, CredentialsError> {
    let text = files::read(path).and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))
    });
    text.map_err(|cause| CredentialsError::File {
        path: path.display().to_string(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_http_is_taken_with_or_without_tls_and_nothing_else() {
        for text in [
            "http://a:9091",
            "https://a/behind",
            "http://[::1]:1/metrics?x=y",
            " http://a ",
        ] {
            assert!(Address::parse(text, "").is_ok(), "{text}");
        }
        for text in [
            "",
            "a:9091",
            "ftp://a",
            "http://",
            "http:///metrics",
            "http://[]/",
            "/a",
        ] {
            assert!(Address::parse(text, "").is_err(), "{text}");
        }
        let error = Address::parse("ftp://me:canary@a?b=canary", "http://b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"ftp://a\" is not an http or https address such as http://b"
        );
    }

    #[test]
    fn what_is_no_address_is_shown_without_what_may_be_a_secret() {
        for (text, told) in [
            ("ftp://me:canary@a/b?canary", "ftp://a/b"),
            ("me:canary@a:1", "a:1"),
            ("a:1#canary", "a:1"),
            ("a:1", "a:1"),
        ] {
            assert_eq!(shown(text), told);
        }
    }

    #[test]
    fn what_a_url_says_of_who_asks_is_sent_and_never_shown() {
        let address = Address::parse("https://me:p%40ss@a:1/m?token=canary", "").unwrap();
        let shown = format!(
            "{address} {address:?} {}",
            address.uri().authority().unwrap()
        );
        assert_eq!(shown, "https://a:1/m?… Address(https://a:1/m?…) a:1");
        let sent = address.authorization().unwrap();
        assert_eq!(
            sent,
            &format!("Basic {}", BASE64_STANDARD.encode("me:p@ss"))
        );
        assert!(sent.is_sensitive());
        assert_eq!(address.uri().query(), Some("token=canary"));
        // What lies beside it is asked by the same.
        assert_eq!(address.beside("/ready").authorization(), Some(sent));
        let token = Credentials::bearer("t0ken\n").unwrap();
        assert_eq!(format!("{token:?}"), "Credentials");
        let other = address.with(Some(token));
        assert_eq!(other.authorization().unwrap(), "Bearer t0ken");
    }

    #[test]
    fn a_path_is_added_to_the_one_that_is_there() {
        let below = |text: &str| Address::parse(text, "").unwrap().below("/api?q=1").unwrap();
        assert_eq!(
            below("http://a/behind/").uri().to_string(),
            "http://a/behind/api?q=1"
        );
        assert_eq!(below("http://a").uri().to_string(), "http://a/api?q=1");
    }

    #[test]
    fn credentials_that_are_none_are_refused() {
        for text in ["", "user", ":password", "a\nuser:password"] {
            assert!(Credentials::user_and_password(text).is_err(), "{text}");
        }
        assert!(Credentials::user_and_password("user:pass:word\n").is_ok());
        assert!(Credentials::bearer("a\nb").is_err());
    }
}
