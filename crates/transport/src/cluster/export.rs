//! A kubeconfig of a cluster that is whole in itself, for a controller elsewhere.

use base64::{Engine, prelude::BASE64_STANDARD};
use kube::config::AuthInfo;
use serde_json::json;
use thiserror::Error;

use super::Cluster;
use crate::files;

/// Why credentials cannot be passed on.
#[derive(Debug, Error)]
pub enum ExportError {
    /// They come from a program that only this machine has.
    #[error(
        "they are made by a program ({command}) that the controller does not have; use a kubeconfig \
         with a certificate or a ServiceAccount's token"
    )]
    Program {
        /// Which.
        command: String,
    },
    /// A file that they are in cannot be read.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
}

// === impl Cluster ===

impl Cluster {
    /// A kubeconfig, as JSON, that calls the cluster `name` and holds all that is needed; with
    /// another API server's address if `server` is given.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn exported(&self, name: &str, server: Option<&str>) -> Result<String, ExportError> {
        let config = &self.config;
        let authority = config.root_cert.as_ref().map(|certificates| {
            let blocks: Vec<_> = certificates
                .iter()
                .map(|certificate| pem::Pem::new("CERTIFICATE", certificate.clone()))
                .collect();
            BASE64_STANDARD.encode(pem::encode_many(&blocks))
        });
        let url = config.cluster_url.to_string();
        let mut there = json!({ "server": server.unwrap_or(url.trim_end_matches('/')) });
        if let Some(authority) = authority {
            there["certificate-authority-data"] = authority.into();
        }
        if config.accept_invalid_certs {
            there["insecure-skip-tls-verify"] = true.into();
        }
        if let Some(name) = &config.tls_server_name {
            there["tls-server-name"] = name.as_str().into();
        }
        let user = serde_json::to_value(portable(&self.user)?)
            .expect("invariant: an identity's keys are text");
        // Go reads a kubeconfig as YAML, which all JSON is.
        Ok(json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": name, "cluster": there }],
            "users": [{ "name": name, "user": user }],
            "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
            "current-context": name,
        })
        .to_string())
    }
}

/// The same identity with nothing left in files.
fn portable(identity: &AuthInfo) -> Result<AuthInfo, ExportError> {
    let mut identity = identity.clone();
    if let Some(exec) = &identity.exec {
        let command = exec.command.clone().unwrap_or_default();
        return Err(ExportError::Program { command });
    }
    if let Some(path) = identity.client_certificate.take() {
        let data = BASE64_STANDARD.encode(read(&path)?);
        identity.client_certificate_data.get_or_insert(data);
    }
    if let Some(path) = identity.client_key.take() {
        let data = BASE64_STANDARD.encode(read(&path)?);
        identity.client_key_data.get_or_insert(data.into());
    }
    if let Some(path) = identity.token_file.take() {
        let token = String::from_utf8_lossy(&read(&path)?).trim().to_owned();
        identity.token.get_or_insert(token.into());
    }
    Ok(identity)
}

fn read(path: &str) -> Result<Vec<u8>, ExportError> {
    files::read(path).map_err(|cause| ExportError::File {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What a kubeconfig in a directory, with this user, comes to elsewhere.
    async fn elsewhere(user: &str) -> Result<serde_json::Value, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), "secret\n").unwrap();
        let path = dir.path().join("config");
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:1\"}}}}], \
             users: [{{name: u, user: {user}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
        );
        fs::write(&path, text).unwrap();
        let cluster = Cluster::find(Some(&path), None).await.unwrap();
        let exported = cluster.exported("east", Some("http://10.0.0.1:2"));
        let exported = exported.map_err(|error| error.to_string())?;
        // It is a kubeconfig again.
        let again = kube::config::Kubeconfig::from_yaml(&exported).unwrap();
        assert_eq!(again.current_context.as_deref(), Some("east"));
        Ok(serde_json::from_str(&exported).unwrap())
    }

    #[tokio::test]
    async fn what_was_in_files_is_in_the_kubeconfig_itself() {
        let exported = elsewhere("{tokenFile: token}").await.unwrap();
        let user = &exported["users"][0]["user"];
        assert_eq!(user["token"], "secret");
        assert_eq!(user["tokenFile"], serde_json::Value::Null);
        let server = &exported["clusters"][0]["cluster"]["server"];
        assert_eq!(server, "http://10.0.0.1:2");
    }

    #[tokio::test]
    async fn a_program_that_makes_credentials_cannot_be_passed_on() {
        let exec = "{exec: {command: echo, args: ['{\"status\": {\"token\": \"t\"}}']}}";
        let error = elsewhere(exec).await.unwrap_err();
        assert!(error.contains("made by a program (echo)"), "{error}");
    }
}
