//! Parses, runs, and turns the result into an exit code.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use dst_load_controller::{
    cli::{self, UsageError, parse},
    exit::Exit,
};
use dst_load_scenario::{printable::lines, words::causes};

fn main() -> ExitCode {
    let args = match parse::parse(env::args_os()) {
        Ok(args) => args,
        Err(error) => return parse::refuse(&error).into(),
    };
    let error = match cli::run(args, &mut io::stdout(), &mut io::stderr()) {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    // Whoever reads no further of a plan, as `head` does, has had what they wanted.
    let source = error.downcast_ref::<io::Error>();
    if source.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Pass.into();
    }
    // What follows the first line is set off from it: a line of the log is never what it looks like.
    let text = causes(error.as_ref()).replace("\n  ", "\n");
    let text = lines(&text.replace('\n', "\n  "));
    // With standard error closed too, the exit code is all there is left to say.
    let _ = writeln!(io::stderr(), "error: {text}");
    if error.is::<UsageError>() {
        Exit::Usage.into()
    } else {
        Exit::Broken.into()
    }
}
