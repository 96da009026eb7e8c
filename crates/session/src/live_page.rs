//! The page of a run that goes on, over HTTP (`run --live`).
//!
//! It is served and rendered by a thread of its own, in the way of no delivery. The numbers are
//! copied by whoever has them, when somebody asks, and at most once a second.

use std::{convert::Infallible, future, io, net::SocketAddr, sync::Arc, thread, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, REFRESH},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use dst_load_report::report::{html, page::Page};
use dst_load_scenario::time::At;
use dst_load_transport::{
    clock::Clock,
    files,
    listen::{self, Listen, ListenError},
};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

/// The flag that says where it listens.
const FLAG: &str = "--live";

/// A page is so long as good as a new one.
const FRESH: Duration = Duration::from_secs(1);
/// For how long whoever has the numbers may be busy; what was served before is served then.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A page that is looked at asks again within this time: every 2 s, and what an answer takes.
const ASKS_AGAIN: Duration = Duration::from_secs(3);

type Ask = oneshot::Sender<Option<Page>>;

/// A server of the page.
#[derive(Debug)]
pub struct LivePage {
    address: SocketAddr,
    clock: Clock,
    asked: tokio::sync::Mutex<mpsc::Receiver<Ask>>,
    shown: Arc<Mutex<Shown>>,
}

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
pub enum LivePageError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is no thread for it.
    #[error("the live page has no thread of its own: {0}")]
    Thread(#[from] io::Error),
}

/// What has been served, and to whom.
#[derive(Debug, Default)]
struct Shown {
    page: Option<(At, Bytes)>,
    /// The last page, which nobody has to be asked for.
    last: Option<Bytes>,
    last_asked: Option<At>,
}

#[derive(Clone, Debug)]
struct Server {
    clock: Clock,
    ask: mpsc::Sender<Ask>,
    shown: Arc<Mutex<Shown>>,
}

// === impl LivePage ===

impl LivePage {
    /// Serves at this address from now on, until the process ends, beside `others` files that the
    /// process needs.
    ///
    /// # Errors
    /// If it cannot listen, or has no thread.
    pub async fn serve(at: Listen, others: u64) -> Result<Self, LivePageError> {
        let (listener, address) = at.bind(FLAG).await?;
        let listener = listener.into_std()?;
        let (ask, asked) = mpsc::channel(1);
        let shown = Arc::<Mutex<Shown>>::default();
        let clock = Clock::start();
        let server = Server {
            clock,
            ask,
            shown: Arc::clone(&shown),
        };
        let routes = Router::new().route("/", get(answer)).with_state(server);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let most = listen::http::connections_within(files::limit(), others);
        thread::Builder::new()
            .name("live-page".to_owned())
            .spawn(move || {
                let served: io::Result<()> = runtime.block_on(async {
                    let listener = TcpListener::from_std(listener)?;
                    listen::http::serve(listener, routes, most, future::pending()).await;
                    Ok(())
                });
                if let Err(error) = served {
                    tracing::warn!(%error, "live page stopped");
                }
            })?;
        Ok(Self {
            address,
            clock,
            asked: tokio::sync::Mutex::new(asked),
            shown,
        })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", listen::on_this_machine(self.address))
    }

    /// Answers with what `page` returns, `None` if there is nothing yet, for as long as this is
    /// polled.
    pub async fn answer(&self, page: impl Fn() -> Option<Page>) -> Infallible {
        let mut asked = self.asked.lock().await;
        while let Some(ask) = asked.recv().await {
            // Whoever asked may have gone.
            let _ = ask.send(page());
        }
        std::future::pending().await
    }

    /// Serves this from now on: the run is over.
    pub fn finish(&self, page: &Page) {
        let last = html::render(page).into();
        self.shown.lock().last = Some(last);
    }

    /// Waits, if somebody looks on, until they have the last page too.
    pub async fn was_seen(&self) {
        let asked = self.shown.lock().last_asked;
        if asked.is_some_and(|asked| self.clock.now().since(asked) < ASKS_AGAIN) {
            tokio::time::sleep(ASKS_AGAIN).await;
        }
    }
}

async fn answer(State(server): State<Server>) -> Response {
    let now = server.clock.now();
    {
        let mut shown = server.shown.lock();
        shown.last_asked = Some(now);
        if let Some(last) = shown.last.clone() {
            return page(last);
        }
        if let Some((at, it)) = &shown.page
            && now.since(*at) < FRESH
        {
            return page(it.clone());
        }
    }
    if let Ok(Some(numbers)) = tokio::time::timeout(ANSWER_TIMEOUT, server.ask()).await {
        let it = Bytes::from(html::render_running(&numbers));
        server.shown.lock().page = Some((server.clock.now(), it.clone()));
        return page(it);
    }
    match server.shown.lock().page.clone() {
        Some((_, it)) => page(it),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(REFRESH, "1")],
            "The run has not begun yet.\n",
        )
            .into_response(),
    }
}

fn page(it: Bytes) -> Response {
    let heads = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (heads, it).into_response()
}

// === impl Server ===

impl Server {
    async fn ask(&self) -> Option<Page> {
        let (ask, answer) = oneshot::channel();
        self.ask.send(ask).await.ok()?;
        answer.await.ok()?
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http_body_util::BodyExt;

    use super::*;
    use dst_load_recording::recording::samples;
    use dst_load_report::report::Report;
    use dst_load_transport::http::{self, Http};

    fn numbers() -> Page {
        let lines = samples::passed();
        let report = Report::of(&lines, &samples::criteria(), true).unwrap();
        Page::of(&lines, report).unwrap()
    }

    async fn look(http: &Http, live: &LivePage) -> (StatusCode, String) {
        let address = http::Address::parse(&live.url(), "").unwrap();
        let answer = http::get(http, &address).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// With a socket: the server's own thread and runtime are what could go wrong.
    #[tokio::test]
    async fn it_follows_the_run_to_its_end() {
        let live = LivePage::serve(Listen::free_port(None), 0).await.unwrap();
        let http = http::kept();
        let (begun, asked) = (Cell::new(false), Cell::new(0));
        let run = live.answer(|| {
            asked.set(asked.get() + 1);
            begun.get().then(numbers)
        });
        let looks = async {
            let (status, said) = look(&http, &live).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(said.contains("has not begun"), "{said}");
            begun.set(true);
            let (status, said) = look(&http, &live).await;
            assert_eq!(status, StatusCode::OK);
            assert!(
                said.contains("id=\"live\"") && said.contains("<strong>Running"),
                "{said}"
            );
            // However many look on, the run is asked once a second at most.
            let before = asked.get();
            for _ in 0..5 {
                look(&http, &live).await;
            }
            assert!(asked.get() <= before + 1, "{} times", asked.get() - before);
        };
        tokio::select! {
            never = run => match never {},
            () = looks => {}
        }
        // Nobody answers any more, as during a cleanup.
        live.finish(&numbers());
        let (status, said) = look(&http, &live).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            !said.contains("id=\"live\"") && said.contains("<strong>Pass"),
            "{said}"
        );
    }
}
