//! The command line, read without telling what may be a secret.
//!
//! clap shows the values of environment variables in help texts, and repeats what it refuses: either
//! may hold a password, and the latter escape sequences too.
//!
//! The variable of a flag that is marked `env` is [`PREFIX`] and the flag's name in capital letters.

use std::{
    ffi::OsString,
    io::{self, Write},
};

use clap::{
    Arg, ArgAction, Command, CommandFactory, Error, FromArgMatches,
    builder::{BoolishValueParser, StyledStr},
    error::{ContextKind, ContextValue},
};
use dst_load_scenario::printable::{line, lines, part};
use dst_load_transport::http::shown;

use super::args::Args;
use crate::exit::Exit;

/// What the names of this tool's environment variables begin with.
const PREFIX: &str = "DST_LOAD_";

/// The commands with their flags, whose help texts name the environment's variables and not what
/// these hold.
#[must_use]
pub fn command() -> Command {
    with_variables(Args::command())
}

fn with_variables(command: Command) -> Command {
    command
        .mut_args(with_variable)
        .mut_subcommands(with_variables)
}

/// A flag with its variable, of which one that is on or off takes `1` and `yes` too.
fn with_variable(flag: Arg) -> Arg {
    let mut flag = flag.hide_env_values(true);
    let name = flag.get_id().as_str().to_uppercase();
    // clap's own name for it; one that is given is another.
    if flag.get_env().is_some_and(|it| it == name.as_str()) {
        flag = flag.env(format!("{PREFIX}{name}"));
    }
    match flag.get_action() {
        ArgAction::SetTrue => flag.value_parser(BoolishValueParser::new()),
        _ => flag,
    }
}

/// Reads a command line.
///
/// # Errors
/// What clap says of a wrong one, or a help text that was asked for: see [`refuse`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Prints what clap says in place of a command line's values.
#[must_use]
pub fn refuse(error: &Error) -> Exit {
    let plain = error.render().to_string();
    let safe = safe(error, &plain);
    // clap leaves out escape sequences of plain text only.
    let steers = |(_, value): (_, &ContextValue)| match value {
        ContextValue::String(value) => part(value, false) != *value,
        _ => false,
    };
    // Whoever reads no further has had what they wanted, and the exit code says the rest.
    let _ = if safe == plain && !error.context().any(steers) {
        error.print()
    } else {
        io::stderr().write_all(safe.as_bytes())
    };
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Pass
    }
}

/// What clap says, without what may be secrets and what could steer a terminal.
fn safe(error: &Error, plain: &str) -> String {
    let given = [
        ContextKind::InvalidValue,
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
    ];
    let mut text = plain.to_owned();
    for value in given.iter().filter_map(|kind| error.get(*kind)) {
        if let ContextValue::String(value) = value {
            // As clap has put it into its text: without escape sequences.
            let given = StyledStr::from(value.clone()).to_string();
            text = text.replace(&given, &line(&shown(value)));
        }
    }
    lines(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(command: &Command, look: &mut impl FnMut(&Command)) {
        look(command);
        for command in command.get_subcommands() {
            every(command, look);
        }
    }

    #[test]
    fn no_help_text_has_the_value_of_a_variable() {
        let mut command = command();
        command.build();
        let mut variables = 0;
        every(&command, &mut |command| {
            for argument in command.get_arguments() {
                let named = argument.get_env().is_some();
                variables += usize::from(named);
                assert!(
                    !named || argument.is_hide_env_values_set(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        });
        assert!(variables > 50, "{variables}");
    }

    #[test]
    fn what_is_refused_is_repeated_without_credentials_and_escape_sequences() {
        for (line, repeated) in [
            (
                &["run", "--live", "http://me:canary@a:1/x?t=canary"][..],
                "'http://a:1/x",
            ),
            (&["run", "--live", "me:canary@a:1"], "'a:1'"),
            (&["run", "quick", "http://me:canary@a"], "'http://a'"),
            (&["http://me:canary@a"], "'http://a'"),
            (&["run", "--qps", "http://me:canary@a"], "'http://a'"),
            (&["run", "--live", "a\u{202e}"], "'a\\u{202e}'"),
            (&["run", "--live", "a\u{1b}[2J\nb"], "'a\\u{1b}[2J b'"),
            (&["a\u{1b}[2J\nb"], "'a\\u{1b}[2J b'"),
        ] {
            let line = ["dst-load-controller"].iter().chain(line);
            let error = parse(line.map(OsString::from)).unwrap_err();
            let said = safe(&error, &error.render().to_string());
            assert!(said.contains(repeated), "{said}");
            assert!(
                !said.contains("canary") && !said.contains('\u{1b}'),
                "{said}"
            );
        }
    }
}
