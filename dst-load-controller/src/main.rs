//! Parses, runs, and turns the result into an exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use dst_load_controller::{
    cli::{self, Args, UsageError},
    exit::Exit,
    model::words::chain,
};

fn main() -> ExitCode {
    let error = match cli::run(Args::parse(), &mut io::stdout(), &mut io::stderr()) {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    // Whoever reads no further of a plan, as `head` does, has had what they wanted.
    let source = error.downcast_ref::<io::Error>();
    if source.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Pass.into();
    }
    // With standard error closed too, the exit code is all there is left to say.
    let _ = writeln!(io::stderr(), "error: {}", chain(error.as_ref()));
    if error.is::<UsageError>() {
        Exit::Usage.into()
    } else {
        Exit::Broken.into()
    }
}
