//! The ways to a cluster that people have: kubeconfigs, proxies, plugins, API servers that are busy.
//! Each on a sandbox of its own, with the tool as a process: most of it comes from the environment.

mod faults;
mod kubeconfigs;
mod limits;
mod middle;
mod proxies;
mod tls;

use std::{fs, path::PathBuf, process::Command};

use crate::{
    sandbox::{self, Sandbox},
    tool::{self, command, text},
};

/// How a command ended: its exit code, standard output, standard error.
type Ended = (Option<i32>, String, String);

// === impl Sandbox ===

impl Sandbox {
    /// Where its API is: HOST:PORT.
    fn api(&self) -> String {
        let text = fs::read_to_string(&self.kubeconfig).unwrap();
        let (_, rest) = text.split_once("http://").unwrap();
        let end = rest.find(|c: char| c != ':' && c != '.' && !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].to_owned()
    }

    /// A kubeconfig of what is said of a cluster and a user.
    fn kubeconfig(&self, name: &str, cluster: &str, user: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: x, \
             clusters: [{{name: c, cluster: {cluster}}}], users: [{{name: u, user: {user}}}], \
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]}}"
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// A command of the tool, beside this sandbox.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.directory.path(), args);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
    }

    /// What `check` finds with this kubeconfig.
    fn check(&self, kubeconfig: &std::path::Path) -> Ended {
        let path = kubeconfig.to_str().unwrap();
        ended(&mut self.command(&["check", "--kubeconfig", path]))
    }
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// That a command could reach the API server.
fn reached((code, out, log): &Ended) {
    assert_eq!(*code, Some(0), "{out}\n{log}");
    assert!(out.contains("√ can reach the API server"), "{out}\n{log}");
}
