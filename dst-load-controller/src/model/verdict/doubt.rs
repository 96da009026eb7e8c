//! What is doubtful about a run, and which proofs rest on it.

use super::Judged;

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
    Named(Vec<String>),
    /// Those that were read from the target's metrics. A maximum that was seen above its limit
    /// stays violated: what was not seen could only be more.
    Target,
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
            judged.held = None;
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
        let Some(held) = judged.held else {
            return false;
        };
        match self {
            Self::Nothing => false,
            Self::Timing => judged.is_timed(),
            Self::Order => judged.is_of_order(),
            Self::Observed => judged.is_of_order() || judged.name == "correctness",
            Self::Named(names) => names.contains(&judged.name),
            Self::Target => judged.is_of_target() && (held || !judged.is_maximum()),
            Self::Everything => true,
        }
    }
}

// === impl Judged ===

impl Judged {
    /// Whether it is of the target's metrics.
    pub(super) fn is_of_target(&self) -> bool {
        self.name.starts_with("target.") || self.name == "sendTimeoutRate"
    }

    /// Whether it is judged by when updates arrive.
    pub(super) fn is_timed(&self) -> bool {
        self.is_latency() || self.name == "throughputMin"
    }

    /// Whether it rests on the order of events.
    fn is_of_order(&self) -> bool {
        self.is_timed() || ["never", "redundant", "premature"].contains(&self.name.as_str())
    }

    /// Whether it is a latency.
    pub(super) fn is_latency(&self) -> bool {
        let group = self.name.split([' ', '.']).next();
        group.is_some_and(|group| {
            ["updateLatency", "everyClientWithin", "endToEnd"].contains(&group)
        })
    }

    /// Whether seeing more could only have made its value larger.
    fn is_maximum(&self) -> bool {
        !matches!(
            self.key(),
            // These compare two lows, either of which may have been missed.
            "target.memorySpike" | "target.memoryGrowthPerCycle" | "target.memoryGrowthPerHour"
        )
    }
}
