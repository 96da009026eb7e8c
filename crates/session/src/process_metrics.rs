//! What this process uses, under the names that Prometheus' own clients give it.

use std::fmt;

use procfs::{WithCurrentSystemInfo, process::Process};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Registry};

use crate::families::Families;

/// Reads `/proc` at each scrape. Where there is none it tells nothing.
#[derive(Debug)]
struct ProcessMetrics;

/// Registers the families under the prefix `process`.
pub fn register(registry: &mut Registry) {
    registry
        .sub_registry_with_prefix("process")
        .register_collector(Box::new(ProcessMetrics));
}

// === impl ProcessMetrics ===

impl Collector for ProcessMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let process = Process::myself().ok();
        let Some((stat, process)) = process.and_then(|it| Some((it.stat().ok()?, it))) else {
            return Ok(());
        };
        let mut families = Families(encoder);
        let ticks = procfs::ticks_per_second() as f64;
        let cpu = (stat.utime + stat.stime) as f64 / ticks;
        families.counter("cpu_seconds", "CPU used, user and system", cpu)?;
        let limit = process.limits().ok().map(|it| it.max_open_files.soft_limit);
        let limit = limit.and_then(|limit| match limit {
            procfs::process::LimitValue::Value(limit) => Some(limit as f64),
            procfs::process::LimitValue::Unlimited => None,
        });
        let files = process.fd_count().ok().map(|count| count as f64);
        let start = procfs::boot_time_secs().ok();
        let start = start.map(|boot| boot as f64 + stat.starttime as f64 / ticks);
        let resident = Some(stat.rss_bytes().get() as f64);
        for (name, what, value) in [
            ("resident_memory_bytes", "Resident memory", resident),
            ("open_fds", "Open file descriptors", files),
            ("max_fds", "File descriptors that may be open", limit),
            (
                "start_time_seconds",
                "When the process started, since the epoch",
                start,
            ),
        ] {
            if let Some(value) = value {
                families.gauge(name, what, value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_of_in_prometheus_own_words() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
        let value = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<f64>().ok())
        };
        assert!(
            value("process_cpu_seconds_total ").is_some_and(|it| it >= 0.0),
            "{page}"
        );
        assert!(value("process_resident_memory_bytes ").is_some_and(|it| it > 1e6));
        assert!(value("process_open_fds ") <= value("process_max_fds "));
        // Within the life of this code.
        assert!(value("process_start_time_seconds ").is_some_and(|it| it > 1.7e9));
    }
}
