//! Where the replicas of a destination controller are, and where each serves its metrics, as far as
//! neither was named.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use dst_load_transport::{
    http::shown,
    world::{Dial, ListedReplica, ListedReplicas},
};
use futures::future::join_all;
use tokio::time::timeout;

use super::target::{ADMIN_PORT, Target};
pub use crate::lone_name::Resolve;
use crate::{
    address::{Address, GRPC_PORT},
    dial::{Windows, dial, dial_lone},
    lone_name::{LoneName, resolved},
    roster::{self, Entry, Roster},
};

/// How long a page may take to be read.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The system's resolver.
#[must_use]
pub fn system() -> Resolve {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host(name).await?.collect()) }))
}

/// The replicas of a destination controller.
#[derive(Clone, Debug, Default)]
pub struct Replicas(Vec<Replica>);

/// One replica.
#[derive(Clone, Debug)]
struct Replica {
    /// As reports call it: its address, or the name that led to it alone.
    label: String,
    /// Its address, and the name that it was found under.
    entry: Entry,
    /// The name that has led to it alone since the start, if one has.
    lone: Option<Arc<LoneName>>,
}

/// Replicas whose names are resolved again.
struct Names {
    known: Replicas,
    dials: Vec<Dial>,
    resolve: Resolve,
    windows: Windows,
}

/// Where a destination controller serves its metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// The URL of each replica's; empty where they are not known.
    pub addresses: Vec<String>,
    /// Where they were looked for and not found.
    pub sought: Vec<String>,
}

// === impl Replicas ===

impl Replicas {
    /// The replicas behind `given`: a name with several addresses, as that of a headless Service, is
    /// each of them, and any other name is one.
    pub async fn find(given: &[String], resolve: &Resolve) -> Self {
        let mut found = Self::default();
        for name in given {
            // Dialing refuses what is not an address. With TLS a name stays one replica: its
            // certificate is for the name.
            let address = name.parse::<Address>().ok();
            let address = address.filter(|it| !it.tls() && it.ip().is_none());
            let Some(address) = address else {
                found.0.push(Replica::given(name));
                continue;
            };
            let name = &address.host_and_port();
            let behind = resolved(name, resolve).await.ok();
            match behind.as_ref().map(|it| it.hosts()) {
                Some(hosts @ [_, _, ..]) => {
                    tracing::info!(
                        name,
                        addresses = %joined(hosts),
                        "destination has several addresses, taking each for a replica"
                    );
                    for address in hosts {
                        found.add(address, name);
                    }
                }
                _ => found.0.push(Replica {
                    lone: Some(LoneName::new(name, resolve, behind)),
                    entry: Entry::new(String::new(), Some(name.clone())),
                    label: name.clone(),
                }),
            }
        }
        found
    }

