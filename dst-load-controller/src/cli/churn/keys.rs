//! The flags of `churn` that stand for keys of a scenario: whatever `CHURN_FLAGS` lists.

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::BoolishValueParser,
    error::Error,
};
use dst_load_scenario::scenario::{CHURN_FLAGS, ChurnFlag, ChurnForm, Draft, Scenario};

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
            draft.put(flag.place, flag.path, value)?;
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
            let value = if flag.value_name.is_empty() {
                matches.get_flag(flag.name).then(|| "true".to_owned())
            } else {
                matches.get_one(flag.name).cloned()
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

/// A flag as the command line has it. Its value is read as that of `--set` is.
fn argument(flag: &ChurnFlag) -> Arg {
    let argument = Arg::new(flag.name)
        .long(flag.name)
        .env(flag.env)
        .help(flag.help)
        .help_heading(flag.form.map(|form| match form {
            ChurnForm::OnePattern => "One pattern",
            ChurnForm::Mixed => "Mixed workload (stable-svc-N and oscillate-svc-N side by side)",
        }));
    if flag.value_name.is_empty() {
        argument
            .action(ArgAction::SetTrue)
            .value_parser(BoolishValueParser::new())
    } else {
        argument.value_name(flag.value_name)
    }
}
