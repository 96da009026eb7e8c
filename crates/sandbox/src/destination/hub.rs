//! Brings what the directories say to the streams that listen: one list of streams for each filter
//! group, one encoding for each difference.

mod profiles;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dst_load_scenario::fault::FaultKind;
use strum::{EnumCount, EnumIter, EnumString, IntoEnumIterator as _, IntoStaticStr};
use tokio::time::Instant;
use tonic::{Code, Status};

use self::profiles::Profiles;
use super::{
    Config,
    authority::{Authority, ContextToken},
    directory::Directory,
    encode::Diff,
    faults::{Faults, Step, Victim},
    objects::ObjectName,
    publisher::{Change, GroupId, GroupKey},
    queue::Queue,
};

/// The bits of a group's number that say in which cluster it is: 0 for this one, else the position
/// among the linked ones, from 1.
const PLACE: u32 = 48;

/// The directories and all streams.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) directory: Directory,
    /// Other clusters that are linked, by name.
    linked: BTreeMap<String, Directory>,
    streams: BTreeMap<GroupId, BTreeMap<u64, Stream>>,
    profiles: Profiles,
    faults: Faults,
    started: Instant,
    pub(crate) config: Config,
    next: u64,
    /// How many streams each (path, token) has had; kept only where faults are drawn by it.
    openings: BTreeMap<(String, String), u64>,
    /// Queue overflows by path. A path stays once it was asked for.
    pub(crate) overflows: BTreeMap<String, u64>,
    /// Calls, by method.
    pub(crate) calls: BTreeMap<Method, Calls>,
    closed: bool,
}

#[derive(Debug)]
struct Stream {
    queue: Arc<Queue>,
    path: Arc<str>,
    /// Only where there are faults.
    victim: Option<Victim>,
}

/// A method that is served, as the service definition calls it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    EnumCount,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
pub(crate) enum Method {
    Get,
    GetProfile,
}

/// What calls of one method came to.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) started: u64,
    /// Those that ended, by code.
    pub(crate) handled: BTreeMap<String, u64>,
}

/// A stream's place in the hub.
#[derive(Debug)]
pub(crate) struct StreamSlot {
    /// One for each Service whose endpoints the stream has: several where it is federated, none of
    /// a profile.
    pub(crate) groups: Vec<GroupId>,
    pub(crate) number: u64,
    pub(crate) queue: Arc<Queue>,
}

// === impl Hub ===

impl Hub {
    pub(crate) fn new(config: Config, linked: impl IntoIterator<Item = String>) -> Self {
        let directory = |place: u64| {
            let faults = Faults::of_directory(config.seed, &config.faults);
            let mut directory = Directory::new(faults);
            (directory.ipv6, directory.next) = (config.ipv6, place << PLACE);
            directory
        };
        let linked = (1..)
            .zip(linked)
            .map(|(place, cluster)| (cluster, directory(place)));
        Self {
            directory: directory(0),
            linked: linked.collect(),
            streams: BTreeMap::new(),
            profiles: Profiles::default(),
            faults: Faults::of_streams(config.seed, &config.faults),
            started: Instant::now(),
            next: 0,
            openings: BTreeMap::new(),
            overflows: BTreeMap::new(),
            calls: Method::iter().map(|it| (it, Calls::default())).collect(),
            closed: false,
            config,
        }
    }

    /// Lets `event` happen in the directory of a linked cluster, or of this one, and tells the
    /// streams; true if there was news.
    pub(crate) fn update(
        &mut self,
        cluster: Option<&str>,
        event: impl FnOnce(&mut Directory) -> Vec<Change>,
    ) -> bool {
        self.tick();
        let directory = match cluster {
            None => Some(&mut self.directory),
            Some(cluster) => self.linked.get_mut(cluster),
        };
        let changes = directory.map(event).unwrap_or_default();
        for change in &changes {
            self.tell(change);
        }
        self.tell_profiles();
        !changes.is_empty()
    }

    /// Opens a stream, with its snapshot in the queue if there is one.
    pub(crate) fn open(&mut self, path: &str, token: &str) -> Result<StreamSlot, Status> {
        self.tick();
        let authority = Authority::parse(path, &self.config.cluster_domain)?;
        let members = authority.members(self.directory.services.get(&authority.service), path)?;
        let client = ContextToken::parse(token);
        self.overflows.entry(path.to_owned()).or_default();
        let mut slot = self.slot();
        for (service, cluster) in members {
            let joined = self.join(&service, cluster.as_deref(), &authority, &client.node_name);
            let (group, snapshot) = match joined {
                Ok(joined) => joined,
                Err(refusal) => {
                    self.close(&slot);
                    return Err(refusal);
                }
            };
            slot.groups.push(group);
            let mut stream = Stream {
                queue: slot.queue.clone(),
                path: path.into(),
                victim: self.victim(path, token, &authority),
            };
            if let Some(snapshot) = snapshot {
                let steps = match &mut stream.victim {
                    Some(victim) => self.faults.snapshot(victim, &snapshot),
                    None => plain(&snapshot.frames().add),
                };
                for step in steps {
                    stream.take(step, &mut self.overflows);
                }
            }
            (self.streams.entry(group).or_default()).insert(slot.number, stream);
        }
        Ok(slot)
    }

    /// A place for one more stream, which ends at once where the destination does.
    fn slot(&mut self) -> StreamSlot {
        let queue = Arc::new(Queue::new(self.config.queue_capacity));
        if self.closed {
            queue.end(Status::ok(""));
        }
        self.next += 1;
        StreamSlot {
            groups: Vec::new(),
            number: self.next,
            queue,
        }
    }

