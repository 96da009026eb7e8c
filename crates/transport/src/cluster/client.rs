//! Clients of a cluster's API: kube's, over connections and credentials of our own.
//!
//! kube's own stack runs a credential plugin several times for each client, logs an error for every
//! answer that is then tried again, and asks `NO_PROXY` about the proxy in place of the API server.

use std::sync::Arc;

use http::{
    Request, Response,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use kube::{
    Config,
    client::{Body, ConfigExt as _},
};
use rustls::sign::SingleCertAndKey;
use tower::{BoxError, Service as _, ServiceBuilder, ServiceExt as _, service_fn};

use super::{credentials::Credentials, identity::Identity};
use crate::connect::{Connector, tls::self_signed};

/// A client of the cluster that `config` names, without retries of its own: they would be neither
/// counted nor seeded.
pub(super) fn client(
    config: &Config,
    connector: Connector,
    identity: &Identity,
    credentials: Option<Arc<Credentials>>,
) -> Result<kube::Client, kube::Error> {
    let mut tls = config.rustls_client_config()?;
    if let Some(certificates) = &config.root_cert
        && !certificates.is_empty()
        // These are read again by kube, since a Pod's are replaced.
        && config.root_cert_file.is_none()
        && !config.accept_invalid_certs
    {
        let certificates = certificates.iter().cloned().map(Into::into);
        let verifier = self_signed::verifier(certificates);
        let verifier = verifier.map_err(|error| kube::Error::Service(error.into()))?;
        tls.dangerous().set_certificate_verifier(verifier);
    }
    if let Some(certificate) = &identity.certificate {
        let certificate = SingleCertAndKey::from(Arc::clone(certificate));
        tls.client_auth_cert_resolver = Arc::new(certificate);
    }
    if let Some(credentials) = &credentials {
        let resolver: Arc<Credentials> = Arc::clone(credentials);
        tls.client_auth_cert_resolver = resolver;
    }
    let mut secure = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(|_| {
            kube::Error::Service(format!("its tls-server-name {name:?} is no host").into())
        })?;
        secure = secure.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    // All requests are for one server.
    let to_proxy = connector.proxy_authorization(&config.cluster_url);
    let secure = secure.enable_http1().wrap_connector(connector);
    let http: Client<_, Body> = Client::builder(TokioExecutor::new()).build(secure);
    let token = identity.token.clone();
    let send = service_fn(move |mut request: Request<Body>| {
        let (mut http, credentials) = (http.clone(), credentials.clone());
        if let Some(token) = &token {
            request.headers_mut().insert(AUTHORIZATION, token.header());
        }
        if let Some(who) = &to_proxy {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, who.clone());
        }
        async move {
            if let Some(credentials) = &credentials
                && let Some(who) = credentials.header().await?
            {
                request.headers_mut().insert(AUTHORIZATION, who);
            }
            let response: Response<Incoming> = http.ready().await?.call(request).await?;
            if let Some(credentials) = &credentials {
                credentials.note(response.status());
            }
            Ok::<_, BoxError>(response)
        }
    });
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .service(send);
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}
