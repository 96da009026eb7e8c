//! Judgement: (criteria, summary) → pass, fail or invalid, with reasons.
//!
//! Invalid wins over fail: a run whose generator, observer or cluster was the bottleneck says
//! nothing about the target, good or bad.

mod judge;
#[cfg(test)]
mod tests;
mod validity;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{criteria::Criteria, statistics::Summary};

/// What a run says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not a pass, most important first.
    pub reasons: Vec<String>,
    /// Each criterion, judged.
    pub criteria: Vec<Judged>,
}

/// One criterion, judged over the run and each whole cycle; the worst of them is stated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A number of this criterion in words: `500ms`, `2.0 GiB`, `1.0 %`.
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
            Self::Seconds if number < 0.001 => format!("{:.0} µs", number * 1e6),
            Self::Seconds if number < 1.0 => {
                let millis = number * 1e3;
                if millis.fract().abs() < 0.05 {
                    format!("{millis:.0} ms")
                } else {
                    format!("{millis:.1} ms")
                }
            }
            Self::Seconds => format!("{number:.2} s"),
            Self::Bytes if number < 1024.0 * 1024.0 => format!("{:.1} KiB", number / 1024.0),
            Self::Bytes if number < 1024.0 * 1024.0 * 1024.0 => {
                format!("{:.1} MiB", number / (1024.0 * 1024.0))
            }
            Self::Bytes => format!("{:.2} GiB", number / (1024.0 * 1024.0 * 1024.0)),
            Self::Count => format!("{number:.0}"),
            Self::Fraction => format!("{:.2} %", number * 100.0),
            Self::Cores => format!("{number:.2} cores"),
            Self::PerSecond => format!("{number:.0}/s"),
        }
    }
}
