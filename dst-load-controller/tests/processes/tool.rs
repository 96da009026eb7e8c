//! The binary itself, as a process of its own.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

/// The tool.
pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_dst-load-controller");

/// A command of the tool, in `directory` and with nothing in its environment that is meant for it.
pub(crate) fn command(directory: &Path, args: &[&str]) -> Command {
    started_by(TOOL, directory, args)
}

/// As [`command`], where `program` is what starts the tool.
pub(crate) fn started_by(program: &str, directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let known = name.to_string_lossy();
        if known.starts_with("DST_LOAD_") || known == "LINKERD_DESTINATION_BIN" {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .env_remove("KUBECONFIG")
        // The floor that a first run measures is kept there, and not with the user's.
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What it wrote, as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
