//! A derived scenario as a file: its keys, and in comments what was measured and what was estimated.

use std::fmt;

use super::{Derived, ENDPOINTS, Rates, Spread, scaled};
use crate::{
    quantity::Span,
    targets::Popularity,
    words::{count, counted, number, span},
};

/// The key of the clients' targets, in its place in the file.
const TARGETS: &str = "  targets:";

/// Before the keys of a section.
const INDENT: &str = "  ";

impl fmt::Display for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# A scenario of the shape of what a live destination controller serves: numbers, and no names.\n\
             # Written by `dst-load-controller scenario from-metrics`; try it with `plan`, then `run`.\n",
        )?;
        self.measured(f)?;
        f.write_str("\nscenario:\n  name: from-metrics\n  seed: 1\n")?;
        self.churn(f)?;
        self.client(f)?;
        if let Some(nodes) = self.scaled_nodes() {
            f.write_str("\n# Of the embedded sandbox only. Zones are not in the metrics: they are the default's.\n")?;
            writeln!(f, "sandbox:\n{INDENT}nodes: {nodes}")?;
        }
        f.write_str(
            "\n# What clients have at the end, and that each update is delivered, is always judged. Latency and\n\
             # cost are judged by the limits that you add, such as:\n\
             # criteria:\n\
             #   updateLatency: {p99: 1s}\n",
        )
    }
}

impl Derived {
    fn measured(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observed = &self.observed;
        let replicas = counted(observed.replicas, "replica", "replicas");
        writeln!(f, "#\n# Measured, over {replicas}:")?;
        let mut line = |label: &str, text: String| writeln!(f, "#   {label:<23}{text}");
        let asked = count(self.asked);
        line(
            "Services asked for",
            format!("{asked}, counted by namespace, name and port"),
        )?;
        line(
            "streams",
            format!("{}; a Service: {}", count(self.streams), self.subscribers),
        )?;
        if let Some(get) = observed.get_streams {
            line("open Get calls", count(get))?;
        }
        if let Some(profiles) = observed.profile_streams {
            line("open GetProfile calls", count(profiles))?;
        }
        line(
            "clients' Nodes",
            match observed.cached.nodes {
                Some(cached) => format!("{} of {}", count(self.nodes), count(cached)),
                None => count(self.nodes),
            },
        )?;
        let unknown = match self.unsized_services {
            0 => String::new(),
            some => format!(
                "{}unknown of {}, which had no event yet",
                if self.sizes.is_some() { "; " } else { "" },
                counted(some, "Service", "Services")
            ),
        };
        let sizes = self.sizes.map(|it| it.to_string()).unwrap_or_default();
        line("endpoints a Service", format!("{sizes}{unknown}"))?;
        if let Some(rates) = &self.rates {
            line("endpoint events", rates.to_string())?;
        }
        if observed.remote.streams > 0 {
            let services = counted(observed.remote.services, "Service", "Services");
            let streams = counted(observed.remote.streams, "stream", "streams");
            line(
                "of other clusters",
                format!("{services}, {streams}; not in this scenario"),
            )?;
        }
        Ok(())
    }

    fn churn(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\nchurn:\n")?;
        let (services, endpoints) = (self.services(), self.endpoints());
        let fewer = if services < self.asked {
            "  # as many as a namespace can have"
        } else {
            ""
        };
        writeln!(f, "{INDENT}services: {services}{fewer}")?;
        let basis = match (self.sizes, self.observed.cached.pods) {
            (Some(_), _) => "the mean of the Services of which it is known".to_owned(),
            (None, Some(_)) => "estimated: the controller's pods by its Services".to_owned(),
            (None, None) => format!("unknown: {ENDPOINTS} is a guess"),
        };
        writeln!(f, "{INDENT}# Endpoints: {basis}.")?;
        let Some((size, interval)) = self.batches() else {
            f.write_str(
                "  # No endpoints changed. Measure for longer (--for), or choose a pattern.\n",
            )?;
            writeln!(f, "{INDENT}pattern: stable\n{INDENT}endpoints: {endpoints}")?;
            return f.write_str("  duration: 10m\n");
        };
        f.write_str(match self.rates {
            Some(_) => {
                "  # The measured rate of events, each taken for one endpoint of one Service; how many endpoints\n  \
                 # an event changed is not in the metrics.\n"
            }
            None => {
                "  # A guess: one endpoint a second. With --for, the rate of changes is measured.\n"
            }
        })?;
        let interval = Span(interval);
        writeln!(
            f,
            "  pattern: batch\n  minEndpoints: {endpoints}\n  maxEndpoints: {}\n  minHold: {interval}\n  \
             maxHold: {interval}\n  batchSize: {size}\n  batchInterval: {interval}\n  duration: 10m",
            endpoints + 1
        )
    }

    fn client(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (clients, targets) = (self.scaled_clients(), self.targets());
        f.write_str("\nclient:\n")?;
        match self.wanted.clients {
            Some(given) if given == self.clients => {
                writeln!(f, "{INDENT}# As given with --clients.")?;
            }
            Some(given) => writeln!(
                f,
                "  # {} as given with --clients, but each asks for a whole number of Services: {} have as\n  \
                 # many streams.",
                count(given),
                count(self.clients)
            )?,
            None => writeln!(
                f,
                "  # Estimated: the metrics count streams and no proxies. There are {} at least: on each Node as\n  \
                 # many as the Service with the most streams has there. With --clients it is known.",
                count(self.least_clients)
            )?,
        }
        if self.wanted.scale != 1.0 {
            let (scale, clients) = (number(self.wanted.scale), count(self.clients));
            writeln!(f, "{INDENT}# --scale {scale} of {clients}.")?;
        }
        let fewer = if scaled(self.clients, self.wanted.scale) > clients {
            "  # as many as a run can have"
        } else {
            ""
        };
        writeln!(f, "{INDENT}clients: {clients}{fewer}")?;
        let streams = counted(clients.saturating_mul(targets), "stream", "streams");
        writeln!(
            f,
            "{INDENT}# Services that each client asks for: {streams} in all."
        )?;
        f.write_str(&targets_key(targets, self.services(), self.popularity))?;
        if self.has_profiles() {
            f.write_str("  # GetProfile streams are open, as proxies hold them.\n  lifecycle: proxy\n  profiles: true\n")?;
        }
        Ok(())
    }
}

/// The key `client.targets`; none where each client asks for all Services.
fn targets_key(targets: u64, services: u64, popularity: Popularity) -> String {
    if targets >= services {
        return String::new();
    }
    let distribution = match popularity {
        Popularity::Uniform => "uniform\n".to_owned(),
        Popularity::Zipf { exponent } => format!("zipf\n    exponent: {exponent}\n"),
    };
    format!("{TARGETS}\n    count: {targets}\n    distribution: {distribution}")
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            median, p90, most, ..
        } = *self;
        write!(
            f,
            "mean {}, p50 {}, p90 {}, max {}",
            number(self.mean),
            count(median),
            count(p90),
            count(most)
        )
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in {} ({} a second) of {}; {} updates of streams a second",
            count(self.events),
            span(self.window.as_secs_f64()),
            number(self.events_a_second()),
            counted(self.services, "Service", "Services"),
            number(self.updates_a_second())
        )
    }
}
