//! Claims about a session that watches nothing, in virtual time: what its phases wait for, and how it
//! ends.

use std::{cell::Cell, path::Path};

use dst_load_kubernetes::observer::SILENCE;
use dst_load_recording::recording::{Phase, TargetKind, read, samples};
use dst_load_scenario::{flags::Flags, scenario::Client};
use dst_load_transport::{
    mock::{Answer, mock},
    world::World,
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A session without Services, in a cluster that never answers.
fn session<W: io::Write>(out: W, stop: &CancellationToken) -> WatchingSession<W> {
    let clock = Clock::start();
    let (kube, _) = mock(clock, |_| Answer::Silence);
    let config = SessionConfig {
        world: World {
            kube: Arc::new(move || Ok(kube.clone())),
            destination: Arc::new(|_| Box::pin(std::future::pending())),
            further: Vec::new(),
            listed: None,
        },
        target_cluster: None,
        observer: |watching| watching(),
        watch_silence: SILENCE,
        target: None,
        policy_controller: None,
        fleet: fleet_config(&Client::default(), "clients", 1, DEADLINE),
        limits: DEADLINE.into(),
        sample_self: false,
        profiles: None,
        flags: Flags::DEFAULT,
    };
    let recorder = Recorder::new(out, Path::new("memory"));
    let churner = Churner::Unknown;
    WatchingSession::new(clock, Vec::new(), config, churner, recorder, stop.clone())
}

/// Cancels `stop` after some seconds, for ever.
async fn stop_after<T>(seconds: u32, stop: &CancellationToken) -> T {
    tokio::time::sleep(SECOND * seconds).await;
    stop.cancel();
    std::future::pending().await
}

/// What comes of settling for 10 s after churn that ended like this, with a signal after 5 s.
async fn settled(ended: ChurnEnd) -> (Completion, At) {
    let stop = CancellationToken::new();
    let session = session(Vec::new(), &stop);
    let completion = tokio::select! {
        biased;
        completion = session.settle(ended, tokio::time::sleep(SECOND * 10)) => completion,
        never = stop_after::<Completion>(5, &stop) => never,
    };
    (completion, session.now())
}

#[tokio::test(start_paused = true)]
async fn a_signal_interrupts_settling_unless_one_has_ended_the_churn() {
    let settled = async |ended| settled(ended).await;
    assert_eq!(
        settled(ChurnEnd::Planned).await,
        (Completion::Interrupted, At::from_secs(5))
    );
    assert_eq!(
        settled(ChurnEnd::Stopped).await,
        (Completion::Complete, At::from_secs(10))
    );
    assert_eq!(
        settled(ChurnEnd::CutOff).await,
        (Completion::Interrupted, At::from_secs(10))
    );
}

/// When settling for at most 10 s ends, where something is pending for `pending` seconds.
async fn settles_at(pending: u64, quiet: Duration) -> At {
    let session = session(Vec::new(), &CancellationToken::new());
    let is_pending = || session.now() < At::from_secs(pending);
    let limit = SettleLimit::At(At::from_secs(10));
    session.settle_until(limit, quiet, is_pending).await;
    session.now()
}

#[tokio::test(start_paused = true)]
async fn settling_ends_after_a_quiet_period_and_at_its_limit() {
    assert_eq!(settles_at(0, Duration::ZERO).await, At::ZERO);
    assert_eq!(settles_at(0, SECOND).await, At::from_secs(1));
    // Looked at every 50 ms; the period counts from when something was last pending.
    assert_eq!(settles_at(3, SECOND).await, At::from_millis(3_950));
    assert_eq!(settles_at(3, Duration::ZERO).await, At::from_secs(3));
    assert_eq!(settles_at(60, SECOND).await, At::from_secs(10));
}

/// The end of a session with such phases, and its recording.
async fn ended(
    phases: impl Future<Output = Result<Completion, SessionError>>,
    stop: &CancellationToken,
) -> (Ended, Vec<Line>) {
    let mut out = Vec::new();
    let session = session(&mut out, stop);
    let ended = session
        .run(samples::header(TargetKind::Linkerd), Box::pin(phases))
        .await;
    drop(session);
    (ended, read(out.as_slice()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_last_line_says_how_a_session_ended() {
    let stop = CancellationToken::new();
    let last = |lines: &[Line]| match lines.last() {
        Some(Line::End(end)) => (end.interrupted, end.error.clone(), end.spared),
        line => panic!("{line:?}"),
    };
    for (completion, interrupted) in [
        (Completion::Complete, false),
        (Completion::Interrupted, true),
    ] {
        let (ended, lines) = ended(async { Ok(completion) }, &stop).await;
        assert!(matches!(lines[0], Line::Header(_)));
        assert_eq!(ended.interrupted, interrupted);
        assert!(ended.error.is_none());
        assert_eq!(last(&lines), (interrupted, None, false));
    }
    let lost = || Err(SessionError::Watch(WatchError::Client("no CA".into())));
    let (ended, lines) = ended(async { lost() }, &stop).await;
    let error = ended.error.unwrap().to_string();
    assert!(!ended.interrupted);
    assert_eq!(last(&lines), (false, Some(error), false));
}

#[tokio::test(start_paused = true)]
async fn phases_that_do_not_end_after_a_signal_are_cut_off_after_what_was_announced() {
    let stop = CancellationToken::new();
    let mut out = Vec::new();
    let session = session(&mut out, &stop);
    let announced = Cell::new(false);
    let phases = async {
        session.journal.enter(Phase::Settling);
        stop.cancel();
        assert_eq!(session.announce_settling(), At::ZERO + DEADLINE);
        announced.set(true);
        std::future::pending().await
    };
    let ended = session
        .run(samples::header(TargetKind::Linkerd), Box::pin(phases))
        .await;
    assert!(announced.get() && ended.interrupted);
    assert_eq!(session.now(), At::ZERO + DEADLINE + SECOND * 7);
}
