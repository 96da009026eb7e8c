//! What the flags mean together: defaults, conflicts, and the environment beside them.

use std::iter;

use super::*;

fn parsed(line: &str) -> Result<Command, clap::error::ErrorKind> {
    let words = line.split_whitespace().map(Into::into);
    let args = parse::parse(words).map_err(|error| error.kind())?;
    Ok(args.command)
}

#[test]
fn no_flag_contradicts_another() {
    parse::command().debug_assert();
}

#[test]
fn every_flag_has_a_help_text_and_a_mirror_in_the_environment() {
    let all = parse::command();
    // What is hidden is no promise: processes of this tool say it to one another.
    let commands = all.get_subcommands().filter(|it| !it.is_hide_set());
    for command in commands.flat_map(|it| iter::once(it).chain(it.get_subcommands())) {
        for argument in command.get_arguments() {
            let id = argument.get_id();
            if argument.is_hide_set() {
                continue;
            }
            assert!(argument.get_help().is_some(), "{} {id}", command.get_name());
            // Linkerd's own name for one thing of Linkerd's.
            let ours = ["DST_LOAD_", "LINKERD_DESTINATION_BIN"];
            let mirrored = argument.get_env().is_some_and(|env| {
                let env = env.to_string_lossy();
                ours.iter().any(|prefix| env.starts_with(prefix))
            });
            let alone = [
                "help",
                "set",
                "virtual_time",
                "reference",
                "recordings",
                "sides",
                "pages",
                "shell",
            ];
            assert!(
                mirrored || alone.contains(&id.as_str()),
                "{} {id}",
                command.get_name()
            );
        }
    }
}

#[test]
fn run_takes_a_scenario_and_its_overrides() {
    let line = "dlc run quick --virtual --seed 7 --cycles 1 --duration 1m --set a.b=c --keep";
    let Ok(Command::Run(args)) = parsed(line) else {
        panic!("{line}")
    };
    assert!(args.virtual_time && args.keep);
    let scenario = &args.scenario;
    assert_eq!((scenario.seed, scenario.cycles), (Some(7), Some(1)));
    assert_eq!(scenario.set, ["a.b=c"]);
    assert_eq!(args.connect_timeout.0.as_secs(), 30);
}

#[test]
fn replicas_of_the_destination_are_repeated_or_listed_with_commas() {
    let line = "dlc client --destination a:1,b:1 --destination c:1 --services web.shop:80";
    let Ok(Command::Client(args)) = parsed(line) else {
        panic!("{line}")
    };
    assert_eq!(args.destination, ["a:1", "b:1", "c:1"]);
    let client = args.watch().unwrap().client;
    assert_eq!(
        (client.lifecycle.to_string().as_str(), client.profiles),
        ("eternal", false)
    );
    for (flags, profiles) in [
        ("", true),
        ("--profiles=false", false),
        ("--profiles", true),
    ] {
        let line = format!("{line} --lifecycle proxy {flags}");
        let Ok(Command::Client(args)) = parsed(&line) else {
            panic!("{line}")
        };
        let client = args.watch().unwrap().client;
        let names = u32::from(profiles);
        assert_eq!(
            (client.profiles, client.profile_names),
            (profiles, names),
            "{line}"
        );
        assert!(!client.policies);
    }
    let Ok(Command::Client(args)) = parsed(&format!("{line} --profile-names 3 --policies")) else {
        panic!("{line}")
    };
    let client = args.watch().unwrap().client;
    assert_eq!(
        (client.profiles, client.profile_names, client.policies),
        (false, 3, true)
    );
    let mortal = parsed(&format!("{line} --lifecycle mortal")).unwrap_err();
    assert_eq!(mortal, clap::error::ErrorKind::ValueValidation);
}

#[test]
fn virtual_time_excludes_a_real_cluster() {
    for line in [
        "dlc run quick --virtual --context kind",
        "dlc run quick --virtual --destination a:1",
        "dlc run quick --virtual --pprof",
        "dlc run quick --virtual --policy a:1",
        "dlc run quick --reference --destination a:1",
    ] {
        assert_eq!(
            parsed(line).unwrap_err(),
            clap::error::ErrorKind::ArgumentConflict,
            "{line}"
        );
    }
}

#[test]
fn what_is_needed_is_asked_for() {
    for line in [
        "dlc run",
        "dlc plan",
        "dlc report",
        "dlc cleanup",
        "dlc client --destination a:1",
    ] {
        assert_eq!(
            parsed(line).unwrap_err(),
            clap::error::ErrorKind::MissingRequiredArgument,
            "{line}"
        );
    }
    assert!(parsed("dlc sandbox").is_ok());
}
