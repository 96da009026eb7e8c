//! What is doubtful about a run, and which proofs rest on it.

use dst_load_scenario::criteria::Bound;

use super::{Judged, Name};

/// Something that keeps a run from saying all that was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Which criteria it makes unjudged.
    pub(super) voids: Voids,
    /// Why those are unjudged, in a few words.
    pub(super) short: &'static str,
    /// What is doubtful, as a reason of the verdict.
    pub(super) words: String,
}

/// The proofs that rest on what is doubtful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Voids {
    /// None: what is violated is violated, and nothing that was met can be relied on.
    Nothing,
    /// All that were timed.
    Timing,
    /// All that rest on the order of events: what was timed, what never arrived, what was redundant
    /// or premature.
    Order,
    /// All that rest on what the observer saw: those, and what streams hold at the end.
    Observed,
    /// Those of these names.
    Named(Vec<Name>),
    /// Those that were read from the target's metrics. A maximum that was seen above its limit
    /// stays violated: what was not seen could only be more.
    Target,
    /// The same, where they were read of some of its replicas: only what may not be exceeded, and was
    /// by those, stays violated.
    TargetInPart,
    /// All.
    Everything,
}

// === impl Doubt ===

impl Doubt {
    /// A doubt that voids no proof.
    pub(super) const fn of_a_pass(words: String) -> Self {
        Self {
            voids: Voids::Nothing,
            short: "",
            words,
        }
    }

    /// Makes those criteria unjudged whose proof rests on what is doubtful.
    pub(super) fn void(&self, judged: &mut [Judged]) {
        for judged in judged.iter_mut().filter(|it| self.voids.proof_of(it)) {
            judged.met = None;
            self.short.clone_into(&mut judged.scope);
        }
    }
}

// === impl Voids ===

impl Voids {
    /// Whether that is all that was timed.
    pub(super) const fn timing(&self) -> bool {
        matches!(
            self,
            Self::Timing | Self::Order | Self::Observed | Self::Everything
        )
    }

    /// Whether the proof that `judged` is met, or is violated, rests on what is doubtful.
    fn proof_of(&self, judged: &Judged) -> bool {
        let Some(met) = judged.met else {
            return false;
        };
        let observation = judged.observation();
        match self {
            Self::Nothing => false,
            Self::Timing => observation.is_timed(),
            Self::Order => observation.is_of_order(),
            Self::Observed => observation.is_observed(),
            Self::Named(names) => names.contains(&judged.name),
            Self::Target => observation.is_of_target() && (met || !observation.violation_stands()),
            Self::TargetInPart => {
                let is_proof = observation.violation_stands() && judged.bound() == Bound::AtMost;
                observation.is_of_target() && (met || !is_proof)
            }
            Self::Everything => true,
        }
    }
}
