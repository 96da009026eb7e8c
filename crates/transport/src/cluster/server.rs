//! The address of an API server, as kubectl takes it.

use http::{Uri, uri::Scheme};

use crate::http::shown;

/// Reads it. Without a scheme it is `https` if something is said of certificates, else `http`.
///
/// # Errors
/// If it is none.
pub(super) fn parse(text: &str, has_certificates: bool) -> Result<Uri, String> {
    let text = text.trim();
    let wrong = |why: &str| {
        format!(
            "its server {:?} is no address such as https://127.0.0.1:6443: {why}",
            shown(text)
        )
    };
    if text.is_empty() {
        return Err("its cluster has no server".to_owned());
    }
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        let scheme = if has_certificates { "https" } else { "http" };
        format!("{scheme}://{text}")
    };
    let uri: Uri = whole
        .parse()
        .map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
    if !matches!(uri.scheme().map(Scheme::as_str), Some("http" | "https")) {
        return Err(wrong("it must begin with https:// or http://"));
    }
    let host = uri.host().unwrap_or_default();
    if host.is_empty() || host == "[]" {
        return Err(wrong("it has no host"));
    }
    let authority = uri.authority().map_or("", |it| it.as_str());
    if authority.contains('@') {
        return Err("its server has a user or a password; those belong to `users`".to_owned());
    }
    // `host:` and `host:99999` are taken by the parser, and by nothing that connects.
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    if let Some(port) = port.filter(|it| !it.ends_with(']'))
        && port.parse::<u16>().is_err()
    {
        return Err(wrong("its port is no port"));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_scheme_has_the_one_that_kubectl_gives_it() {
        for (text, certificates, expected) in [
            ("https://a:6443", false, "https://a:6443/"),
            ("http://a", true, "http://a/"),
            ("127.0.0.1:6443", false, "http://127.0.0.1:6443/"),
            ("127.0.0.1:6443", true, "https://127.0.0.1:6443/"),
            ("localhost:6443", true, "https://localhost:6443/"),
            ("a", false, "http://a/"),
            ("[::1]:6443", true, "https://[::1]:6443/"),
            (
                " https://a/k8s/clusters/c ",
                false,
                "https://a/k8s/clusters/c",
            ),
        ] {
            let read = parse(text, certificates).map(|uri| uri.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for text in [
            "",
            " ",
            "ftp://a",
            "https://",
            "https://:6443",
            "unix:///run/x",
            "https://a:port",
            "https://a:99999",
            "https://a:",
            "https://[]",
            "::",
            "https://me:secret@a",
        ] {
            let error = parse(text, true).unwrap_err();
            assert!(error.starts_with("its "), "{text}: {error}");
        }
    }
}
