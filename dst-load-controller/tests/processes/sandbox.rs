//! A sandbox as a process of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::tool::{command, text};

/// Limits that no machine is too busy for: what is tested here is not speed.
pub(crate) const PATIENT: [&str; 4] = [
    "--set=criteria.updateLatency.p95=20s",
    "--set=criteria.updateLatency.p99=20s",
    "--set=criteria.everyClientWithin=20s",
    "--set=measure.deadline=30s",
];

/// `sandbox`, until dropped.
pub(crate) struct Sandbox {
    pub(crate) child: Child,
    pub(crate) directory: TempDir,
    pub(crate) kubeconfig: String,
    pub(crate) destination: String,
    /// What it said when it was ready.
    pub(crate) ready: Value,
    // Closed, it would be written to in vain.
    _stdout: BufReader<ChildStdout>,
}

// === impl Sandbox ===

impl Sandbox {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(more: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = directory.path().join("kubeconfig");
        let kubeconfig = kubeconfig.to_str().unwrap().to_owned();
        let mut args = vec!["--log-level=warn", "sandbox", "--kubeconfig", &kubeconfig];
        args.extend(more);
        let mut child = command(directory.path(), &args)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["kubeconfig"], kubeconfig.as_str());
        let sandbox = Self {
            child,
            destination: ready["destination"].as_str().unwrap().to_owned(),
            directory,
            kubeconfig,
            ready,
            _stdout: stdout,
        };
        assert!(sandbox.ready["destination_metrics"].is_string(), "{line}");
        sandbox
    }

    /// What `cleanup` has to say.
    pub(crate) fn cleanup(&self, args: &[&str]) -> String {
        let mut all = vec!["cleanup", "--kubeconfig", &self.kubeconfig];
        all.extend(args);
        let output = command(self.directory.path(), &all).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
