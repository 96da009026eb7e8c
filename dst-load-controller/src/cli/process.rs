//! Processes that a command starts: the sandbox, and a destination controller of the user's own.
//!
//! Each is spawned, says where it serves once it is ready, and is stopped. Each ends with this
//! process, also if that is killed.

pub mod bound;
mod command_line;
mod controller;
mod sandbox;

use tokio::process::Command;

pub(super) use self::{
    command_line::CommandLine,
    controller::{CONTROLLER_NAMESPACE, ControllerProcess},
    sandbox::{ReadyLine, SandboxProcess},
};

/// Removes the variables that are flags of this process: the flags of a child are all that it reads.
fn remove_flag_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DST_LOAD_") {
            command.env_remove(name);
        }
    }
}
