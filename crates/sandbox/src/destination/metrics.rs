//! What the reference destination says of itself, under Linkerd's names and in Prometheus' text
//! format, written from its state at each scrape.
//!
//! It is written by hand because Linkerd's counters have no `_total` suffix, which an OpenMetrics
//! encoder would add.

use std::{
    fmt::{Display, Write as _},
    sync::atomic::Ordering,
};

use strum::IntoEnumIterator as _;

use super::{
    Shared,
    directory::Directory,
    hub::{Hub, Method},
};

/// All families.
pub(super) fn encode(shared: &Shared) -> String {
    let mut text = Text::default();
    text.family(
        "dst_load_reference_info",
        "gauge",
        "Says that this is not Linkerd.",
    );
    {
        let hub = shared.hub.lock();
        let says = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("ipv6", if hub.config.ipv6 { "true" } else { "false" }),
        ];
        text.sample("dst_load_reference_info", &says, 1);
        groups(&mut text, &hub);
        sizes(&mut text, &hub);
        calls(&mut text, &hub, shared);
    }
    if let Err(error) = process(&mut text) {
        tracing::debug!(%error, "process is not readable");
    }
    text.0
}

fn groups(text: &mut Text, hub: &Hub) {
    let mut family = |name: &str, kind, help, value: &dyn Fn(&super::publisher::Group) -> u64| {
        text.family(name, kind, help);
        for (service, port, key, group) in hub.directory.groups() {
            let port = port.to_string();
            let labels = [
                ("cluster", "local"),
                ("namespace", &*service.namespace),
                ("service", &*service.name),
                ("port", &*port),
                ("hostname", key.hostname.as_deref().unwrap_or("")),
                ("nodename", &*key.node),
            ];
            text.sample(name, &labels, value(group));
        }
    };
    family(
        "endpoints_subscribers",
        "gauge",
        "Streams of a filter group.",
        &|group| group.listeners as u64,
    );
    family(
        "endpoints_updates",
        "counter",
        "Events a filter group looked at.",
        &|group| group.updates,
    );
    family(
        "endpoints_pods",
        "gauge",
        "Addresses after the last event.",
        &|group| group.pods as u64,
    );
    family(
        "endpoints_exists",
        "gauge",
        "Whether there were slices at the last event.",
        &|group| group.exists.into(),
    );
    let name = "endpoint_updates_queue_overflow";
    text.family(name, "counter", "Updates that found a full queue, by path.");
    for (path, times) in &hub.overflows {
        text.sample(name, &[("service", &**path)], times);
    }
}

fn sizes(text: &mut Text, hub: &Hub) {
    let mut family = |name: &str, size: fn(&Directory) -> usize| {
        text.family(name, "gauge", "Objects that are known.");
        for (cluster, directory) in hub.directories() {
            text.sample(name, &[("cluster", cluster)], size(directory));
        }
    };
    family("endpointslices_cache_size", |it| it.slices.len());
    family("node_cache_size", |it| it.nodes.len());
    family("pod_cache_size", |it| it.pods.len());
    family("service_cache_size", |it| it.services.len());
}

fn calls(text: &mut Text, hub: &Hub, shared: &Shared) {
    let started = |method| hub.calls.get(&method).map_or(0, |calls| calls.started);
    let sent = |method| shared.sent(method).load(Ordering::Relaxed);
    let values: [(_, _, &dyn Fn(Method) -> u64); 2] = [
        ("grpc_server_started_total", "Calls begun.", &started),
        ("grpc_server_msg_sent_total", "Updates sent.", &sent),
    ];
    for (name, help, value) in values {
        text.family(name, "counter", help);
        for method in Method::iter() {
            text.sample(name, &labels(method), value(method));
        }
    }
    let name = "grpc_server_handled_total";
    text.family(
        name,
        "counter",
        "Calls ended; cancelled and overflowed ones are OK.",
    );
    for (&method, calls) in &hub.calls {
        for (code, times) in &calls.handled {
            let [method, service, kind] = labels(method);
            // Spelled as Go's status codes are.
            let code = if code == "Ok" { "OK" } else { &**code };
            text.sample(name, &[("grpc_code", code), method, service, kind], times);
        }
    }
}

fn labels(method: Method) -> [(&'static str, &'static str); 3] {
    [
        ("grpc_method", method.into()),
        ("grpc_service", "io.linkerd.proxy.destination.Destination"),
        ("grpc_type", "server_stream"),
    ]
}

/// Read at a scrape and at no other time.
fn process(text: &mut Text) -> procfs::ProcResult<()> {
    let stat = procfs::process::Process::myself()?.stat()?;
    let ticks = procfs::ticks_per_second() as f64;
    let cpu = (stat.utime + stat.stime) as f64 / ticks;
    let open = procfs::process::Process::myself()?.fd_count()? as f64;
    let start = procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks;
    for (name, kind, help, value) in [
        ("process_cpu_seconds_total", "counter", "CPU time.", cpu),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory.",
            (stat.rss * procfs::page_size()) as f64,
        ),
        ("process_open_fds", "gauge", "Open file descriptors.", open),
        (
            "process_start_time_seconds",
            "gauge",
            "Start, since the Unix epoch.",
            start,
        ),
    ] {
        text.family(name, kind, help);
        text.sample(name, &[], value);
    }
    Ok(())
}

/// Prometheus' text format.
#[derive(Default)]
struct Text(String);

// === impl Text ===

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            self.write(format_args!("{open}{label}=\"{value}\""));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.write(format_args!("{close} {value}\n"));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        (self.0.write_fmt(text)).expect("invariant: a String takes every write");
    }
}
