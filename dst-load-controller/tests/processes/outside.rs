//! What comes from outside, and what must not get there: hostile words of servers, files and names, and
//! credentials. Each is put in wherever it can enter, and looked for in all that the tool writes, as a
//! process.

mod credentials;
mod hostile;
mod secrets;
pub(crate) mod server;

use std::{ffi::OsStr, fs, path::Path, process::Command};

use crate::{
    sandbox::{self, Sandbox},
    tool::{self, TOOL, started_by, text},
};

/// Each form of a report.
const FORMS: [&str; 5] = ["text", "json", "markdown", "junit", "html"];

/// What a command wrote: a name of the place, and the text.
type Written = Vec<(String, String)>;

/// A command of the tool in this directory, without proxies of the environment, that is ended after a
/// while.
fn tool(directory: &Path, args: &[&str]) -> Command {
    let mut all = vec!["--kill-after=5", "25", TOOL];
    all.extend(args);
    let mut command = started_by("timeout", directory, &all);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

/// Runs it: what it printed.
fn printed(command: &mut Command) -> Written {
    let args: Vec<_> = command
        .get_args()
        .skip(3)
        .map(OsStr::to_string_lossy)
        .collect();
    let name = args.join(" ");
    let output = command.output().unwrap();
    let code = output.status.code();
    // 124 and 137 are `timeout`'s.
    assert!(
        matches!(code, Some(0..=4 | 130)),
        "{name}: {code:?}\n{}",
        text(&output.stderr)
    );
    vec![
        (format!("standard output of {name}"), text(&output.stdout)),
        (format!("standard error of {name}"), text(&output.stderr)),
    ]
}

/// Every file below a directory, but for those that the test has put there.
fn files(directory: &Path, ours: &[&str], written: &mut Written) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            files(&path, ours, written);
        } else if !ours.contains(&name.as_str()) {
            let bytes = fs::read(&path).unwrap();
            written.push((path.display().to_string(), text(&bytes)));
        }
    }
}

/// The recording or run at `place`, in each form of a report, and compared with itself.
fn shown(directory: &Path, place: &str) -> Written {
    let mut written = Vec::new();
    for form in FORMS {
        written.extend(printed(&mut tool(
            directory,
            &["report", place, "-o", form],
        )));
    }
    fs::create_dir_all(directory.join("again")).unwrap();
    fs::copy(
        directory.join(place).join("recording.jsonl"),
        directory.join("again/recording.jsonl"),
    )
    .unwrap();
    for form in FORMS.iter().filter(|form| **form != "junit") {
        let args = ["compare", place, "again", "--force", "-o", form];
        written.extend(printed(&mut tool(directory, &args)));
    }
    written
}

/// A kubeconfig of what is said of a cluster and a user.
fn kubeconfig(path: &Path, cluster: &str, user: &str) {
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: x, \
         clusters: [{{name: c, cluster: {cluster}}}], users: [{{name: u, user: {user}}}], \
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]}}"
    );
    fs::write(path, text).unwrap();
}
