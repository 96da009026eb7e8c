//! Judgement: (criteria, summary) → pass, fail or invalid, with reasons.
//!
//! Invalid wins over fail: a run whose generator, observer or cluster was the bottleneck says
//! nothing about the target, good or bad.

mod judge;
mod merged;
#[cfg(test)]
mod tests;
mod validity;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{criteria::Criteria, statistics::Summary, words};

/// What a run says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every criterion that could be judged held.
    Pass,
    /// Some criterion did not hold.
    Fail,
    /// The run cannot say.
    Invalid,
}

/// A verdict with what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not a pass, most important first.
    pub reasons: Vec<String>,
    /// Each criterion, judged.
    pub criteria: Vec<Judged>,
}

/// One criterion, judged over the run and each whole cycle; the worst of them is stated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Its key in the scenario, with the direction where that is judged apart.
    pub name: String,
    /// What `limit` and `observed` count.
    pub unit: Unit,
    /// What was asked.
    pub limit: f64,
    /// The worst that was seen; absent if it could not be observed.
    pub observed: Option<f64>,
    /// Whether `observed` is only a lower bound, because some deliveries never arrived.
    pub censored: bool,
    /// Whether it held; absent if it could not be judged.
    pub held: Option<bool>,
    /// Where the worst was seen: `run` or `cycle N`; or why it was not judged.
    pub scope: String,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A count.
    Count,
    /// A fraction of 1.
    Fraction,
    /// CPU cores.
    Cores,
    /// Deliveries a second.
    PerSecond,
}

/// What else the judgement needs to know of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the target's own cost can be judged: not in virtual time, nor on the reference.
    pub target_is_judged: bool,
    /// Whether latency is the target's: not through a port-forward.
    pub latency_is_judged: bool,
    /// Whether the plan changes any endpoints.
    pub changes_planned: bool,
    /// Whether the recording has its last line, without an error in it.
    pub ended: bool,
}

/// Judges a run.
#[must_use]
pub fn judge(criteria: &Criteria, summary: &Summary, circumstances: Circumstances) -> Judgement {
    let judged = judge::all(criteria, summary, circumstances);
    let invalid = validity::doubts(criteria, summary, circumstances, &judged);
    let failed: Vec<_> = judged
        .iter()
        .filter(|j| j.held == Some(false))
        .map(|j| judge::reason(j, summary))
        .collect();
    let verdict = if !invalid.is_empty() {
        Verdict::Invalid
    } else if !failed.is_empty() {
        Verdict::Fail
    } else {
        Verdict::Pass
    };
    Judgement {
        verdict,
        reasons: invalid.into_iter().chain(failed).collect(),
        criteria: judged,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
        })
    }
}

impl Judged {
    /// A number of this criterion in words: `500 ms`, `2 GiB`, `1 %`.
    #[must_use]
    pub fn words(&self, number: f64) -> String {
        self.unit.words(number)
    }
}

impl Unit {
    /// A number of this unit in words.
    #[must_use]
    pub fn words(self, number: f64) -> String {
        match self {
            Self::Seconds => words::seconds(number),
            Self::Bytes => words::bytes(number),
            Self::Count => words::number(number.round()),
            Self::Fraction => format!("{} %", words::number(number * 100.0)),
            Self::Cores => format!("{} cores", words::number(number)),
            Self::PerSecond => format!("{}/s", words::number(number)),
        }
    }
}
