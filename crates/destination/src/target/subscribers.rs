//! Who asks a controller for what, from the metrics of its replicas. Names come in, and only numbers
//! leave.

use std::{collections::BTreeMap, time::Duration};

use dst_load_recording::recording::implausible_count;
use dst_load_scenario::derive::{Cached, Group, Observed, Remote};

use super::{
    exposition::{Sample, samples},
    is_controllers,
    page::{BEGUN, ENDED},
};

/// When a process started, seconds since the epoch: no two replicas did in the same hundredth.
const STARTED: &str = "process_start_time_seconds";
/// What only the page of a Prometheus has.
const PROMETHEUS: &str = "prometheus_build_info";
/// The label `cluster` of what is not another cluster's.
const LOCAL: &str = "local";

/// The largest count that is believed: sums of them stay exact.
const MOST: f64 = 1e12;

/// Why pages say nothing of subscribers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribersError {
    /// It is another program's page.
    #[error("{place}: no endpoints_subscribers: is this a destination controller's :9996/metrics?")]
    Foreign {
        /// Which page.
        place: String,
    },
    /// It is what a Prometheus says of itself.
    #[error(
        "{place}: this is a Prometheus server's own page; give the destination controller's, at port 9996"
    )]
    Prometheus {
        /// Which page.
        place: String,
    },
    /// A series has a value that it cannot have.
    #[error("{place}: a series has a value that it cannot have: {fault}")]
    Implausible {
        /// Which page.
        place: String,
        /// Which series, and its value.
        fault: String,
    },
    /// Two pages are of one replica, whose streams would count twice.
    #[error(
        "{first} and {second} are of the same replica, started at the same time; give each replica once"
    )]
    SameReplica {
        /// The page that came first.
        first: String,
        /// The other one.
        second: String,
    },
    /// A replica restarted between two scrapes.
    #[error("{place}: another process answers than at the first scrape; try again")]
    Restarted {
        /// Which page.
        place: String,
    },
}

/// What the page of one replica says.
#[derive(Clone, Debug, Default)]
pub struct SubscriberPage {
    place: String,
    started: Option<f64>,
    groups: BTreeMap<GroupKey, Counts>,
    cached: Cached,
    /// Calls that began less those that ended.
    get_streams: Option<f64>,
    profile_streams: Option<f64>,
    profile_subscribers: u64,
}

/// The labels of a filter group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    cluster: String,
    namespace: String,
    service: String,
    port: String,
    hostname: String,
    node: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    subscribers: u64,
    pods: u64,
    updates: u64,
}

// === impl SubscriberPage ===

impl SubscriberPage {
    /// Reads a page; `place` is what errors call it.
    ///
    /// # Errors
    /// If it is not a controller's, or a series has a value that it cannot have.
    pub fn read(place: &str, text: &str) -> Result<Self, SubscribersError> {
        let place = place.to_owned();
        let mut page = Self::default();
        let mut prometheus = false;
        for sample in samples(text) {
            prometheus |= sample.name == PROMETHEUS;
            if let Err(fault) = page.take(sample) {
                return Err(SubscribersError::Implausible { place, fault });
            }
        }
        // One that nobody asks has no such series.
        if page.groups.is_empty() && !is_controllers(text) {
            return Err(if prometheus {
                SubscribersError::Prometheus { place }
            } else {
                SubscribersError::Foreign { place }
            });
        }
        Ok(Self { place, ..page })
    }

    fn take(&mut self, sample: Sample<'_>) -> Result<(), String> {
        let whole = || {
            let number = sample.number()?;
            let much = || (number > MOST).then(|| format!("{} is {number}", sample.name));
            let fault = implausible_count(sample.name, number).or_else(much);
            fault.map_or(Ok(number as u64), Err)
        };
        match sample.name {
            "endpoints_subscribers" => self.group(sample).subscribers += whole()?,
            "endpoints_pods" => self.group(sample).pods += whole()?,
            "endpoints_updates" => self.group(sample).updates += whole()?,
            "profile_subscribers" => self.profile_subscribers += whole()?,
            "node_cache_size" if is_local(sample) => self.cached.nodes = Some(whole()?),
            "pod_cache_size" if is_local(sample) => self.cached.pods = Some(whole()?),
            "service_cache_size" if is_local(sample) => self.cached.services = Some(whole()?),
            STARTED => self.started = Some(sample.number()?),
            BEGUN | ENDED => {
                let streams = match sample.label("grpc_method") {
                    Some("Get") => &mut self.get_streams,
                    Some("GetProfile") => &mut self.profile_streams,
                    _ => return Ok(()),
                };
                let calls = whole()? as f64;
                let calls = if sample.name == ENDED { -calls } else { calls };
                *streams.get_or_insert(0.0) += calls;
            }
            _ => {}
        }
        Ok(())
    }

