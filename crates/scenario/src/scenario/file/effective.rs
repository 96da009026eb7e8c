//! A scenario written back as a file: what a recording's header holds, and what reads back to the
//! same scenario.

use serde_json::Value;

use super::{
    File, MeasureSection, ScenarioSection, churn::ChurnSection, controller::ControllerSection,
    federation::FederationSection, placed::key,
};
use crate::{
    quantity::NonZeroSpan,
    scenario::{Scenario, ServiceGroup},
};

/// A scenario that no scenario file can say; files and flags never make one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Services {prefix}-{first} … are in no form that a scenario file has")]
pub struct Inexpressible {
    prefix: String,
    first: u32,
}

impl Scenario {
    /// The scenario as a file's keys and values, with nothing left to defaults that change what
    /// the run does. Reading it gives an equal scenario.
    ///
    /// # Errors
    /// If its groups are neither one counted from 1 nor the mixed form's two.
    pub fn effective(&self) -> Result<Value, Inexpressible> {
        let file = File {
            scenario: key(ScenarioSection {
                name: key(self.name.clone()),
                seed: key(self.seed),
            }),
            churn: key(ChurnSection::of(&self.churn)?),
            client: key((&self.client).into()),
            federation: (self.federation.as_ref()).and_then(|it| key(FederationSection::of(it))),
            measure: self.deadline.and_then(|deadline| {
                key(MeasureSection {
                    deadline: key(NonZeroSpan(deadline)),
                })
            }),
            criteria: key(self.criteria.clone()),
            target: ControllerSection::of(self.flags),
            sandbox: key((&self.sandbox).into()),
            ..File::default()
        };
        let value = serde_json::to_value(file);
        let mut value = value.expect("invariant: the file's types have text keys only");
        drop_nulls(&mut value);
        Ok(value)
    }
}

/// Leaves out what is absent.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            keys.retain(|_, value| !value.is_null());
            keys.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

impl From<&ServiceGroup> for Inexpressible {
    fn from(group: &ServiceGroup) -> Self {
        Self {
            prefix: group.prefix.clone(),
            first: group.first,
        }
    }
}
