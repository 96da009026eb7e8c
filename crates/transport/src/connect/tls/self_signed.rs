//! Servers whose own certificate is trusted, as a self-signed one is.
//!
//! Go and OpenSSL take it. webpki refuses one that may sign others, as all have that `openssl req
//! -x509` makes (<https://github.com/rustls/webpki/issues/114>).

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// Verifies a server by whom it is signed, or by its being trusted itself.
#[derive(Debug)]
struct Verifier {
    signed: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

/// Trusts these certificates and those that they signed. One that cannot be read is left out.
///
/// # Errors
/// If none is left.
pub(crate) fn verifier(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    let trusted = certificates.into_iter().collect::<Vec<_>>();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let signed = WebPkiServerVerifier::builder(Arc::new(roots)).build();
    let signed = signed.map_err(|error| Error::General(error.to_string()))?;
    Ok(Arc::new(Verifier { signed, trusted }))
}

/// Whether a certificate was refused for being one that may sign others. rustls has no name for it.
fn is_an_authoritys(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else {
        return false;
    };
    cause.to_string().contains("CaUsedAsEndEntity")
}

// === impl Verifier ===

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let signed = (self.signed).verify_server_cert(certificate, chain, name, ocsp, now);
        // What else is wrong with it, such as its dates, stays wrong.
        let may_sign = signed.as_ref().is_err_and(is_an_authoritys);
        if !may_sign || !self.trusted.iter().any(|it| it == certificate) {
            return signed;
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
