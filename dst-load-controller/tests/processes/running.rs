//! A command under way: its log is followed, and it is sent signals.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

use serde_json::Value;

use crate::tool::text;

/// A run under way.
pub(crate) struct Run {
    pub(crate) child: Child,
    /// Its standard error so far.
    pub(crate) log: String,
    pub(crate) output: PathBuf,
}

// === impl Run ===

impl Run {
    pub(crate) fn start(mut command: Command, output: PathBuf) -> Self {
        let child = command.spawn().unwrap();
        Self {
            child,
            log: String::new(),
            output,
        }
    }

    /// Reads the log until it says so.
    pub(crate) fn until(&mut self, said: &str) {
        // Byte by byte: a buffer would swallow what comes after.
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut byte = [0];
        while !self.log.ends_with(said) {
            let read = stderr.read(&mut byte).unwrap();
            assert_eq!(read, 1, "never said {said:?}: {}", self.log);
            self.log.push(char::from(byte[0]));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id();
        let kill = format!("kill -s {name} {pid}");
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end: exit code, standard output, all of the log.
    pub(crate) fn end(self) -> (Option<i32>, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.child.wait_with_output().unwrap();
        (status.code(), text(&stdout), self.log + &text(&stderr))
    }

    pub(crate) fn report(output: &Path) -> Value {
        let report = fs::read_to_string(output.join("report.json")).unwrap();
        serde_json::from_str(&report).unwrap()
    }
}