    /// Adds a listener in the cluster that has the Service.
    fn join(
        &mut self,
        service: &ObjectName,
        cluster: Option<&str>,
        authority: &Authority,
        node: &str,
    ) -> Result<(GroupId, Option<Arc<Diff>>), Status> {
        let key = GroupKey {
            hostname: authority.hostname.clone(),
            // No filtering by place in another cluster, for the client has none over there.
            node: cluster.map_or(node, |_| "").to_owned(),
        };
        let Some(cluster) = cluster else {
            return (self.directory.subscribe(service, authority.port, key))
                .ok_or_else(|| Status::internal("service left its cache"));
        };
        let directory = (self.linked.get_mut(cluster))
            .ok_or_else(|| Status::not_found(format!("Remote cluster not found: {cluster}")))?;
        // Linkerd would wait in silence for a Service that it has not seen yet over there. A
        // refusal that is tried again comes to the same, and cannot be missed.
        (directory.subscribe(service, authority.port, key)).ok_or_else(|| {
            let ObjectName { namespace, name } = service;
            Status::not_found(format!("Service {name}.{namespace} not found in {cluster}"))
        })
    }

    /// Forgets a stream.
    pub(crate) fn close(&mut self, slot: &StreamSlot) {
        self.profiles.remove(slot.number);
        for &group in &slot.groups {
            if let Some(streams) = self.streams.get_mut(&group) {
                streams.remove(&slot.number);
                if streams.is_empty() {
                    self.streams.remove(&group);
                }
            }
            let linked = (group.0 >> PLACE).checked_sub(1);
            let directory = match linked.map(usize::try_from) {
                None => Some(&mut self.directory),
                Some(position) => position
                    .ok()
                    .and_then(|it| self.linked.values_mut().nth(it)),
            };
            if let Some(directory) = directory {
                directory.unsubscribe(group);
            }
        }
    }

    /// What is known of each cluster, this one first, as `local`.
    pub(crate) fn directories(&self) -> impl Iterator<Item = (&str, &Directory)> {
        let linked = self.linked.iter();
        std::iter::once(("local", &self.directory))
            .chain(linked.map(|(cluster, directory)| (cluster.as_str(), directory)))
    }

    /// Counts a call's beginning.
    pub(crate) fn count_start(&mut self, method: Method) {
        self.calls.entry(method).or_default().started += 1;
    }

    /// Counts a call's end.
    pub(crate) fn count_end(&mut self, method: Method, code: Code) {
        let calls = self.calls.entry(method).or_default();
        *calls.handled.entry(format!("{code:?}")).or_default() += 1;
    }

    /// Ends every stream with status OK, those to come included.
    pub(crate) fn end_all(&mut self) {
        self.closed = true;
        for stream in self.streams.values().flat_map(BTreeMap::values) {
            stream.queue.end(Status::ok(""));
        }
        self.profiles.end_all();
    }

    /// How often each kind of fault struck.
    pub(crate) fn faults_struck(&self) -> BTreeMap<FaultKind, u64> {
        let mut struck = self.faults.struck.clone();
        for (_, directory) in self.directories() {
            for (kind, times) in &directory.faults.struck {
                *struck.entry(*kind).or_default() += times;
            }
        }
        struck
    }

    /// The time that faults go by.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn tick(&mut self) {
        let elapsed = self.elapsed();
        self.faults.at(elapsed);
        for directory in self.linked.values_mut().chain([&mut self.directory]) {
            directory.faults.at(elapsed);
        }
    }

    fn tell(&mut self, change: &Change) {
        let Some(streams) = self.streams.get_mut(&change.group) else {
            return;
        };
        let frames = change.diff.frames();
        for stream in streams.values_mut() {
            if let Some(victim) = &mut stream.victim {
                for step in self.faults.change(victim, &change.diff) {
                    stream.take(step, &mut self.overflows);
                }
            } else {
                for frame in frames.add.iter().chain(&frames.remove) {
                    stream.take(
                        Step::Send(frame.clone(), Duration::ZERO),
                        &mut self.overflows,
                    );
                }
            }
        }
    }

    fn victim(&mut self, path: &str, token: &str, authority: &Authority) -> Option<Victim> {
        if self.faults.is_empty() {
            return None;
        }
        let opening = self
            .openings
            .entry((path.to_owned(), token.to_owned()))
            .or_default();
        *opening += 1;
        let name = format!("{path} {token} #{opening}");
        Some(Victim::new(name, authority.service.clone(), authority.port))
    }
}

fn plain(frame: &Option<bytes::Bytes>) -> Vec<Step> {
    (frame.iter())
        .map(|frame| Step::Send(frame.clone(), Duration::ZERO))
        .collect()
}

// === impl Stream ===

impl Stream {
    fn take(&self, step: Step, overflows: &mut BTreeMap<String, u64>) {
        let overflow = |overflows: &mut BTreeMap<String, u64>| {
            *overflows.entry(self.path.to_string()).or_default() += 1;
            tracing::warn!(
                path = &*self.path,
                "endpoint update queue full; aborting stream"
            );
            self.queue.end(Status::ok(""));
        };
        match step {
            Step::Send(frame, delay) => {
                let not_before = (!delay.is_zero()).then(|| Instant::now() + delay);
                if !self.queue.push(frame, not_before) {
                    overflow(overflows);
                }
            }
            Step::Overflow => overflow(overflows),
            Step::Reset => self.queue.end(Status::internal("stream reset")),
        }
    }
}
