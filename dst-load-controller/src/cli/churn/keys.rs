//! The flags of `churn` that stand for keys of a scenario: whatever `CHURN_FLAGS` lists.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, error::Error};
use dst_load_scenario::scenario::{CHURN_FLAGS, ChurnFlag, ChurnForm, Draft, FlagValue, Scenario};

use crate::cli::usage::UsageError;

/// The flags that are given, each with its value.
#[derive(Clone, Debug, Default)]
pub struct ScenarioKeys(Vec<(&'static ChurnFlag, String)>);

// === impl ScenarioKeys ===

impl ScenarioKeys {
    /// Whether they say how many Services there are.
    #[must_use]
    pub fn name_services(&self) -> bool {
        (self.0.iter()).any(|(flag, _)| flag.path.ends_with(".services"))
    }

    /// The scenario that they override; beside it come warnings.
    ///
    /// # Errors
    /// A [`UsageError`] if they contradict each other or the scenario, or say too little.
    pub fn finish(&self, mut draft: Draft) -> Result<(Scenario, Vec<String>), UsageError> {
        for (flag, value) in &self.0 {
            draft.put(&flag.place(), flag.path, value)?;
        }
        Ok(draft.finish()?)
    }
}

impl Args for ScenarioKeys {
    fn augment_args(command: Command) -> Command {
        command.args(CHURN_FLAGS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ScenarioKeys {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = CHURN_FLAGS.iter().filter_map(|flag| {
            let value = match flag.value {
                FlagValue::Switch => matches.get_flag(&id(flag)).then(|| "true".to_owned()),
                _ => matches.get_one(&id(flag)).cloned(),
            };
            Some((flag, value?))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A flag as the command line has it, with clap's own name for its variable. Its value is read as that
/// of `--set` is.
fn argument(flag: &ChurnFlag) -> Arg {
    let name = id(flag).to_uppercase();
    let argument = Arg::new(id(flag))
        .long(flag.name)
        .env(name.clone())
        .help(flag.help)
        .help_heading(flag.form.map(|form| match form {
            ChurnForm::OnePattern => "One pattern",
            ChurnForm::Mixed => "Mixed workload (stable-svc-N and oscillate-svc-N side by side)",
        }));
    match flag.value {
        FlagValue::Switch => argument.action(ArgAction::SetTrue),
        FlagValue::Value => argument.value_name(name),
        FlagValue::Named(name) => argument.value_name(name),
    }
}

fn id(flag: &ChurnFlag) -> String {
    flag.name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse::command;

    #[test]
    fn each_has_a_variable_of_its_name() {
        let command = command();
        let churn = command.find_subcommand("churn").unwrap();
        for flag in CHURN_FLAGS {
            let argument = churn
                .get_arguments()
                .find(|it| it.get_long() == Some(flag.name));
            let env = flag.name.to_uppercase().replace('-', "_");
            let env = format!("DST_LOAD_{env}");
            assert_eq!(argument.unwrap().get_env(), Some(env.as_ref()));
        }
    }
}
