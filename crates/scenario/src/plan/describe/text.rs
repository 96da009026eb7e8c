//! The description in words, for a terminal.

use std::fmt::{self, Write};

use super::{Clients, Description, Group, Limit, Line, Objects, Updates};
use crate::{
    action::Verb,
    quantity::Span,
    scenario::{Jitter, Pattern},
};

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (seed {})", self.name, self.seed)?;
        writeln!(f, "\nServices")?;
        for group in &self.groups {
            let Group {
                first,
                last,
                services,
                pattern,
            } = group;
            let names = if services == &1 {
                first.clone()
            } else {
                format!("{first} … {last}")
            };
            writeln!(f, "  {names}: {pattern}")?;
        }
        writeln!(f, "  {}", self.objects)?;

        let Clients {
            connections,
            streams_per_service,
            streams,
            profile_streams,
        } = self.clients;
        writeln!(f, "\nStreams")?;
        writeln!(
            f,
            "  {} on {} connections, {} a Service",
            grouped(streams),
            grouped(connections),
            grouped(streams_per_service)
        )?;
        if profile_streams > 0 {
            writeln!(
                f,
                "  {} of GetProfile beside them, at most",
                grouped(profile_streams)
            )?;
        }

        writeln!(f, "\nUpdates expected")?;
        writeln!(f, "  on opening:         {}", self.on_opening)?;
        if let Some(cycle) = &self.per_cycle {
            writeln!(f, "  a cycle, additions: {}", cycle.additions)?;
            writeln!(f, "  a cycle, removals:  {}", cycle.removals)?;
        }

        writeln!(f, "\nTimeline, from the start of churn")?;
        for line in &self.timeline {
            writeln!(f, "  {line}")?;
        }
        if self.timeline_continues {
            writeln!(f, "  …")?;
        }
        match self.ends_after_seconds {
            Some(seconds) => writeln!(f, "  {seconds:>10.3} s  the run ends")?,
            None => writeln!(f, "  runs until stopped")?,
        }

        writeln!(f, "\nJudged")?;
        for criterion in &self.criteria {
            let Limit { name, limit, .. } = criterion;
            let optional = if criterion.optional { ", optional" } else { "" };
            writeln!(f, "  {name}: {} {limit}{optional}", name.bound().words())?;
        }
        writeln!(
            f,
            "  correctness: no endpoint missing, stale or unexpected at the end"
        )?;
        writeln!(
            f,
            "  an update counts as never arrived after {} s",
            self.deadline_seconds
        )
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Services, ", grouped(self.services))?;
        if self.deployments > 0 {
            write!(f, "{} Deployments, ", grouped(self.deployments))?;
        }
        write!(
            f,
            "{} endpoints at the start, {} at the most",
            grouped(self.endpoints_at_start),
            grouped(self.endpoints_at_most)
        )?;
        let slices = grouped(self.own_slices);
        match (self.own_slices, self.own_pods) {
            (0, _) => Ok(()),
            (_, 0) => write!(f, " in {slices} EndpointSlices that this tool writes"),
            (_, pods) => write!(
                f,
                " with {} Pods in {slices} EndpointSlices, both written by this tool",
                grouped(pods)
            ),
        }
    }
}

impl fmt::Display for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} deliveries ({} endpoints), in at least {} messages",
            grouped(self.deliveries),
            grouped(self.endpoints),
            grouped(self.messages_at_least)
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} s  ", self.from_seconds)?;
        if self.cycle > 0 {
            write!(f, "cycle {}: ", self.cycle)?;
        }
        let services = if self.services == 1 {
            "1 Service".to_owned()
        } else {
            format!("{} Services", grouped(self.services))
        };
        match self.verb {
            Verb::Create { endpoints } => write!(f, "create {services} of {endpoints} endpoints")?,
            Verb::Scale { from, to } => {
                write!(f, "scale {services} from {from} to {to} endpoints")?
            }
            Verb::Restart { endpoints } => {
                write!(f, "replace all {endpoints} endpoints of {services}")?
            }
            Verb::Provoke { case, .. } => {
                write!(f, "{services}: {}", case.action())?;
            }
        }
        if self.to_seconds > self.from_seconds {
            write!(f, ", the last at {:.3} s", self.to_seconds)?;
        }
        Ok(())
    }
}

/// What the Services of a group do.
pub(super) fn pattern(pattern: &Pattern) -> String {
    let wait = |jitter: &Jitter| match *jitter {
        Jitter::UpTo(bound) if bound.is_zero() => String::new(),
        Jitter::UpTo(bound) => format!(", each up to {} late", Span(bound)),
        Jitter::PercentOfHold(percent) => format!(", each up to {percent}% of the hold late"),
    };
    match pattern {
        Pattern::Stable { endpoints } => format!("{endpoints} endpoints each, stable"),
        Pattern::Oscillate {
            min,
            max,
            min_hold,
            max_hold,
            jitter,
        } => format!(
            "{min} endpoints each for {}, {max} for {}, and again{}",
            Span(*min_hold),
            Span(*max_hold),
            wait(jitter)
        ),
        Pattern::Spike {
            base,
            peak,
            hold,
            rest,
            jitter,
        } => format!(
            "{base} endpoints each for {}, a spike to {peak} for {}, and again{}",
            Span(*rest),
            Span(*hold),
            wait(jitter)
        ),
        Pattern::Batch {
            min,
            max,
            size,
            interval,
            min_hold,
            max_hold,
        } => format!(
            "{min} endpoints each for {}, {max} for {}, and again, {size} Services every {}",
            Span(*min_hold),
            Span(*max_hold),
            Span(*interval)
        ),
        Pattern::ScaleUp { from, to, over } => {
            format!("from {from} to {to} endpoints each over {}", Span(*over))
        }
        Pattern::RollingUpdate {
            endpoints,
            every,
            max_surge,
            max_unavailable,
        } => format!(
            "{endpoints} endpoints each, all replaced every {}, {max_surge} above and {max_unavailable} below at a time",
            Span(*every)
        ),
        Pattern::Provoke {
            case,
            endpoints,
            every,
        } => format!(
            "{endpoints} endpoints each; every {} {}",
            Span(*every),
            case.action()
        ),
    }
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        // Writing to a String cannot fail.
        let _ = text.write_char(digit);
    }
    text
}
