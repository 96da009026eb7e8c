//! By which path clients go: whether each connection of theirs is one at the controller.
//!
//! A few clients connect, and the controller's file descriptors are counted before, meanwhile and
//! afterwards. They are others' too, and the metrics may be of another replica than the one that
//! clients reach: so streams are counted with them, and nothing is claimed unless all of ours came to
//! that process.

use std::time::Duration;

use dst_load_destination::{
    stream::{Method, read},
    target::Target,
};
use dst_load_recording::statistics::Sharing;
use dst_load_report::check::Outcome;
use dst_load_scenario::words::{count, counted};
use dst_load_transport::clock::Clock;
use tokio::{task::JoinSet, time::timeout};

use super::{Subject, destination::question};

/// Clients that connect, with a stream each.
const CLIENTS: u32 = 16;
/// Connections and streams that others may have meanwhile, without it being doubtful whose came.
const OTHERS: u32 = 4;
/// Between two looks at the controller: what has just been closed is gone by the next.
const INTERVAL: Duration = Duration::from_millis(500);
/// Looks in each of the three.
const EACH: usize = 2;
/// Looks at most with the clients, until all have come.
const MOST: usize = 8;
/// How long all clients may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What to do where others are in the way.
const AGAIN: &str = "check again, or where nobody else asks the controller";

/// What a look at the controller says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    open_fds: f64,
    /// `Get` streams that were begun so far; none where none was ever.
    begun: f64,
    /// When the process started.
    started: Option<f64>,
}

/// Looks at the controller.
#[derive(Clone, Debug, Default)]
struct Looks {
    before: Vec<Look>,
    /// With the clients, once all have come.
    during: Vec<Look>,
    after: Vec<Look>,
}

/// Connects some clients, and says how many of their connections came to the controller.
pub(super) async fn check(subject: &Subject<'_>, target: Option<&Target>) -> Outcome {
    let Some(target) = target else {
        return untold(
            "the controller's metrics are not named",
            "--destination-metrics is the URL of its admin port (9996)",
        );
    };
    let clock = Clock::start();
    let look = || async {
        let page = target.sample(clock.now()).await;
        let page = page.map_err(|error| error.to_string())?;
        Ok(Look {
            open_fds: (page.sample.open_fds)
                .ok_or("its metrics have no process_open_fds".to_owned())?,
            begun: page.begun.unwrap_or_default(),
            started: page.sample.start_seconds,
        })
    };
    match compare(subject, clock, look).await {
        Ok(looks) => judge(&looks),
        Err(reason) => untold(
            &reason,
            "a run's report says it too, where it can be counted",
        ),
    }
}

/// What is seen of the controller.
async fn compare<F: Future<Output = Result<Look, String>>>(
    subject: &Subject<'_>,
    clock: Clock,
    look: impl Fn() -> F,
) -> Result<Looks, String> {
    let later = || async {
        tokio::time::sleep(INTERVAL).await;
        look().await
    };
    let mut looks = Looks::default();
    for _ in 0..EACH {
        looks.before.push(later().await?);
    }
    let base = looks.before[EACH - 1].begun;
    let clients = timeout(CONNECT_TIMEOUT, connect(subject, clock))
        .await
        .map_err(|_| "its clients could not all connect in time".to_owned())??;
    for _ in 0..MOST {
        let seen = later().await?;
        if arrived(base, seen) {
            looks.during.push(seen);
        }
        if looks.during.len() == EACH {
            break;
        }
    }
    drop(clients);
    // What has just been closed is still open for a moment.
    tokio::time::sleep(INTERVAL).await;
    for _ in 0..EACH {
        looks.after.push(later().await?);
    }
    Ok(looks)
}

/// Whether as many streams have been begun since as there are clients.
fn arrived(base: f64, look: Look) -> bool {
    look.begun - base >= f64::from(CLIENTS)
}

/// As many clients, each with a connection and a stream on it.
async fn connect(subject: &Subject<'_>, clock: Clock) -> Result<JoinSet<()>, String> {
    let mut clients = JoinSet::new();
    let (_, request) = question(subject);
    for _ in 0..CLIENTS {
        let connected = (subject.world.destination)(None).await;
        let grpc = connected.map_err(|status| format!("a client: {}", status.message()))?;
        let request = request.clone();
        clients.spawn(async move {
            let held = grpc.clone();
            read(grpc, Method::Get, clock, request, |_| {}, |_, _| Ok(())).await;
            // Its stream may end at once, and the connection stays.
            std::future::pending::<()>().await;
            drop(held);
        });
    }
    Ok(clients)
}