    /// The address of each, HOST:PORT, or the name that leads to it alone.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|it| it.label.clone()).collect()
    }

    /// Connections to each.
    ///
    /// # Errors
    /// If one is no address.
    pub fn dials(&self, windows: Windows) -> Result<Vec<Dial>, String> {
        self.0.iter().map(|it| it.dial(windows)).collect()
    }

    /// Resolves the names again and again, as long as somebody reads what comes of it. `None` where
    /// no replica was found under a name.
    ///
    /// # Errors
    /// If one is no address.
    pub fn watch(
        &self,
        resolve: &Resolve,
        windows: Windows,
    ) -> Result<Option<ListedReplicas>, String> {
        if self.0.iter().all(|it| it.entry.source.is_none()) {
            return Ok(None);
        }
        Ok(Some(roster::watch(Names {
            known: self.clone(),
            dials: self.dials(windows)?,
            resolve: Arc::clone(resolve),
            windows,
        })))
    }

    /// `target`, whose `metrics` are at these URLs: where they name a host as a replica's name does,
    /// they are that replica's only as long as nobody joins it there.
    #[must_use]
    pub fn watched_by(&self, target: Target, metrics: &[String]) -> Target {
        let urls = metrics.iter().filter_map(|it| it.parse::<http::Uri>().ok());
        let hosts: Vec<_> = urls.filter_map(|it| it.host().map(str::to_owned)).collect();
        let lone = self.0.iter().filter_map(|it| it.lone.as_ref());
        let lone = lone.filter(|it| {
            let host = it.name().rsplit_once(':').map(|(host, _)| host);
            hosts.iter().any(|named| Some(named.as_str()) == host)
        });
        target.of_lone(lone.cloned().collect())
    }

    /// Resolves each name, adds the addresses that are new, and says of each replica whether it is
    /// listed.
    async fn refresh(&mut self, resolve: &Resolve) {
        let names = self.0.iter().filter_map(|it| it.entry.source.clone());
        let names: BTreeSet<_> = names.collect();
        let mut now = BTreeMap::new();
        for name in names {
            let Ok(found) = resolved(&name, resolve).await else {
                continue;
            };
            let hosts = found.hosts();
            if hosts.is_empty() || !self.part(&name, hosts) {
                continue;
            }
            for address in hosts {
                if self.add(address, &name) {
                    tracing::info!(name, %address, "destination replica found");
                }
            }
            now.insert(name, hosts.iter().map(ToString::to_string).collect());
        }
        for replica in &mut self.0 {
            replica.entry.look_up(&now);
        }
    }

    /// Whether the addresses of `name` are replicas of their own, as they are once there have been
    /// several.
    fn part(&mut self, name: &str, hosts: &[SocketAddr]) -> bool {
        let mut of_name = self.0.iter_mut();
        let Some((replica, lone)) = of_name.find_map(|it| {
            let lone = it.lone.clone().filter(|lone| lone.name() == name)?;
            Some((it, lone))
        }) else {
            return true;
        };
        if !replica.entry.key.is_empty() {
            return true;
        }
        if hosts.len() < 2 {
            return false;
        }
        if let Some(address) = lone.part(hosts) {
            replica.entry.key = address.to_string();
        }
        true
    }

    /// Adds what was found under a name. Returns whether it is new: two names may lead to one
    /// address. What is given twice is refused elsewhere.
    fn add(&mut self, address: &SocketAddr, name: &str) -> bool {
        let key = address.to_string();
        let is_new = self.0.iter().all(|it| it.entry.key != key);
        if is_new {
            self.0.push(Replica {
                label: key.clone(),
                entry: Entry::new(key, Some(name.to_owned())),
                lone: None,
            });
        }
        is_new
    }
}

// === impl Replica ===

impl Replica {
    /// One whose address was given; as it is, if it is none.
    fn given(text: &str) -> Self {
        let address = text.parse::<Address>();
        let address = address.map_or_else(|_| text.to_owned(), |it| it.to_string());
        Self {
            label: address.clone(),
            entry: Entry::new(address, None),
            lone: None,
        }
    }

    fn dial(&self, windows: Windows) -> Result<Dial, String> {
        match &self.lone {
            Some(lone) => dial_lone(lone, windows),
            None => dial(&self.label, windows),
        }
    }
}

// === impl Names ===

impl Roster for Names {
    fn replicas(&self) -> Vec<ListedReplica> {
        let each = self.known.0.iter().zip(&self.dials);
        each.map(|(replica, dial)| ListedReplica {
            address: replica.label.clone(),
            dial: Arc::clone(dial),
            is_listed: replica.entry.is_listed,
        })
        .collect()
    }

    async fn refresh(&mut self) {
        self.known.refresh(&self.resolve).await;
        for replica in &self.known.0[self.dials.len()..] {
            // It came of a resolver, and so is an address.
            let Ok(dial) = replica.dial(self.windows) else {
                return;
            };
            self.dials.push(dial);
        }
    }
}

// === impl Metrics ===

