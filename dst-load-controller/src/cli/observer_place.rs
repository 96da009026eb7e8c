//! Where the reference observer runs.

use dst_load_kubernetes::observer::{WatchError, Watching};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// On the runtime of whoever asks: a thread would be invisible to the paused clock.
pub(super) fn here(watching: Watching) -> BoxFuture<'static, Result<(), WatchError>> {
    watching()
}

/// On a thread and a runtime of its own, so that neither streams nor reports delay its stamps.
/// The thread ends when the future is dropped.
pub(super) fn own_thread(watching: Watching) -> BoxFuture<'static, Result<(), WatchError>> {
    let (told, ended) = oneshot::channel();
    let (alive, dropped) = oneshot::channel::<()>();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let result = match runtime {
            Err(error) => Err(WatchError::Client(error.to_string())),
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = dropped => Ok(()),
                    result = watching() => result,
                }
            }),
        };
        // Nobody listens any more if the run has ended meanwhile.
        let _ = told.send(result);
    };
    // The one thread of our own: what it stamps must not wait for the streams. It has a name, so that
    // its cost can be told from theirs.
    let thread = std::thread::Builder::new().name("observer".into());
    if let Err(error) = thread.spawn(work) {
        let error = WatchError::Client(format!("no thread for the observer: {error}"));
        return Box::pin(std::future::ready(Err(error)));
    }
    Box::pin(async move {
        let _alive = alive;
        ended
            .await
            .unwrap_or_else(|_| Err(WatchError::Client("the observer's thread died".into())))
    })
}
