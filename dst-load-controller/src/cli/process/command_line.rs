//! The command line of a destination controller of the user's own, as `--destination-bin` gives it.

use std::{ffi::OsString, io};

use tokio::process::Command;

use super::{bound, remove_flag_variables};
use crate::cli::usage::UsageError;

/// A controller's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct CommandLine {
    program: String,
    args: Vec<String>,
}

// === impl CommandLine ===

impl CommandLine {
    /// Reads `COMMAND ARGS` as a shell splits it.
    ///
    /// # Errors
    /// If a quote is open, or there is no command.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, UsageError> {
        let wrong = |what| UsageError(format!("--destination-bin: {what}"));
        let mut words = shlex::split(text)
            .ok_or_else(|| wrong("a quote is not closed"))?
            .into_iter();
        let program = words.next().ok_or_else(|| {
            wrong("the command is empty; write it as './linkerd-controller destination'")
        })?;
        Ok(Self {
            program,
            args: words.collect(),
        })
    }

    /// The same command line with profiles, which Linkerd's controllers serve when they are told to.
    #[must_use]
    pub(in crate::cli) fn with_profiles(mut self) -> Self {
        self.set_default("enable-pprof", "true");
        self
    }

    /// The name in a report: the words up to the first flag or variable, which may hold a secret.
    pub(in crate::cli) fn name(&self) -> String {
        let is_name = |word: &&String| !word.starts_with('-') && !word.contains('=');
        let words: Vec<_> = std::iter::once(&self.program).chain(&self.args).collect();
        let names = words.iter().copied().take_while(is_name);
        let mut name: Vec<_> = names.map(String::as_str).collect();
        if name.len() < words.len() {
            name.push("…");
        }
        name.join(" ")
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    pub(super) fn args(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(String::as_str)
    }

    /// The text that [`Self::parse`] reads.
    ///
    /// # Errors
    /// If a word cannot be quoted.
    pub(super) fn quoted(&self) -> Result<String, UsageError> {
        let words = std::iter::once(&*self.program).chain(self.args());
        shlex::try_join(words).map_err(|error| UsageError(format!("--destination-bin: {error}")))
    }

    /// Adds `--NAME=VALUE`, which Go's `flag` reads too, unless the user has given that flag.
    pub(super) fn set_default(&mut self, name: &str, value: &str) {
        let given = self.args.iter().any(|arg| {
            let bare = arg.trim_start_matches('-');
            arg.starts_with('-') && bare.split('=').next() == Some(name)
        });
        if !given {
            self.args.push(format!("--{name}={value}"));
        }
    }

    /// The command with further arguments. Its process ends with this one, also if this one is
    /// killed; it is in a process group of its own, so that a Ctrl-C in a terminal does not reach it.
    ///
    /// # Errors
    /// If this binary's own path is not known.
    pub(super) fn command(&self, more: &[&str]) -> io::Result<Command> {
        let words = std::iter::once(&*self.program)
            .chain(self.args())
            .chain(more.iter().copied())
            .map(OsString::from);
        let words: Vec<_> = words.collect();
        let mut command = bound::command(&words)?;
        command.stdin(std::process::Stdio::null()).process_group(0);
        // The tool's own destination reads the same variables.
        remove_flag_variables(&mut command);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_as_a_shell_does() {
        let line = CommandLine::parse("'./my destination' destination -log-level debug").unwrap();
        assert_eq!(line.program, "./my destination");
        assert_eq!(line.args, ["destination", "-log-level", "debug"]);
        let quoted = line.quoted().unwrap();
        assert_eq!(CommandLine::parse(&quoted), Ok(line));
        for (text, wrong) in [("", "is empty"), ("'./a", "a quote is not closed")] {
            let error = CommandLine::parse(text).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_report_names_the_command_without_what_may_be_a_secret() {
        for (given, name) in [
            ("./d destination", "./d destination"),
            ("'my d' destination -token canary", "my d destination …"),
            ("env TOKEN=canary d", "env …"),
        ] {
            assert_eq!(CommandLine::parse(given).unwrap().name(), name);
        }
    }

    #[test]
    fn profiles_are_enabled_unless_the_user_has_given_the_flag() {
        for (given, wanted) in [
            (
                "'my d' destination",
                "'my d' destination --enable-pprof=true",
            ),
            ("d -enable-pprof=false", "d -enable-pprof=false"),
        ] {
            let line = CommandLine::parse(given).unwrap().with_profiles();
            assert_eq!(Ok(line), CommandLine::parse(wanted));
        }
    }

    #[test]
    fn a_flag_that_the_user_gives_has_no_default() {
        let mut line = CommandLine::parse("d destination --addr :1 -log-level=debug").unwrap();
        line.set_default("addr", "127.0.0.1:2");
        line.set_default("log-level", "warn");
        line.set_default("metrics-addr", "127.0.0.1:3");
        assert_eq!(
            line.args[1..],
            [
                "--addr",
                ":1",
                "-log-level=debug",
                "--metrics-addr=127.0.0.1:3"
            ]
        );
    }
}
