//! The description in words, for a terminal.

use std::fmt;

use super::{Clients, Description, Group, Limit, Line, Objects, Updates};
use crate::{
    action::Verb,
    words::{count, counted},
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
            targets,
            services,
            streams_per_service,
            streams_per_service_min,
            services_unwatched,
            streams,
            profile_streams,
            policy_streams,
            stalled_streams,
        } = self.clients;
        writeln!(f, "\nStreams")?;
        write!(
            f,
            "  {} on {}",
            count(streams),
            counted(connections, "connection", "connections")
        )?;
        let most = count(streams_per_service);
        match targets {
            None => writeln!(f, ", {most} a Service")?,
            Some(targets) => writeln!(
                f,
                "; each client asks for {}, {} to {most} streams a Service",
                targets.among(services),
                count(streams_per_service_min),
            )?,
        }
        if services_unwatched > 0 {
            let services = counted(services_unwatched, "Service", "Services");
            writeln!(f, "  {services} that no client asks for")?;
        }
        for (streams, of) in [
            (profile_streams, "GetProfile"),
            (policy_streams, "the policy API"),
        ] {
            if streams > 0 {
                writeln!(f, "  in addition, at most {} of {of}", count(streams))?;
            }
        }
        if stalled_streams > 0 {
            writeln!(
                f,
                "  in addition, {} that nobody reads",
                count(stalled_streams)
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
        write!(f, "{} Services, ", count(self.services))?;
        if self.deployments > 0 {
            write!(f, "{} Deployments, ", count(self.deployments))?;
        }
        write!(
            f,
            "{} endpoints at the start, {} at the most",
            count(self.endpoints_at_start),
            count(self.endpoints_at_most)
        )?;
        let slices = count(self.own_slices);
        match (self.own_slices, self.own_pods) {
            (0, _) => Ok(()),
            (_, 0) => write!(f, " in {slices} EndpointSlices that this tool writes"),
            (_, pods) => write!(
                f,
                " with {} Pods in {slices} EndpointSlices, both written by this tool",
                count(pods)
            ),
        }
    }
}

impl fmt::Display for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} deliveries ({} endpoints), in at least {} messages",
            count(self.deliveries),
            count(self.endpoints),
            count(self.messages_at_least)
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
            format!("{} Services", count(self.services))
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