/// What the looks come to.
fn judge(looks: &Looks) -> Outcome {
    let without = || looks.before.iter().chain(&looks.after);
    let all = || without().chain(&looks.during);
    let started = looks.before.first().and_then(|first| first.started);
    let is_one = all().all(|it| {
        let both = started.zip(it.started);
        both.is_some_and(|(one, other)| (one - other).abs() <= 1.0)
    });
    if !is_one {
        return untold(
            "its metrics are of several processes, or do not say of which",
            "name one replica's metrics, and its address",
        );
    }
    let ends = (
        looks.before.first(),
        looks.before.last(),
        looks.during.last(),
    );
    let (Some(first), Some(base), Some(last)) = ends else {
        return untold(
            &format!(
                "not all streams of {CLIENTS} clients were begun at the controller whose metrics \
                 are named"
            ),
            "the address may be of several replicas: name one replica's, and its metrics",
        );
    };
    let others = f64::from(OTHERS);
    if base.begun - first.begun > others || last.begun - base.begun > f64::from(CLIENTS) + others {
        return untold("other clients began streams at the same time", AGAIN);
    }
    let low = least(&mut looks.during.iter()) - most(&mut without());
    let high = most(&mut looks.during.iter()) - least(&mut without());
    let is_calm = high - low <= others;
    let (low, high) = (whole(low), whole(high));
    let seen = if low == high {
        format!(
            "about {} for {CLIENTS} clients",
            counted(low, "connection", "connections")
        )
    } else {
        format!(
            "{} to {} connections for {CLIENTS} clients",
            count(low),
            count(high)
        )
    };
    let sharing = if is_calm {
        Sharing::of(u64::from(CLIENTS), low, high)
    } else {
        Sharing::Unclear
    };
    match sharing {
        Sharing::None => Outcome::seen(format!("direct: {seen}")),
        Sharing::Evident => Outcome::warning(
            format!(
                "{seen}: something shares connections between clients and the controller, as its \
                 Pod's sidecar does"
            ),
            "a run from here measures that path too; a port-forward goes past the sidecar",
        ),
        Sharing::Unclear => untold(&format!("{seen}, and others' come and go too"), AGAIN),
    }
}

/// The smallest number of file descriptors.
fn least(looks: &mut dyn Iterator<Item = &Look>) -> f64 {
    looks.map(|it| it.open_fds).fold(f64::INFINITY, f64::min)
}

/// The largest number of file descriptors.
fn most(looks: &mut dyn Iterator<Item = &Look>) -> f64 {
    looks.map(|it| it.open_fds).fold(0.0, f64::max)
}

/// The outcome where the path is unknown, and why.
fn untold(reason: &str, hint: &str) -> Outcome {
    Outcome::warning(format!("that cannot be told: {reason}"), hint)
}

