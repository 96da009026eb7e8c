//! Credentials that a program prints: a kubeconfig's `exec`
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).

use std::{
    io::{IsTerminal as _, Write as _},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use dst_load_scenario::printable::{line, part, sentence};
use jiff::Timestamp;
use kube::config::{ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use rustls::sign::CertifiedKey;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};

use super::certificate::certified;

/// As much of what a plugin says of its failure as is repeated, bytes.
const LARGEST: usize = 1_200;

/// A plugin that takes longer than this is named in the log.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// A program that prints credentials.
#[derive(Clone, Debug)]
pub(super) struct Plugin {
    exec: ExecConfig,
    cluster: Option<ExecAuthCluster>,
}

/// What it prints.
#[derive(Clone, Debug)]
pub(super) struct Printed {
    pub(super) token: Option<SecretString>,
    pub(super) certificate: Option<Arc<CertifiedKey>>,
    pub(super) expires: Option<Timestamp>,
}

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// The user's `exec` names no program.
    #[error("its `exec` has no command")]
    NoCommand,
    /// The program is not there.
    #[error("credential plugin {command:?} is not installed{}", hint(.install_hint.as_deref()))]
    Missing {
        /// The program.
        command: String,
        /// What its kubeconfig says about that.
        install_hint: Option<String>,
    },
    /// It cannot be started.
    #[error("credential plugin {command:?} cannot be started: {cause}")]
    NotStarted {
        /// The program.
        command: String,
        /// Why.
        cause: String,
    },
    /// It needs somebody to talk to.
    #[error("credential plugin {command:?} asks for a terminal (interactiveMode: Always)")]
    NoTerminal {
        /// The program.
        command: String,
    },
    /// It says that something is wrong.
    #[error("credential plugin {command:?} failed ({status}){}", said(.stderr))]
    Failed {
        /// The program.
        command: String,
        /// How it ended.
        status: String,
        /// Its standard error, the end of it.
        stderr: String,
    },
    /// It prints something else.
    #[error("credential plugin {command:?} printed no credentials: {cause}")]
    Unreadable {
        /// The program.
        command: String,
        /// What is wrong with it.
        cause: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

fn hint(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!(": {}", sentence(hint)))
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}

// === impl Plugin ===

impl Plugin {
    /// The program that `exec` names, which is told of `cluster` if it wants that.
    pub(super) fn new(exec: ExecConfig, cluster: Option<ExecAuthCluster>) -> Self {
        let cluster = cluster.filter(|_| exec.provide_cluster_info);
        Self { exec, cluster }
    }

    /// What the program is called.
    pub(super) fn command(&self) -> String {
        self.exec.command.clone().unwrap_or_default()
    }

    /// What tells it from others: with the same, the same credentials come of it.
    pub(super) fn key(&self) -> String {
        serde_json::to_string(&(&self.exec, &self.cluster)).unwrap_or_default()
    }

    /// Runs it.
    pub(super) async fn run(&self) -> Result<Printed, PluginError> {
        let exec = &self.exec;
        let name = exec.command.clone().ok_or(PluginError::NoCommand)?;
        let mode = exec.interactive_mode.as_ref();
        let terminal = std::io::stdin().is_terminal();
        if mode == Some(&ExecInteractiveMode::Always) && !terminal {
            return Err(PluginError::NoTerminal { command: name });
        }
        let interactive = terminal && mode != Some(&ExecInteractiveMode::Never);
        let mut command = Command::new(&name);
        command
            .args(exec.args.iter().flatten())
            .env("KUBERNETES_EXEC_INFO", self.info(interactive))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for variable in exec.env.iter().flatten() {
            if let Some(name) = variable.get("name") {
                command.env(name, variable.get("value").map_or("", String::as_str));
            }
        }
        command.stdin(if interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        });
        let spawned = command.spawn().map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                PluginError::Missing {
                    command: name.clone(),
                    install_hint: exec.install_hint.clone(),
                }
            } else {
                PluginError::NotStarted {
                    command: name.clone(),
                    cause: error.to_string(),
                }
            }
        });
        let mut child = spawned?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ran =
            async { tokio::join!(all(stdout, false), all(stderr, interactive), child.wait()) };
        let mut ran = std::pin::pin!(ran);
        let (stdout, stderr, status) = match timeout(TOLD_AFTER, &mut ran).await {
            Ok(ran) => ran,
            Err(_) => {
                tracing::info!(command = name, "waiting for the credential plugin");
                ran.await
            }
        };
        let failed = |status: String| PluginError::Failed {
            command: name.clone(),
            status,
            stderr: end(&stderr),
        };
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(failed(status.to_string())),
            Err(error) => return Err(failed(error.to_string())),
        }
        self.read(&stdout).map_err(|cause| PluginError::Unreadable {
            command: name,
            cause,
        })
    }

    /// What it is told of who asks.
    fn info(&self, interactive: bool) -> String {
        let mut spec = json!({ "interactive": interactive });
        if let Some(cluster) = &self.cluster
            && let Ok(cluster) = serde_json::to_value(cluster)
        {
            spec["cluster"] = cluster;
        }
        json!({ "kind": "ExecCredential", "apiVersion": self.exec.api_version, "spec": spec })
            .to_string()
    }

    fn read(&self, stdout: &[u8]) -> Result<Printed, String> {
        // client-go reads YAML too.
        let printed: ExecCredential =
            serde_saphyr::from_slice(stdout).map_err(|_| "it is no ExecCredential".to_owned())?;
        let asked = self.exec.api_version.as_deref().unwrap_or_default();
        if !asked.is_empty() && printed.api_version != asked {
            return Err(format!(
                "it was asked for version {asked:?} and answered {:?}",
                line(&printed.api_version)
            ));
        }
        let status = printed.status.ok_or("it has no status")?;
        let some = |text: Option<String>| text.filter(|it| !it.is_empty());
        let (certificate, key) = (
            some(status.client_certificate_data),
            some(status.client_key_data),
        );
        let certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some(certified(certificate.as_bytes(), key.as_bytes())?)
            }
            (None, None) => None,
            _ => return Err("it has a certificate or a key, and not both".to_owned()),
        };
        let token = some(status.token).map(SecretString::from);
        if token.is_none() && certificate.is_none() {
            return Err("it has neither a token nor a certificate".to_owned());
        }
        let expires = some(status.expiration_timestamp)
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| "its expirationTimestamp is no date")?;
        Ok(Printed {
            token,
            certificate,
            expires,
        })
    }
}

/// All that comes, which is shown meanwhile if somebody is asked something.
async fn all(from: Option<impl AsyncRead + Unpin>, shown: bool) -> Vec<u8> {
    let mut read = Vec::new();
    let Some(mut from) = from else {
        return read;
    };
    let mut buffer = [0; 4096];
    let mut told = 0;
    // What cannot be read any more has ended, and how it ended is told.
    while let Ok(1..) = from.read(&mut buffer).await.inspect(|&count| {
        read.extend_from_slice(&buffer[..count]);
        if shown {
            // A character of which only the beginning has come waits for its end.
            let whole = match std::str::from_utf8(&read[told..]) {
                Err(error) if error.error_len().is_none() => told + error.valid_up_to(),
                _ => read.len(),
            };
            let text = String::from_utf8_lossy(&read[told..whole]);
            told = whole;
            // Who asks there cannot be helped if that cannot be written.
            let _ = std::io::stderr().write_all(part(&text, true).as_bytes());
        }
    }) {}
    read
}

/// The end of what was said, as text.
fn end(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(LARGEST);
    sentence(&String::from_utf8_lossy(&bytes[from..]))
}
