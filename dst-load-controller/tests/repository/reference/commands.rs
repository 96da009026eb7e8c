//! Every command with its flags, as `--help` has them.

use clap::{Arg, Command};
use dst_load_controller::cli::parse;

use super::{cell, page};

#[test]
fn commands_and_flags() {
    let mut root = parse::command();
    root.build();
    let mut body = String::from(
        "This page lists every command and flag. Every flag can also be set by its environment variable. Durations are written as in Go\n\
         (`500ms`, `1h30m`). Flags of all commands are at the end.\n",
    );
    let global: Vec<_> = root
        .get_arguments()
        .filter(|it| it.is_global_set())
        .cloned()
        .collect();
    let is_global = |arg: &Arg| global.iter().any(|it| it.get_id() == arg.get_id());
    for (name, command) in commands(&root, "") {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        body.push_str(&format!("\n## `{name}`\n\n{about}.\n"));
        let own = |arg: &&Arg| !is_global(arg);
        body.push_str(&table(command, own));
    }
    body.push_str("\n## Flags of all commands\n");
    body.push_str(&table(&root, |arg| is_global(arg)));
    page("cli.md", "Commands and flags", &body);
}

/// The commands below one, each with all of its name; those that only lead to others are left out.
fn commands<'a>(above: &'a Command, name: &str) -> Vec<(String, &'a Command)> {
    let shown = |it: &&Command| it.get_name() != "help" && !it.is_hide_set();
    let all = above.get_subcommands().filter(shown).flat_map(|command| {
        let name = format!("{name} {}", command.get_name());
        if command.has_subcommands() {
            commands(command, &name)
        } else {
            vec![(name.trim_start().to_owned(), command)]
        }
    });
    all.collect()
}

fn table(command: &Command, which: impl Fn(&&Arg) -> bool) -> String {
    let shown =
        |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let rows: Vec<_> = command
        .get_arguments()
        .filter(shown)
        .filter(which)
        .map(row)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n| Flag | Environment | Default | What it does |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

fn row(arg: &Arg) -> String {
    let values: Vec<_> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let value = values.join(" ");
    let takes = arg.get_num_args().is_some_and(|it| it.takes_values());
    let flag = match (arg.get_short(), arg.get_long()) {
        (_, None) => value.clone(),
        (short, Some(long)) => {
            let short = short.map_or_else(String::new, |short| format!("-{short}, "));
            let value = if takes {
                format!(" {value}")
            } else {
                String::new()
            };
            format!("{short}--{long}{value}")
        }
    };
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    let aliases: String = aliases
        .iter()
        .map(|alias| format!(", `--{alias}`"))
        .collect();
    let env = arg
        .get_env()
        .map_or_else(String::new, |env| format!("`{}`", env.to_string_lossy()));
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|it| it.to_string_lossy())
        .collect();
    let default = if takes && !defaults.is_empty() {
        format!("`{}`", cell(&defaults.join(" ")))
    } else {
        String::new()
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let words: Vec<_> = arg
        .get_possible_values()
        .iter()
        .filter(|_| takes)
        .map(|it| format!("`{}`", it.get_name()))
        .collect();
    let words = if words.is_empty() || words.len() == 2 && words[0] == "`true`" {
        String::new()
    } else {
        format!(" One of {}.", words.join(", "))
    };
    let help = format!("{}.{words}", help.trim_end_matches('.'));
    format!(
        "| `{flag}`{aliases} | {env} | {default} | {} |",
        cell(&help)
    )
}
