//! The certificate that a user shows to the API server.

use std::sync::Arc;

use rustls::{
    CertificateError, Error, InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

/// A certificate and its key, both in PEM.
///
/// # Errors
/// What is wrong with them.
pub(super) fn certified(certificate: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "its certificate is no PEM")?;
    if chain.is_empty() {
        return Err("its certificate is no PEM".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "its key is no PEM")?;
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| rustls::crypto::ring::default_provider().into());
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| format!("its key cannot be used: {error}"))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err("its key is not that of its certificate".to_owned())
        }
        Err(Error::InvalidCertificate(CertificateError::BadEncoding)) => {
            Err("its certificate is damaged".to_owned())
        }
        // What cannot be compared is the server's to judge: `openssl x509 -req` makes certificates of
        // version 1, which an API server takes and rustls does not read.
        _ => Ok(Arc::new(certified)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1, as `openssl x509 -req` makes it, and its key as `openssl ecparam -genkey` does.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBFjCBvQIUCgGmUG27ySHV80q8WOa6jKF0S9owCgYIKoZIzj0EAwIwDTELMAkG\n\
A1UEAwwCdjEwIBcNMjYxMTMwMTg1NDQ0WhgPMjEyNjExMDYxODU0NDRaMA0xCzAJ\n\
BgNVBAMMAnYxMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEN/ckxewCZzYBNbYm\n\
vrdbr+F9g9wRCtTVb73JDA6bEtJdBzByP1MNfnUyjsQ2F2IqWra8Ram/F97uyFIf\n\
0KUTZjAKBggqhkjOPQQDAgNIADBFAiEAmQNPP1qzW+k7EfgqyCOs7P6PLasuCvMo\n\
pcWwCgVq450CIGW/lA58CUFvdojjjq2LwO0DSrA43VTmdq7a+3uUphMB\n\
-----END CERTIFICATE-----\n\
";
    const KEY: &str = "\
-----BEGIN EC PRIVATE KEY-----\n\
MHcCAQEEIJah2XkBaNUfpm9vST6tEkjVFCThjOauqb+nfR4g2RrUoAoGCCqGSM49\n\
AwEHoUQDQgAEN/ckxewCZzYBNbYmvrdbr+F9g9wRCtTVb73JDA6bEtJdBzByP1MN\n\
fnUyjsQ2F2IqWra8Ram/F97uyFIf0KUTZg==\n\
-----END EC PRIVATE KEY-----\n\
";

    fn of(certificate: &str, key: &str) -> Result<usize, String> {
        let certified = certified(certificate.as_bytes(), key.as_bytes());
        certified.map(|it| it.cert.len())
    }

    #[test]
    fn a_certificate_of_version_1_is_the_servers_to_judge() {
        assert_eq!(of(CERTIFICATE, KEY), Ok(1));
        // One file may have both.
        let both = format!("{KEY}{CERTIFICATE}");
        assert_eq!(of(&both, &both), Ok(1));
    }

    #[test]
    fn what_can_never_be_shown_is_told() {
        let damaged = pem::encode(&pem::Pem::new("CERTIFICATE", b"damaged"));
        let of_ca = pem::encode(&pem::Pem::new("TRUSTED CERTIFICATE", b"other"));
        let broken = pem::encode(&pem::Pem::new("PRIVATE KEY", b"damaged"));
        for (certificate, key, said) in [
            ("", KEY, "its certificate is no PEM"),
            (&of_ca, KEY, "its certificate is no PEM"),
            (&damaged, KEY, "its certificate is damaged"),
            (CERTIFICATE, "", "its key is no PEM"),
            (CERTIFICATE, CERTIFICATE, "its key is no PEM"),
            (CERTIFICATE, &broken, "its key cannot be used: "),
        ] {
            let error = of(certificate, key).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
