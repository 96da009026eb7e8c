//! Who calls, where the kubeconfig's user says so itself and no plugin does.
//!
//! kube reads the same and takes less than kubectl: no line break behind the token in a file, and no
//! certificate of version 1. A token that can be no header makes it panic.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::http::HeaderValue;
use kube::config::AuthInfo;
use parking_lot::Mutex;
use rustls::sign::CertifiedKey;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::{certificate::certified, kubeconfig};
use crate::http;

/// How often a token's file is read again, as client-go does it.
const AGAIN: Duration = Duration::from_secs(50);

/// What a user has that kube is not left to read.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    pub(super) token: Option<Arc<TokenFile>>,
    pub(super) certificate: Option<Arc<CertifiedKey>>,
}

/// A file with a bearer token, which somebody may replace.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    current: Mutex<(HeaderValue, Instant)>,
}

// === impl Identity ===

impl Identity {
    /// Takes it out of a user, of whom the rest is kube's.
    ///
    /// # Errors
    /// What of it can never work.
    pub(super) fn take(user: &mut AuthInfo) -> Result<Self, String> {
        if let Some(provider) = &user.auth_provider
            && provider.name != "oidc"
        {
            return Err(format!(
                "its auth-provider {:?} is not supported, nor is it by kubectl any more; use a \
                 credential plugin (exec)",
                provider.name
            ));
        }
        check_impersonation(user)?;
        if let Some(token) = user.token.take() {
            let token = token.expose_secret().trim();
            let header = http::Credentials::bearer(token);
            header.map_err(|error| format!("its token: {error}"))?;
            user.token = Some(token.to_owned().into());
        }
        let file = user.token_file.take().filter(|_| user.token.is_none());
        let token = file.map(|path| TokenFile::open(path.into())).transpose()?;
        Ok(Self {
            token: token.map(Arc::new),
            certificate: certificate(user)?,
        })
    }
}

/// Whether what is said of another user can be sent.
fn check_impersonation(user: &AuthInfo) -> Result<(), String> {
    let extra = user.impersonate_user_extra.iter().flatten();
    let values = (user.impersonate.iter())
        .chain(&user.impersonate_uid)
        .chain(user.impersonate_groups.iter().flatten())
        .chain(extra.flat_map(|(_, values)| values));
    for value in values {
        HeaderValue::from_str(value)
            .map_err(|_| format!("it acts as {value:?}, which cannot be sent in a header"))?;
    }
    Ok(())
}

fn certificate(user: &mut AuthInfo) -> Result<Option<Arc<CertifiedKey>>, String> {
    let data = user.client_certificate_data.take();
    let path = user.client_certificate.take();
    let certificate = kubeconfig::bytes("client-certificate", data.as_deref(), path.as_deref())?;
    let (data, path) = (user.client_key_data.take(), user.client_key.take());
    // A key alone says nothing.
    let Some(certificate) = certificate else {
        return Ok(None);
    };
    let data = data.as_ref().map(|data| data.expose_secret());
    let key = kubeconfig::bytes("client-key", data, path.as_deref())?
        .ok_or("it has a client-certificate and no client-key")?;
    certified(&certificate, &key).map(Some)
}

// === impl TokenFile ===

impl TokenFile {
    fn open(path: PathBuf) -> Result<Self, String> {
        let header = header(&path)?;
        Ok(Self {
            path,
            current: Mutex::new((header, Instant::now())),
        })
    }

    /// The header that its token makes. Where the file cannot be read again, the last one that could
    /// counts on.
    pub(super) fn header(&self) -> HeaderValue {
        let mut current = self.current.lock();
        let (last, read) = &mut *current;
        if read.elapsed() >= AGAIN {
            match header(&self.path) {
                Ok(header) => *last = header,
                Err(error) => tracing::debug!(error, "token not read again"),
            }
            *read = Instant::now();
        }
        last.clone()
    }
}

fn header(path: &Path) -> Result<HeaderValue, String> {
    let shown = path.display();
    let text = http::read(path).map_err(|error| format!("its tokenFile {error}"))?;
    if text.trim().is_empty() {
        return Err(format!("its tokenFile {shown}: it is empty"));
    }
    let bearer = http::Credentials::bearer(&text);
    let bearer = bearer.map_err(|error| format!("its tokenFile {shown}: {error}"))?;
    Ok(bearer.header())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_read_again_and_the_last_one_counts_where_that_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "one\n\n").unwrap();
        let file = TokenFile::open(path.clone()).unwrap();
        assert_eq!(file.header(), "Bearer one");
        assert!(file.header().is_sensitive());
        fs::write(&path, "two\r\n").unwrap();
        assert_eq!(file.header(), "Bearer one");
        tokio::time::advance(AGAIN).await;
        assert_eq!(file.header(), "Bearer two");
        for damaged in ["", "a\nb"] {
            fs::write(&path, damaged).unwrap();
            tokio::time::advance(AGAIN).await;
            assert_eq!(file.header(), "Bearer two", "{damaged:?}");
        }
        fs::remove_file(&path).unwrap();
        tokio::time::advance(AGAIN).await;
        assert_eq!(file.header(), "Bearer two");
    }
}
