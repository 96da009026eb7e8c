//! The words about the streams that a proxy holds beside its `Get` streams.

use dst_load_recording::{
    recording::{HeldKind, KindCounts},
    statistics::{HeldStreams, PolicyController, Summary},
};
use dst_load_scenario::{
    criteria::Unit,
    words::{bytes, count, counted, seconds},
};

use super::{Report, clauses::Clauses, prose::Fact};

/// The policy API's methods, and the kinds of streams that call them.
const POLICY_METHODS: [(HeldKind, &str); 2] = [
    (
        HeldKind::Outbound,
        "io.linkerd.proxy.outbound.OutboundPolicies/Watch",
    ),
    (
        HeldKind::Inbound,
        "io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort",
    ),
];

/// Methods whose streams a real proxy holds, and of which this run held none.
pub(super) fn not_opened(summary: &Summary) -> Vec<String> {
    let profiles = "io.linkerd.proxy.destination.Destination/GetProfile";
    let profiles = summary.profiles.is_none().then_some(profiles);
    let policies = summary.policies.as_ref();
    let held = |kind| policies.is_some_and(|it| it.holds(kind));
    let policies = POLICY_METHODS.iter().filter(|(kind, _)| !held(*kind));
    let policies = policies.map(|(_, method)| *method);
    profiles
        .into_iter()
        .chain(policies)
        .map(str::to_owned)
        .collect()
}

/// What they say, for a reader; nothing if there are none.
pub(super) fn not_opened_in_words(report: &Report) -> Option<Fact> {
    let names = report.streams_not_opened.iter();
    let names: Vec<_> = names
        .map(|name| name.rsplit('.').next().unwrap_or(name))
        .collect();
    let measured = if report.profiles.is_some() {
        "Destination/Get measured here and of Destination/GetProfile"
    } else {
        "Destination/Get measured here"
    };
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        let said =
            format!("{names}: a real proxy holds such streams too, beside those of {measured}");
        ("Not opened", said)
    })
}

/// What the streams did that were held, one labelled sentence for each API.
pub(super) fn facts(report: &Report) -> Vec<Fact> {
    let profiles = report.profiles.as_ref();
    let policies = report.policies.as_ref();
    let profiles = profiles.map(|it| ("Profiles", sentence("GetProfile streams", it)));
    let policies = policies.map(|it| ("Policies", sentence("streams of the policy API", it)));
    let controller = report.policy_controller.as_ref();
    let controller = controller.map(|it| ("Policy controller", cost(it)));
    profiles
        .into_iter()
        .chain(policies)
        .chain(controller)
        .collect()
}

/// What the policy controller used.
#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn cost(used: &PolicyController) -> String {
    let mut said = Clauses::default();
    said.value(used.cpu_seconds, |cpu| format!("{} of CPU", seconds(cpu)));
    said.value(used.cpu_max_cores, |most| {
        let most = Unit::Cores.words(most);
        format!("at most {most} between two samples")
    });
    said.value(used.peak_rss_bytes, |peak| {
        format!("at most {} of memory", bytes(peak as f64))
    });
    said.count(used.restarts, "restarts");
    said.value(used.silent_reason.as_ref(), |reason| {
        let failed = counted(used.silent, "scrape", "scrapes");
        format!("{failed} failed, the last with: {reason}")
    });
    said.any()
        .unwrap_or_else(|| "its metrics do not say".to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn sentence(streams: &str, held: &HeldStreams) -> String {
    let mut said = Clauses::of(format!(
        "{} of {} {streams} opened{}",
        count(held.opened),
        count(held.requested),
        kinds(held),
    ));
    let received = counted(held.messages, "message", "messages");
    let size: u64 = held.kinds.values().map(|it| it.bytes).sum();
    said.say(match size {
        0 => received,
        size => format!("{received} of {} in all", bytes(size as f64)),
    });
    let closed = count(held.unexpected_resets);
    said.say(format!("{closed} unexpectedly closed"));
    said.named("errors", &held.errors);
    said.count(held.reopened, "reopened");
    let (attempt, attempts) = ("attempt to connect", "attempts to connect");
    said.counted(held.connection_errors, attempt, attempts, "failed");
    for (kind, method) in POLICY_METHODS {
        if held
            .kinds
            .get(&kind)
            .is_some_and(KindCounts::is_unimplemented)
        {
            let method = method.rsplit('.').next().unwrap_or(method);
            said.say(format!("the controller does not implement {method}"));
        }
    }
    said.joined()
}

/// How many were opened of each kind.
fn kinds(held: &HeldStreams) -> String {
    let kinds = held.kinds.iter();
    let kinds: Vec<_> = kinds
        .map(|(kind, counts)| format!("{} {}", count(counts.opened), about(*kind)))
        .collect();
    if kinds.is_empty() {
        return String::new();
    }
    format!(" ({})", kinds.join(", "))
}

const fn about(kind: HeldKind) -> &'static str {
    match kind {
        HeldKind::Service => "by ClusterIP",
        HeldKind::Endpoint => "by endpoint address",
        HeldKind::Name => "by name",
        HeldKind::Outbound => "outbound",
        HeldKind::Inbound => "inbound",
    }
}