/// A count of file descriptors; fewer than before are none of ours.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of files is far below 2^52, and it is at least 0"
)]
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use dst_load_kubernetes::actor::permissions::Purpose;
    use dst_load_scenario::scenario::Backend;
    use dst_load_transport::world::{Grpc, World};
    use tower::service_fn;

    use super::*;

    /// A controller that counts connections and streams, and answers none.
    #[derive(Clone, Default)]
    struct Controller {
        connections: Arc<AtomicU32>,
        streams: Arc<AtomicU32>,
    }

    /// A connection to it, until dropped.
    struct Socket(Controller);

    impl Socket {
        fn of(controller: &Controller) -> Arc<Self> {
            controller.connections.fetch_add(1, Ordering::Relaxed);
            Arc::new(Self(controller.clone()))
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            self.0.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn over(socket: Arc<Socket>) -> Grpc {
        Grpc::new(service_fn(move |_| {
            socket.0.streams.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        }))
    }

    /// What is said of a controller to which clients connect so, and of which metrics are so.
    async fn outcome_of(
        connect: impl Fn(&Controller) -> Arc<Socket> + Send + Sync + 'static,
        metrics: impl Fn(&Controller) -> Look,
    ) -> Outcome {
        let controller = Controller::default();
        let reached = controller.clone();
        let world = World {
            kube: Arc::new(|| Err(kube::Error::LinesCodecMaxLineLengthExceeded)),
            destination: Arc::new(move |_| {
                let grpc = over(connect(&reached));
                Box::pin(async move { Ok(grpc) })
            }),
            further: Vec::new(),
            listed: None,
        };
        let subject = Subject {
            world: &world,
            destination: None,
            namespace: "load",
            purpose: Purpose {
                acts: false,
                endpoints: false,
                watches: true,
                backend: Backend::default(),
            },
            wants: None,
            cluster_domain: "cluster.local",
            linked: None,
        };
        let seen = || async { Ok(metrics(&controller)) };
        match compare(&subject, Clock::start(), seen).await {
            Ok(looks) => judge(&looks),
            Err(reason) => panic!("{reason}"),
        }
    }

    fn counted_by(controller: &Controller) -> Look {
        let count = |it: &AtomicU32| f64::from(it.load(Ordering::Relaxed));
        look(
            7.0 + count(&controller.connections),
            count(&controller.streams),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn clients_connect_and_the_controller_says_whether_they_share() {
        assert_eq!(
            outcome_of(Socket::of, counted_by).await,
            Outcome::seen("direct: about 16 connections for 16 clients")
        );
        // As through a sidecar: one connection for all, made for the first and kept.
        let kept = parking_lot::Mutex::new(None);
        let shared = move |controller: &Controller| {
            let mut kept = kept.lock();
            Arc::clone(kept.get_or_insert_with(|| Socket::of(controller)))
        };
        let shared = outcome_of(shared, counted_by).await;
        assert!(
            matches!(&shared, Outcome::Warning { seen, .. }
                if seen.contains("for 16 clients: something shares connections")),
            "{shared:?}"
        );
        // The metrics of a replica that none of the clients reach.
        let elsewhere = outcome_of(Socket::of, |_| look(7.0, 0.0)).await;
        assert!(cannot_tell(&elsewhere, "not all streams"), "{elsewhere:?}");
    }

    fn look(open_fds: f64, begun: f64) -> Look {
        Look {
            open_fds,
            begun,
            started: Some(1_000.0),
        }
    }

    /// Looks with so many file descriptors open, between which 16 streams were begun.
    fn looks(before: [f64; 2], during: [f64; 2], after: [f64; 2]) -> Looks {
        let of = |fds: [f64; 2], begun| fds.map(|fds| look(fds, begun)).to_vec();
        Looks {
            before: of(before, 3.0),
            during: of(during, 19.0),
            after: of(after, 19.0),
        }
    }

    /// What is said of them, where afterwards there are as many as before.
    fn said(before: [f64; 2], during: [f64; 2]) -> Outcome {
        judge(&looks(before, during, before))
    }

    fn cannot_tell(outcome: &Outcome, why: &str) -> bool {
        let told = format!("that cannot be told: {why}");
        matches!(outcome, Outcome::Warning { seen, .. } if seen.starts_with(&told))
    }

    #[test]
    fn a_connection_for_each_client_is_direct() {
        assert_eq!(
            said([10.0, 10.0], [26.0, 26.0]),
            Outcome::seen("direct: about 16 connections for 16 clients")
        );
        assert_eq!(
            said([10.0, 11.0], [26.0, 26.0]),
            Outcome::seen("direct: 15 to 16 connections for 16 clients")
        );
    }

    #[test]
    fn one_connection_for_all_is_a_warning_and_no_failure() {
        let Outcome::Warning { seen, .. } = said([10.0, 10.0], [11.0, 11.0]) else {
            panic!("no warning");
        };
        assert!(
            seen.starts_with("about 1 connection for 16 clients: something shares connections"),
            "{seen}"
        );
        // The sidecar's connection may stand already.
        assert!(matches!(
            said([10.0, 10.0], [10.0, 9.0]),
            Outcome::Warning { seen, .. } if seen.contains("something shares")
        ));
    }

    #[test]
    fn what_others_may_have_done_is_not_claimed() {
        let between = said([10.0, 10.0], [18.0, 18.0]);
        assert!(cannot_tell(&between, "about 8 connections"), "{between:?}");
        // Others' connections closed while ours came, or before.
        for looks in [
            looks([30.0, 30.0], [31.0, 31.0], [15.0, 15.0]),
            looks([30.0, 22.0], [26.0, 26.0], [22.0, 22.0]),
        ] {
            let closing = judge(&looks);
            assert!(
                matches!(&closing, Outcome::Warning { seen, .. }
                    if seen.starts_with("that cannot be told") && seen.contains(" to ")),
                "{closing:?}"
            );
        }
        let calm = looks([9.0; 2], [10.0; 2], [9.0; 2]);
        let mut busy = calm.clone();
        busy.during[1].begun = 25.0;
        assert!(cannot_tell(&judge(&busy), "other clients"));
        let mut busy = calm;
        busy.before[0].begun = -3.0;
        assert!(cannot_tell(&judge(&busy), "other clients"));
    }

    #[test]
    fn metrics_of_another_process_than_the_clients_reach_tell_nothing() {
        let shared = || looks([10.0; 2], [11.0; 2], [10.0; 2]);
        // Our streams are at another replica: few connections are no evidence then.
        let elsewhere = judge(&Looks {
            during: Vec::new(),
            ..shared()
        });
        assert!(cannot_tell(&elsewhere, "not all streams"), "{elsewhere:?}");
        for started in [Some(2_000.0), None] {
            let mut several = shared();
            several.during[1].started = started;
            let several = judge(&several);
            assert!(
                cannot_tell(&several, "its metrics are of several"),
                "{several:?}"
            );
        }
    }
}
