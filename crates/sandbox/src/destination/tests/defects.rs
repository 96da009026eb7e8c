//! The defects of the real controller, each of which must be asked for.

use dst_load_scenario::fault::FaultKind;
use serde_json::json;

use super::support::*;
use crate::destination::directory::Directory;

/// The clean directory and one with the defect, each put through the same.
fn both(kind: FaultKind, story: impl Fn(&mut Directory) -> Vec<String>) -> [Vec<String>; 2] {
    let mut clean = directory(&[]);
    let mut defective = directory(&[fault(kind)]);
    let told = [story(&mut clean), story(&mut defective)];
    assert!(clean.faults.struck.is_empty());
    assert!(defective.faults.struck[&kind] > 0);
    told
}

#[test]
fn a_port_that_changes_under_the_same_pod_is_told_unless_ignored() {
    let [clean, defective] = both(FaultKind::IgnorePortChange, |directory| {
        directory.apply_pod(pod("web-1", "1"));
        directory.apply_slice(slice("a", backed(&[("10.0.0.1", "web-1")])));
        listen(directory, "");
        let port = json!([{"name": "http", "port": 8081}]);
        let moved = slice_with("a", port, backed(&[("10.0.0.1", "web-1")]));
        let mut told = told(&directory.apply_slice(moved));
        told.extend(listen(directory, "").1);
        told
    });
    assert_eq!(clean, ["+10.0.0.1:8081 -10.0.0.1:8080", "10.0.0.1:8081"]);
    // Those who listen keep the old port, those who come get the new one.
    assert_eq!(defective, ["10.0.0.1:8081"]);
}

#[test]
fn an_address_that_changes_with_its_pod_loses_the_old_one_unless_ignored() {
    let [clean, defective] = both(FaultKind::IgnorePortChange, |directory| {
        directory.apply_pod(pod("web-1", "1"));
        directory.apply_slice(slice("a", backed(&[("10.0.0.1", "web-1")])));
        listen(directory, "");
        directory.apply_pod(pod("web-1", "2"));
        let mut changes = directory.apply_slice(slice("a", backed(&[("10.0.0.2", "web-1")])));
        changes.extend(directory.apply_slice(slice("a", backed(&[]))));
        told(&changes)
    });
    assert_eq!(clean, ["+10.0.0.2:8080 -10.0.0.1:8080", "-10.0.0.2:8080"]);
    assert_eq!(defective, ["+10.0.0.2:8080", "-10.0.0.2:8080"]);
}

#[test]
fn an_endpoint_in_two_slices_goes_with_the_last_unless_with_the_first() {
    let story = |last: fn(&mut Directory) -> Vec<String>| {
        move |directory: &mut Directory| {
            directory.apply_slice(slice("a", bare(&["10.0.0.1", "10.0.0.2"])));
            directory.apply_slice(slice("b", bare(&["10.0.0.1"])));
            listen(directory, "");
            last(directory)
        }
    };
    let [clean, defective] = both(
        FaultKind::RemoveSharedEndpoint,
        story(|directory| {
            let mut changes = directory.delete_slice(&name("a"));
            changes.extend(directory.delete_slice(&name("b")));
            told(&changes)
        }),
    );
    assert_eq!(clean, ["-10.0.0.2:8080", "-10.0.0.1:8080"]);
    assert_eq!(defective, ["-10.0.0.1:8080 -10.0.0.2:8080"]);

    // The other slice's next event brings it back.
    let [clean, defective] = both(
        FaultKind::RemoveSharedEndpoint,
        story(|directory| {
            let mut changes = directory.apply_slice(slice("a", bare(&["10.0.0.2"])));
            changes.extend(directory.apply_slice(slice("b", bare(&["10.0.0.1"]))));
            told(&changes)
        }),
    );
    assert!(clean.is_empty());
    assert_eq!(defective, ["-10.0.0.1:8080", "+10.0.0.1:8080"]);
}

#[test]
fn a_service_created_again_serves_its_slices_unless_forgotten() {
    let [clean, defective] = both(FaultKind::ForgetRecreatedService, |directory| {
        directory.apply_slice(slice("a", bare(&["10.0.0.1"])));
        listen(directory, "");
        directory.delete_service(&name("web"));
        let mut told_then = told(&directory.apply_service(service()));
        told_then.extend(listen(directory, "").1);
        let rewritten = directory.apply_slice(slice("a", bare(&["10.0.0.1"])));
        told_then.extend(told(&rewritten));
        told_then
    });
    assert_eq!(clean, ["+10.0.0.1:8080", "10.0.0.1:8080"]);
    // Neither who stayed nor who comes gets anything, until the slice is touched.
    assert_eq!(defective, ["+10.0.0.1:8080"]);
}

#[test]
fn a_slice_deleted_after_its_pods_takes_its_addresses_unless_kept() {
    let [clean, defective] = both(FaultKind::KeepAddressesOfDeletedSlice, |directory| {
        for name in ["web-1", "web-2"] {
            directory.apply_pod(pod(name, "1"));
        }
        let endpoints = backed(&[("10.0.0.1", "web-1"), ("10.0.0.2", "web-2")]);
        directory.apply_slice(slice("a", endpoints));
        listen(directory, "");
        directory.delete_pod(&name("web-1"));
        let mut told = told(&directory.delete_slice(&name("a")));
        told.extend(listen(directory, "").1);
        told
    });
    assert_eq!(clean, ["-10.0.0.1:8080 -10.0.0.2:8080"]);
    assert_eq!(defective, ["-10.0.0.2:8080", "10.0.0.1:8080"]);
}
