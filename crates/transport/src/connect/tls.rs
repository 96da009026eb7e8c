//! Whom TLS trusts, where no cluster says it.

pub(crate) mod self_signed;

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

/// Why there can be no TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no certificate authority is trusted ({cause}): install the system's, or name a file of them in \
     SSL_CERT_FILE"
)]
pub struct NoTrust {
    cause: String,
}

/// TLS as a client without a certificate of its own. It trusts the system's certificate authorities,
/// or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` name. They are read once, when they are first
/// needed: a machine that never speaks TLS may have none.
///
/// # Errors
/// If there are none.
pub fn config() -> Result<Arc<ClientConfig>, NoTrust> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, NoTrust>> = OnceLock::new();
    CONFIG.get_or_init(load).clone()
}

/// The same, for HTTP/2.
///
/// # Errors
/// As [`config`].
pub fn http2() -> Result<Arc<ClientConfig>, NoTrust> {
    let mut config = ClientConfig::clone(&*config()?);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn load() -> Result<Arc<ClientConfig>, NoTrust> {
    let found = rustls_native_certs::load_native_certs();
    let Ok(verifier) = self_signed::verifier(found.certs) else {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let cause = if errors.is_empty() {
            "there is none".to_owned()
        } else {
            errors.join("; ")
        };
        return Err(NoTrust { cause });
    };
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
