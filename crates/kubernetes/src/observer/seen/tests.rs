//! Claims about what has been seen, with given instants.

use super::*;

const SLICES: WatchedResource = WatchedResource::EndpointSlices;

fn object(uid: &str, version: &str) -> Metadata {
    Metadata {
        name: uid.to_owned(),
        namespace: "shop".to_owned(),
        uid: uid.to_owned(),
        resource_version: version.to_owned(),
        ..Metadata::default()
    }
}

fn written(version: Option<&str>) -> Written {
    Written {
        object: "e".into(),
        resource_version: version.map(Into::into),
    }
}

fn at(millis: u64) -> At {
    At::from_millis(millis)
}

/// The largest lag measured, and the deliveries that all count for.
fn lag(seen: &mut Seen, source: LagSource) -> Option<(Duration, u64)> {
    let lags = seen.take_lags().remove(&source)?;
    Some((lags.max()?.value, lags.count()))
}

/// That lag of these milliseconds.
fn ms(millis: u64, deliveries: u64) -> Option<(Duration, u64)> {
    let lag = Latency::resolved(Duration::from_millis(millis));
    Some((lag, deliveries))
}

const NONE: Duration = Duration::ZERO;
const BEAT: LagSource = LagSource::Heartbeat;

#[test]
fn a_lag_counts_for_the_deliveries_since_the_acknowledgement_before_it() {
    let mut seen = Seen::default();
    seen.acknowledge(&written(Some("5")), at(1_000), NONE, BEAT, 10);
    seen.note(SLICES, at(1_000), &object("e", "5"), false, 10);
    assert_eq!(lag(&mut seen, BEAT), ms(0, 10));
    seen.acknowledge(&written(Some("6")), at(2_000), NONE, BEAT, 40);
    // Of another object.
    seen.note(SLICES, at(2_100), &object("f", "7"), false, 45);
    assert_eq!(lag(&mut seen, BEAT), None);
    seen.note(SLICES, at(2_300), &object("e", "6"), false, 50);
    assert_eq!(lag(&mut seen, BEAT), ms(300, 40));
    // Nothing was delivered meanwhile: it matters to nobody.
    seen.acknowledge(&written(Some("8")), at(3_000), NONE, BEAT, 50);
    seen.acknowledge(&written(Some("9")), at(4_000), NONE, BEAT, 50);
    seen.note(SLICES, at(5_000), &object("e", "9"), false, 50);
    assert_eq!(lag(&mut seen, BEAT), ms(2_000, 10));
    assert_eq!(seen.overdue(at(60_000)), None);
}

#[test]
fn an_event_before_its_acknowledgement_is_no_lag_even_if_it_is_told_later() {
    let mut seen = Seen::default();
    for (version, millis) in [("5", 900), ("6", 1_900), ("7", 2_900)] {
        seen.note(SLICES, at(millis), &object("e", version), false, 10);
    }
    seen.acknowledge(&written(Some("5")), at(1_000), NONE, BEAT, 10);
    assert_eq!(lag(&mut seen, BEAT), ms(0, 10));
    seen.acknowledge(&written(Some("6")), at(1_500), NONE, BEAT, 20);
    assert_eq!(lag(&mut seen, BEAT), ms(400, 10));
}

#[test]
fn what_the_clocks_leave_open_counts_against_the_observer() {
    let mut seen = Seen::default();
    let slack = Duration::from_millis(30);
    seen.note(SLICES, at(1_000), &object("e", "5"), false, 10);
    seen.acknowledge(&written(Some("5")), at(1_010), slack, BEAT, 10);
    assert_eq!(lag(&mut seen, BEAT), ms(20, 10));
    seen.acknowledge(&written(Some("6")), at(2_000), slack, BEAT, 20);
    seen.note(SLICES, at(2_100), &object("e", "6"), false, 20);
    assert_eq!(lag(&mut seen, BEAT), ms(130, 10));
}

#[test]
fn a_deletion_is_waited_for_too() {
    let mut seen = Seen::default();
    seen.note(SLICES, at(0), &object("e", "5"), false, 0);
    seen.acknowledge(&written(None), at(1_000), NONE, LagSource::OwnWrites, 0);
    assert_eq!(seen.overdue(at(6_000)), None);
    assert_eq!(
        seen.overdue(at(6_001)),
        Some((at(1_000), LagSource::OwnWrites))
    );
    seen.note(SLICES, at(7_000), &object("e", "6"), true, 5);
    assert_eq!(seen.overdue(at(60_000)), None);
    assert_eq!(lag(&mut seen, LagSource::OwnWrites), ms(6_000, 5));
    // One that was seen to be gone before.
    seen.acknowledge(&written(None), at(7_500), NONE, LagSource::OwnWrites, 6);
    assert_eq!(lag(&mut seen, LagSource::OwnWrites), ms(0, 6));
}

#[test]
fn a_list_is_older_or_newer_than_what_was_seen_object_by_object() {
    let listed = |uid: &str, version: &str| Object::of(object(uid, version));
    let mut seen = Seen::default();
    for (uid, version) in [("a", "5"), ("b", "9"), ("c", "4"), ("d", "9"), ("g", "6")] {
        seen.note(SLICES, at(0), &object(uid, version), false, 0);
    }
    seen.note(SLICES, at(2_000), &object("g", "9"), true, 0);
    // At version 8: `a` has gone on unseen, `b` has gone on since, `c` went unseen, `d` is new
    // since, `e` came unseen, and `g` has gone since.
    let list = [
        listed("a", "7"),
        listed("b", "6"),
        listed("e", "8"),
        listed("g", "6"),
    ];
    let found = |asked| -> Vec<String> {
        let found = seen.differences(SLICES, &list, "8", asked);
        found.into_iter().map(|it| it.words).collect()
    };
    let differ = [
        "endpointslices shop/a was listed at 7, seen at 5",
        "endpointslices shop/e was listed at 8, not seen",
        "endpointslices shop/c was not listed, seen at 4",
    ];
    assert_eq!(found(at(1_000)), differ);
    // What was gone before the list was asked for would not be in it.
    assert_eq!(found(at(3_000)).len(), 4);
    // An object of the same name is another.
    let again = [Object::of(Metadata {
        name: "b".into(),
        ..object("b2", "8")
    })];
    assert_eq!(seen.differences(SLICES, &again, "8", at(0)).len(), 2);
}
