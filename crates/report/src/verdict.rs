//! Judgement: (criteria, summary) → pass, fail or invalid, with reasons.
//!
//! A fail is proof, and invalid is doubt. A doubt makes unjudged only those criteria whose proof
//! rests on what is doubtful. What is violated after that fails the run; where nothing is, a doubt,
//! or a criterion that was asked for and could not be judged, makes it invalid.

mod doubt;
mod judge;
mod latency;
mod merged;
mod name;
mod observation;
mod observer;
mod remedy;
#[cfg(test)]
mod tests;
mod validity;

use dst_load_recording::statistics::Summary;
use dst_load_scenario::{
    action::Direction,
    criteria::{Bound, Criteria, Criterion, Unit},
    plan::Planned,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::name::Name;
use self::observation::{Observation, observation};
pub(crate) use self::{
    observation::Advice,
    validity::{GENERATOR, STARVED},
};

/// The verdict of a run on its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// Every criterion is met.
    Pass,
    /// A criterion is violated.
    Fail,
    /// Neither is proven.
    Invalid,
}

/// A verdict with what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why the verdict is not a pass, most important first.
    pub reasons: Vec<String>,
    /// Each criterion, judged.
    pub criteria: Vec<Judged>,
    /// Whether what was timed says nothing of the target.
    pub latency_in_doubt: bool,
}

/// One criterion, judged over the run and each whole cycle; the worst of them is stated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Its key in the scenario, with the direction if each direction is judged.
    pub name: Name,
    /// What `limit` and `observed` count.
    pub unit: Unit,
    /// The limit.
    pub limit: f64,
    /// The worst observed value; absent if it could not be observed.
    pub observed: Option<f64>,
    /// Whether `observed` is only a lower bound, because some deliveries never arrived.
    pub censored: bool,
    /// Whether it is met (`false`: violated); `null` if it is unjudged.
    pub met: Option<bool>,
    /// Where the worst was observed, or why it was not judged.
    pub scope: String,
    /// Whether it may stay unjudged without making the run invalid.
    #[serde(default)]
    pub optional: bool,
}

/// What else the judgement needs to know of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the target's own cost can be judged: not in virtual time, nor on the reference.
    pub target_is_judged: bool,
    /// Whether latency is the target's: not through a port-forward.
    pub latency_is_judged: bool,
    /// In which directions the plan changes endpoints.
    pub planned: Planned,
    /// How the run ended.
    pub ended: Ended,
}

/// How a run ended, as far as its verdict depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the end of its plan.
    AsPlanned,
    /// By itself, to spare its target: it has seen what it has seen.
    Spared,
    /// By a signal before the end of its plan.
    Interrupted,
    /// By an error, or unknown: the recording has no last line.
    CutOff,
    /// Not yet.
    NotYet,
}

/// Judges a run.
#[must_use]
pub fn judge(criteria: &Criteria, summary: &Summary, circumstances: Circumstances) -> Judgement {
    let mut judged = judge::all(criteria, summary, circumstances);
    let unjudged: Vec<_> = judged.iter().map(|it| it.met.is_none()).collect();
    let doubts = validity::doubts(criteria, summary, circumstances, &judged);
    for doubt in &doubts {
        doubt.void(&mut judged);
    }
    let failed = judged.iter().filter(|it| it.met == Some(false));
    let failed: Vec<_> = failed.map(|it| judge::reason(it, summary)).collect();
    let open = |judged: &&Judged| judged.met.is_none() && !judged.optional;
    let verdict = match circumstances.ended {
        Ended::Interrupted | Ended::CutOff => Verdict::Invalid,
        _ if !failed.is_empty() => Verdict::Fail,
        _ if !doubts.is_empty() || judged.iter().any(|it| open(&it)) => Verdict::Invalid,
        _ => Verdict::Pass,
    };
    // What a doubt has voided, the doubt explains.
    let unexplained = (judged.iter().zip(&unjudged))
        .filter_map(|(judged, unjudged)| unjudged.then_some(judged))
        .filter(open)
        // Why streams could not be judged is a doubt of its own.
        .filter(|it| {
            it.name.criterion != Criterion::Correctness || summary.correctness.unjudged.is_empty()
        });
    let unexplained = match circumstances.ended {
        // There is one thing to do.
        Ended::Interrupted | Ended::CutOff => Vec::new(),
        _ => remedy::reasons(unexplained, summary),
    };
    let latency_in_doubt = doubts.iter().any(|doubt| doubt.voids.timing());
    let doubts = doubts.into_iter().map(|doubt| doubt.words);
    Judgement {
        latency_in_doubt,
        verdict,
        reasons: failed
            .into_iter()
            .chain(doubts)
            .chain(unexplained)
            .collect(),
        criteria: judged,
    }
}

// === impl Circumstances ===

impl Circumstances {
    /// Whether the plan changes endpoints in this direction: else it is no criterion.
    #[must_use]
    pub const fn plans(&self, direction: Direction) -> bool {
        self.planned.changes(direction)
    }
}

// === impl Judged ===

impl Judged {
    /// Which values are within its limit.
    #[must_use]
    pub const fn bound(&self) -> Bound {
        self.name.criterion.bound()
    }

    /// A number of this criterion in words: `500 ms`, `2 GiB`, `1 %`.
    #[must_use]
    pub fn words(&self, number: f64) -> String {
        self.unit.words(number)
    }

    /// What is observed for it.
    pub(crate) const fn observation(&self) -> Observation {
        observation(self.name.criterion)
    }
}
