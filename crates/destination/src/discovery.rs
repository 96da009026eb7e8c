//! Where the replicas of a destination controller are, and where each serves its metrics, as far as
//! neither was named.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use dst_load_transport::{
    http::shown,
    world::{Dial, ListedReplica, ListedReplicas},
};
use futures::future::{BoxFuture, join_all};
use tokio::{sync::watch, time::timeout};

use super::target::{ADMIN_PORT, Target};
use crate::{
    address::{Address, GRPC_PORT},
    dial::{Windows, dial},
};

/// How long a name may take to resolve, and a page to be read.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often names are resolved again. A proxy does when the answer expires, and at most this often
/// (`linkerd/dns/src/minimum_ttl.rs` of linkerd2-proxy); that of Kubernetes expires after 5 s
/// (CoreDNS by itself) to 30 s. The system's resolver does not say when.
const REFRESH: Duration = Duration::from_secs(5);

/// Resolves HOST:PORT.
pub type Resolve =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver.
#[must_use]
pub fn system() -> Resolve {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host(name).await?.collect()) }))
}

/// The replicas of a destination controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// The address of each, HOST:PORT.
    pub addresses: Vec<String>,
    /// The name that each was found under; `None` where its own address was given.
    names: Vec<Option<String>>,
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
    /// each of them.
    pub async fn find(given: &[String], resolve: &Resolve) -> Self {
        let mut found = Self::default();
        for name in given {
            // What is no address is refused by whoever dials it.
            let Ok(address) = name.parse::<Address>() else {
                found.add(name.clone(), None);
                continue;
            };
            let name = &address.host_and_port();
            // A certificate is for the name, so that it stays one.
            let behind = if address.tls() {
                Vec::new()
            } else {
                addresses(name, resolve).await
            };
            if behind.len() < 2 {
                found.add(address.to_string(), None);
                continue;
            }
            tracing::info!(
                name,
                addresses = %joined(&behind),
                "destination has several addresses, taking each for a replica"
            );
            for address in behind {
                found.add(address.to_string(), Some(name.clone()));
            }
        }
        found
    }

    /// Connections to each.
    ///
    /// # Errors
    /// If one is no address.
    pub fn dials(&self, windows: Windows) -> Result<Vec<Dial>, String> {
        let each = self.addresses.iter();
        each.map(|address| dial(address, windows)).collect()
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
        if self.names.iter().all(Option::is_none) {
            return Ok(None);
        }
        let dials = self.dials(windows)?.into_iter();
        let replicas = self.addresses.iter().zip(dials);
        let replicas = replicas.map(|(address, dial)| ListedReplica {
            address: address.clone(),
            dial,
            is_listed: true,
        });
        let (sender, receiver) = watch::channel(replicas.collect());
        let (mut known, resolve) = (self.clone(), Arc::clone(resolve));
        let mut listed = vec![true; known.addresses.len()];
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    () = tokio::time::sleep(REFRESH) => {}
                }
                known.refresh(&resolve, &mut listed).await;
                sender.send_if_modified(|replicas: &mut Vec<ListedReplica>| {
                    let mut changed = false;
                    for (replica, &is_listed) in replicas.iter_mut().zip(&listed) {
                        changed |= replica.is_listed != is_listed;
                        replica.is_listed = is_listed;
                    }
                    for address in known.addresses.iter().skip(replicas.len()) {
                        // It came of a resolver, and so is an address.
                        let Ok(dial) = dial(address, windows) else {
                            return changed;
                        };
                        replicas.push(ListedReplica {
                            address: address.clone(),
                            dial,
                            is_listed: true,
                        });
                        changed = true;
                    }
                    changed
                });
            }
        });
        Ok(Some(receiver))
    }

    /// Resolves each name, adds the addresses that are new, and says of each replica whether it is
    /// `listed`. What was said of a name that cannot be resolved stays.
    async fn refresh(&mut self, resolve: &Resolve, listed: &mut Vec<bool>) {
        let names: BTreeSet<_> = self.names.iter().flatten().cloned().collect();
        let mut now = BTreeMap::new();
        for name in names {
            let found = addresses(&name, resolve).await;
            if found.is_empty() {
                continue;
            }
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            for address in &found {
                let is_new = !self.addresses.contains(address);
                self.add(address.clone(), Some(name.clone()));
                if is_new {
                    tracing::info!(name, address, "destination replica found");
                }
            }
            now.insert(name, found);
        }
        listed.resize(self.addresses.len(), true);
        for (number, is_listed) in listed.iter_mut().enumerate() {
            let address = &self.addresses[number];
            // Under whichever name: two may lead to one address.
            let is_found = now.values().any(|found| found.contains(address));
            let name = self.names[number].as_ref();
            let has_answer = name.is_some_and(|name| now.contains_key(name));
            *is_listed = is_found || *is_listed && !has_answer;
        }
    }

    fn add(&mut self, address: String, name: Option<String>) {
        // Two names may lead to one address. What is given twice is refused elsewhere.
        if name.is_none() || !self.addresses.contains(&address) {
            self.addresses.push(address);
            self.names.push(name);
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
        let guesses: Vec<_> = replicas.addresses.iter().map(|it| admin(it)).collect();
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

/// All addresses behind `name`, sorted; of one family, as a host with both is one host. None where
/// it cannot be resolved.
async fn addresses(name: &str, resolve: &Resolve) -> Vec<SocketAddr> {
    let Ok(Ok(mut found)) = timeout(TIMEOUT, resolve(name.to_owned())).await else {
        return Vec::new();
    };
    if found.iter().any(SocketAddr::is_ipv4) {
        found.retain(SocketAddr::is_ipv4);
    }
    found.sort_unstable();
    found.dedup();
    found
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
    use axum::{Router, routing::get};
    use parking_lot::Mutex;

    use super::*;
    use dst_load_scenario::scenario::Lifecycle;

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
        Replicas::find(&given, resolve).await.addresses
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
        let replicas = Replicas {
            addresses: vec!["127.0.0.1:1".into(), "127.0.0.1:8086".into()],
            names: vec![None, None],
        };
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
        let pairs = |expected: &[(&str, bool)]| -> Vec<_> {
            let each = expected.iter();
            each.map(|&(address, is)| (address.to_owned(), is))
                .collect()
        };
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

    #[tokio::test]
    async fn what_was_not_found_under_a_name_is_not_watched() {
        let resolve = knows("dst:8086", &["10.96.0.1:8086"]);
        let found = Replicas::find(&["dst:8086".to_owned()], &resolve).await;
        assert!(
            found
                .watch(&resolve, Lifecycle::Proxy.into())
                .unwrap()
                .is_none()
        );
    }
}