    fn group(&mut self, sample: Sample<'_>) -> &mut Counts {
        let label = |name| sample.label(name).unwrap_or_default().to_owned();
        let key = GroupKey {
            // Older controllers serve one cluster alone.
            cluster: sample.label("cluster").unwrap_or(LOCAL).to_owned(),
            namespace: label("namespace"),
            service: label("service"),
            port: label("port"),
            hostname: label("hostname"),
            node: label("nodename"),
        };
        self.groups.entry(key).or_default()
    }
}

/// Whether a series is of the controller's own cluster.
fn is_local(sample: Sample<'_>) -> bool {
    sample.label("cluster").is_none_or(|it| it == LOCAL)
}

/// What the pages of all replicas come to. With earlier pages, of the same replicas in the same order
/// and so long before, it has the events between the two.
///
/// # Errors
/// If two are of one replica, or one restarted in between.
pub fn observed(
    pages: &[SubscriberPage],
    earlier: Option<(&[SubscriberPage], Duration)>,
) -> Result<Observed, SubscribersError> {
    for (index, second) in pages.iter().enumerate() {
        // An address may lead to several replicas, one after the other.
        let same = |it: &&SubscriberPage| match (it.started, second.started) {
            (Some(first), Some(second)) => first == second,
            _ => it.place == second.place,
        };
        if let Some(first) = pages[..index].iter().find(same) {
            return Err(SubscribersError::SameReplica {
                first: first.place.clone(),
                second: second.place.clone(),
            });
        }
    }
    let (before, window) = earlier.unzip();
    let mut all = Observed {
        replicas: pages.len() as u64,
        window,
        ..Observed::default()
    };
    let mut numbers = Numbers::default();
    for (index, page) in pages.iter().enumerate() {
        let before = before.map(|it| &it[index]);
        if before.is_some_and(|it| it.started != page.started) {
            let place = page.place.clone();
            return Err(SubscribersError::Restarted { place });
        }
        for (key, counts) in page.groups.iter().filter(|(_, it)| it.subscribers > 0) {
            let earlier = before.map(|it| it.groups.get(key).copied().unwrap_or_default());
            if let Some(group) = numbers.group(key, *counts, earlier) {
                all.groups.push(group);
            } else {
                all.remote.streams += counts.subscribers;
            }
        }
        all.profile_subscribers += page.profile_subscribers;
        add(&mut all.get_streams, page.get_streams);
        add(&mut all.profile_streams, page.profile_streams);
        // Each replica has all of them.
        all.cached = Cached {
            nodes: all.cached.nodes.max(page.cached.nodes),
            pods: all.cached.pods.max(page.cached.pods),
            services: all.cached.services.max(page.cached.services),
        };
    }
    all.remote = Remote {
        services: numbers.remote.len() as u64,
        ..all.remote
    };
    Ok(all)
}

fn add(all: &mut Option<u64>, streams: Option<f64>) {
    if let Some(streams) = streams {
        *all.get_or_insert(0) += streams.max(0.0) as u64;
    }
}

/// A port of a Service, with its namespace.
type Port<'a> = (&'a str, &'a str, &'a str);

/// Numbers in place of names.
#[derive(Debug, Default)]
struct Numbers<'a> {
    services: BTreeMap<Port<'a>, usize>,
    nodes: BTreeMap<&'a str, usize>,
    remote: BTreeMap<(&'a str, Port<'a>), usize>,
}

// === impl Numbers ===

impl<'a> Numbers<'a> {
    /// The group of these labels; `None` if it is another cluster's.
    fn group(&mut self, key: &'a GroupKey, now: Counts, before: Option<Counts>) -> Option<Group> {
        let port = (&*key.namespace, &*key.service, &*key.port);
        if key.cluster != LOCAL {
            number(&mut self.remote, (&key.cluster, port));
            return None;
        }
        let events = before.map_or(0, |before| {
            // A group that was left and made again counts from 0, and so does a new one.
            now.updates
                .checked_sub(before.updates)
                .unwrap_or(now.updates)
        });
        Some(Group {
            service: number(&mut self.services, port),
            node: (!key.node.is_empty()).then(|| number(&mut self.nodes, &*key.node)),
            instance: !key.hostname.is_empty(),
            subscribers: now.subscribers,
            endpoints: now.pods,
            events,
        })
    }
}

/// The number of a name, which is a new one where it had none.
fn number<K: Ord>(numbers: &mut BTreeMap<K, usize>, name: K) -> usize {
    let next = numbers.len();
    *numbers.entry(name).or_insert(next)
}

#[cfg(test)]
mod tests;