impl Metrics {
    fn at(addresses: Vec<String>) -> Self {
        Self {
            addresses,
            ..Self::default()
        }
    }

    /// The URLs as a recording may have them: without credentials.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        self.addresses.iter().map(|url| shown(url)).collect()
    }

    /// Where each replica serves its metrics: as given, or at Linkerd's admin port where a
    /// destination controller answers there. The metrics of some replicas would be too little of
    /// all, so that either all are found or none is used.
    pub async fn find(given: &[String], replicas: &Replicas) -> Self {
        if !given.is_empty() {
            return Self::at(given.to_vec());
        }
        let guesses = replicas.0.iter().map(|it| admin(&it.label));
        let guesses: Vec<_> = guesses.collect();
        if guesses.iter().any(Option::is_none) {
            return Self::default();
        }
        let guesses: Vec<_> = guesses.into_iter().flatten().collect();
        let answers = join_all(guesses.iter().map(|url| is_controller(url))).await;
        let missing: Vec<_> = (guesses.iter().zip(answers))
            .filter(|(_, found)| !found)
            .map(|(url, _)| url.clone())
            .collect();
        if missing.is_empty() {
            tracing::info!(metrics = %guesses.join(","), "found the destination's metrics");
            return Self::at(guesses);
        }
        tracing::warn!(
            sought = %missing.join(","),
            "found no metrics of the destination; name them with --destination-metrics"
        );
        Self {
            addresses: Vec::new(),
            sought: missing,
        }
    }
}

/// Where the controller at `address` would serve its metrics. On this machine only beside the port
/// that is Linkerd's: at others there may be anybody.
fn admin(address: &str) -> Option<String> {
    let address: Address = address.parse().ok().filter(|it: &Address| !it.tls())?;
    let host = address.host();
    let local = host == "localhost" || address.ip().is_some_and(|ip| ip.is_loopback());
    (!local || address.port() == GRPC_PORT).then(|| format!("http://{host}:{ADMIN_PORT}/metrics"))
}

async fn is_controller(url: &str) -> bool {
    match Target::new(url) {
        Ok(target) => timeout(TIMEOUT, target.is_controller()).await == Ok(true),
        Err(_) => false,
    }
}

fn joined(addresses: &[SocketAddr]) -> String {
    let each: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    each.join(",")
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::{Router, routing::get};
    use parking_lot::Mutex;

    use super::*;
    use crate::roster::REFRESH;
    use dst_load_scenario::{scenario::Lifecycle, time::At};

    /// A resolver that knows one name.
    fn knows(name: &'static str, addresses: &[&str]) -> Resolve {
        let addresses: Vec<_> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        Arc::new(move |asked| {
            let addresses = addresses.clone();
            Box::pin(async move {
                if asked == name {
                    Ok(addresses)
                } else {
                    Err(io::ErrorKind::NotFound.into())
                }
            })
        })
    }

    async fn found(given: &[&str], resolve: &Resolve) -> Vec<String> {
        let given: Vec<_> = given.iter().map(|&it| it.to_owned()).collect();
        Replicas::find(&given, resolve).await.addresses()
    }

    #[tokio::test]
    async fn a_headless_name_is_each_of_its_addresses_and_any_other_is_itself() {
        let headless = knows(
            "dst-headless:8086",
            &["10.0.0.7:8086", "10.0.0.5:8086", "10.0.0.5:8086"],
        );
        let both = ["10.0.0.5:8086", "10.0.0.7:8086"];
        assert_eq!(found(&["dst-headless:8086"], &headless).await, both);
        assert_eq!(
            found(&["other:1", "dst-headless:8086"], &headless).await,
            ["other:1", both[0], both[1]]
        );
        // A Service with an address of its own may have moved endpoints: it stays a name.
        let service = knows("dst:8086", &["10.96.0.1:8086"]);
        assert_eq!(found(&["dst:8086"], &service).await, ["dst:8086"]);
        // Both families are one host.
        let dual = knows("localhost:8086", &["[::1]:8086", "127.0.0.1:8086"]);
        assert_eq!(found(&["localhost:8086"], &dual).await, ["localhost:8086"]);
        let six = knows("six:8086", &["[fd00::2]:8086", "[fd00::1]:8086"]);
        assert_eq!(
            found(&["six:8086"], &six).await,
            ["[fd00::1]:8086", "[fd00::2]:8086"]
        );
    }

    #[test]
    fn metrics_are_guessed_beside_linkerds_port_or_on_another_machine() {
        let url = |host: &str| Some(format!("http://{host}:9996/metrics"));
        assert_eq!(admin("10.0.0.5:8086"), url("10.0.0.5"));
        assert_eq!(admin("dst.linkerd:9000"), url("dst.linkerd"));
        assert_eq!(admin("[fd00::1]:8086"), url("[fd00::1]"));
        assert_eq!(admin("127.0.0.1:8086"), url("127.0.0.1"));
        for elsewhere in [
            "127.0.0.1:40123",
            "localhost:1",
            "[::1]:40123",
            "https://dst:1",
            "",
        ] {
            assert_eq!(admin(elsewhere), None, "{elsewhere}");
        }
    }

    #[tokio::test]
    async fn a_page_is_taken_for_a_controllers_only_if_it_is_one() {
        let serve = async |page: &'static str| {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/metrics", listener.local_addr().unwrap());
            let routes = Router::new().route("/metrics", get(async move || page));
            tokio::spawn(async move { axum::serve(listener, routes).await });
            url
        };
        let controller = "# HELP cluster_store_size …\ncluster_store_size 0\n";
        let asked = "grpc_server_started_total{grpc_method=\"Get\",\
                     grpc_service=\"io.linkerd.proxy.destination.Destination\"} 3\n";
        assert!(is_controller(&serve(controller).await).await);
        assert!(is_controller(&serve(asked).await).await);
        assert!(is_controller(&serve("dst_load_reference_info 1\n").await).await);
        assert!(!is_controller(&serve("go_goroutines 12\n").await).await);
        assert!(!is_controller("http://127.0.0.1:1/metrics").await);
    }

    #[tokio::test]
    async fn what_is_given_is_not_guessed_and_some_replicas_are_not_all() {
        let each = ["127.0.0.1:1", "127.0.0.1:8086"].map(Replica::given);
        let replicas = Replicas(each.into());
        let given = ["http://a:1/metrics".to_owned()];
        assert_eq!(Metrics::find(&given, &replicas).await.addresses, given);
        assert_eq!(Metrics::find(&[], &replicas).await, Metrics::default());
    }

    /// A resolver whose answer for every name is what `answer` holds at the time.
    fn answers(answer: &Arc<Mutex<Vec<&'static str>>>) -> Resolve {
        let answer = Arc::clone(answer);
        Arc::new(move |_| {
            let now: Vec<_> = answer.lock().iter().map(|it| it.parse().unwrap()).collect();
            Box::pin(async move { Ok(now) })
        })
    }

    /// Which are listed, by address, after the next time that names are resolved.
    async fn next(listed: &mut ListedReplicas) -> Vec<(String, bool)> {
        let changed = timeout(REFRESH * 2, listed.changed()).await;
        assert!(changed.is_ok(), "nothing has changed");
        let replicas = listed.borrow_and_update();
        let each = replicas.iter();
        each.map(|it| (it.address.clone(), it.is_listed)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_resolved_again_and_replicas_keep_their_numbers() {
        let answer = Arc::new(Mutex::new(vec!["10.0.0.1:8086", "10.0.0.2:8086"]));
        let resolve = answers(&answer);
        let given = ["dst:8086".to_owned(), "10.9.9.9:1".to_owned()];
        // An address is resolved to itself.
        let one = knows("10.9.9.9:1", &["10.9.9.9:1"]);
        let either: Resolve = {
            let resolve = Arc::clone(&resolve);
            Arc::new(move |name| {
                if name.starts_with("dst") {
                    resolve(name)
                } else {
                    one(name)
                }
            })
        };
        let found = Replicas::find(&given, &either).await;
        let mut listed = found
            .watch(&either, Lifecycle::Proxy.into())
            .unwrap()
            .unwrap();
        // One is replaced: the new one has a number of its own, behind all others.
        *answer.lock() = vec!["10.0.0.1:8086", "10.0.0.3:8086"];
        let replaced = [
            ("10.0.0.1:8086", true),
            ("10.0.0.2:8086", false),
            ("10.9.9.9:1", true),
            ("10.0.0.3:8086", true),
        ];
        assert_eq!(next(&mut listed).await, pairs(&replaced));
        // While the name has no answer, replicas stay listed.
        answer.lock().clear();
        tokio::time::sleep(REFRESH * 3).await;
        assert!(!listed.has_changed().unwrap());
        // One that comes back is the one that it was.
        *answer.lock() = vec!["10.0.0.2:8086"];
        let back = [
            ("10.0.0.1:8086", false),
            ("10.0.0.2:8086", true),
            ("10.9.9.9:1", true),
            ("10.0.0.3:8086", false),
        ];
        assert_eq!(next(&mut listed).await, pairs(&back));
    }

    fn pairs(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
        let each = expected.iter();
        each.map(|&(address, is)| (address.to_owned(), is))
            .collect()
    }

    async fn watched(resolve: &Resolve) -> ListedReplicas {
        let found = Replicas::find(&["dst:8086".to_owned()], resolve).await;
        assert_eq!(found.addresses(), ["dst:8086"]);
        let listed = found.watch(resolve, Lifecycle::Proxy.into()).unwrap();
        listed.expect("a name is watched")
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_led_to_one_replica_is_that_one_once_it_has_several() {
        let answer = Arc::new(Mutex::new(vec!["10.0.0.1:8086"]));
        let resolve = answers(&answer);
        let mut listed = watched(&resolve).await;
        // A Service's own address, or a host's of both families, is one replica for ever.
        for alone in [
            vec!["10.0.0.1:8086"],
            vec!["[fd00::1]:8086", "10.0.0.1:8086"],
            vec![],
            vec!["10.0.0.1:8086"],
        ] {
            *answer.lock() = alone;
            tokio::time::sleep(REFRESH * 3).await;
            assert!(!listed.has_changed().unwrap());
        }
        *answer.lock() = vec!["10.0.0.3:8086", "10.0.0.1:8086", "10.0.0.2:8086"];
        let joined = [
            ("dst:8086", true),
            ("10.0.0.2:8086", true),
            ("10.0.0.3:8086", true),
        ];
        assert_eq!(next(&mut listed).await, pairs(&joined));
        // From then on each address is a replica, also a single one.
        *answer.lock() = vec!["10.0.0.2:8086"];
        let left = [
            ("dst:8086", false),
            ("10.0.0.2:8086", true),
            ("10.0.0.3:8086", false),
        ];
        assert_eq!(next(&mut listed).await, pairs(&left));
        *answer.lock() = vec!["10.0.0.1:8086"];
        let back = [
            ("dst:8086", true),
            ("10.0.0.2:8086", false),
            ("10.0.0.3:8086", false),
        ];
        assert_eq!(next(&mut listed).await, pairs(&back));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_without_an_address_at_the_start_is_watched_too() {
        let answer = Arc::new(Mutex::new(vec![]));
        let mut listed = watched(&answers(&answer)).await;
        *answer.lock() = vec!["10.0.0.1:8086", "10.0.0.2:8086"];
        // Whoever is connected to by the name is the first.
        assert_eq!(
            next(&mut listed).await,
            pairs(&[("dst:8086", true), ("10.0.0.2:8086", true)])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_name_leads_to_where_it_led_before_others_joined() {
        let answer = Arc::new(Mutex::new(vec!["10.0.0.4:8086"]));
        let resolve = answers(&answer);
        let found = Replicas::find(&["dst:8086".to_owned()], &resolve).await;
        let lone = found.0[0].lone.clone().unwrap();
        let led = async || {
            let all = lone.addresses().await.unwrap();
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let mut listed = found
            .watch(&resolve, Lifecycle::Proxy.into())
            .unwrap()
            .unwrap();
        assert_eq!(led().await, ["10.0.0.4:8086"]);
        // Its Pod is replaced: nobody waits for the next time that names are resolved.
        *answer.lock() = vec!["[fd00::5]:8086", "10.0.0.5:8086"];
        assert_eq!(led().await, ["10.0.0.5:8086", "[fd00::5]:8086"]);
        // Others join, which is not known yet, and then is.
        *answer.lock() = vec!["10.0.0.1:8086", "10.0.0.5:8086"];
        assert_eq!(led().await, ["10.0.0.5:8086", "[fd00::5]:8086"]);
        let joined = [("dst:8086", true), ("10.0.0.1:8086", true)];
        assert_eq!(next(&mut listed).await, pairs(&joined));
        *answer.lock() = vec!["10.0.0.1:8086"];
        assert_eq!(led().await, ["10.0.0.5:8086", "[fd00::5]:8086"]);
    }

    #[tokio::test(start_paused = true)]
    async fn metrics_by_a_name_are_not_read_once_any_replica_may_answer() {
        let answer = Arc::new(Mutex::new(vec!["10.0.0.1:8086"]));
        let resolve = answers(&answer);
        let found = Replicas::find(&["dst:8086".to_owned()], &resolve).await;
        let of = |metrics: &str| {
            let page = Router::new().route(
                "/metrics",
                get(async || "process_resident_memory_bytes 9.5e+07\n"),
            );
            let http = dst_load_transport::http::routed(page);
            let target = Target::new(metrics).unwrap().through(http.clone(), http);
            found.watched_by(target, &[metrics.to_owned()])
        };
        let given = ["http://dst:9996/metrics", "dst:9996"].map(of);
        let other = of("http://10.0.0.1:9996/metrics");
        for target in &given {
            target.sample(At::ZERO).await.unwrap();
        }
        // Where it leads is not known, but it was asked before.
        answer.lock().clear();
        given[0].sample(At::ZERO).await.unwrap();
        *answer.lock() = vec!["10.0.0.1:8086", "10.0.0.2:8086"];
        for target in &given {
            let error = target.sample(At::ZERO).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "http://dst:9996/metrics: the name has several addresses by now, and any replica may \
                 answer"
            );
        }
        other.sample(At::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_not_found_under_a_name_is_not_watched() {
        let resolve = knows("dst:8086", &["10.96.0.1:8086"]);
        for given in ["10.96.0.1:8086", "[::1]:8086", "https://dst:8086"] {
            let found = Replicas::find(&[given.to_owned()], &resolve).await;
            let listed = found.watch(&resolve, Lifecycle::Proxy.into()).unwrap();
            assert!(listed.is_none(), "{given}");
        }
    }

    #[tokio::test]
    async fn a_host_of_both_families_is_reached_at_either() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens at the first.
        let first = format!("127.0.0.2:{port}").parse().unwrap();
        let second = format!("127.0.0.1:{port}").parse().unwrap();
        let lone = LoneName::new(
            "localhost:1",
            &answers(&Arc::default()),
            Some(crate::lone_name::Resolved {
                all: vec![first, second],
            }),
        );
        let dial = dial_lone(&lone, Lifecycle::Proxy.into()).unwrap();
        let accepted = tokio::spawn(async move { listener.accept().await.map(drop) });
        dial(None).await.unwrap();
        accepted.await.unwrap().unwrap();
    }
}
