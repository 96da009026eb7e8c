//! What holds for any sequence of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use crate::destination::{
    directory::Directory,
    objects::{Service, Slice},
    publisher::GroupId,
};

/// One event of a small cluster: three slices, six addresses, three Pods.
#[derive(Clone, Debug)]
enum Event {
    ApplySlice {
        slice: usize,
        port: u16,
        /// Address, Pod, zone hint.
        endpoints: Vec<(u8, Option<usize>, Option<usize>)>,
    },
    DeleteSlice(usize),
    ApplyService {
        local: bool,
        named: bool,
    },
    DeleteService,
    ApplyPod(usize, u8),
    DeletePod(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let endpoint = (
        0..6_u8,
        prop::option::of(0..3_usize),
        prop::option::of(0..2_usize),
    );
    let endpoints = prop::collection::vec(endpoint, 0..4);
    prop_oneof![
        6 => (0..3_usize, 8080..8082_u16, endpoints)
            .prop_map(|(slice, port, endpoints)| Event::ApplySlice { slice, port, endpoints }),
        2 => (0..3_usize).prop_map(Event::DeleteSlice),
        2 => any::<(bool, bool)>().prop_map(|(local, named)| Event::ApplyService { local, named }),
        1 => Just(Event::DeleteService),
        2 => (0..3_usize, 0..3_u8).prop_map(|(pod, version)| Event::ApplyPod(pod, version)),
        1 => (0..3_usize).prop_map(Event::DeletePod),
    ]
}

fn build_slice(slice: usize, port: u16, endpoints: &[(u8, Option<usize>, Option<usize>)]) -> Slice {
    let endpoints: Value = (endpoints.iter())
        .map(|(ip, pod, zone)| {
            let mut endpoint = json!({"addresses": [format!("10.0.0.{ip}")], "nodeName": "node-1"});
            if let Some(pod) = pod {
                let name = format!("web-{pod}");
                endpoint["targetRef"] = json!({"kind": "Pod", "namespace": "shop", "name": name});
            }
            if let Some(zone) = zone {
                let zone = ["a", "b"][*zone];
                endpoint["hints"] = json!({"forZones": [{"name": zone}]});
            }
            endpoint
        })
        .collect();
    let ports = json!([{"name": "http", "port": port}, {"name": "other", "port": 9090}]);
    slice_with(&format!("slice-{slice}"), ports, endpoints)
}

fn build_service(local: bool, named: bool) -> Service {
    let policy = if local { "Local" } else { "Cluster" };
    let port = if named { "http" } else { "other" };
    service_with(json!({"spec": {
        "internalTrafficPolicy": policy,
        "ports": [{"name": port, "port": 80}],
    }}))
}

/// What two listeners in different zones hold after all that they were told.
struct Listeners(BTreeMap<GroupId, BTreeSet<String>>);

impl Listeners {
    fn new(directory: &mut Directory) -> Self {
        directory.apply_node(node("node-1", "a"));
        directory.apply_node(node("node-2", "b"));
        Self(
            ["node-1", "node-2"]
                .map(|node| {
                    let (group, snapshot) = listen(directory, node);
                    (group, snapshot.into_iter().collect())
                })
                .into(),
        )
    }

    fn hear(&mut self, changes: &[crate::destination::publisher::Change]) {
        for change in changes {
            let held = self.0.get_mut(&change.group).unwrap();
            held.extend(change.diff.add.iter().map(|it| it.addr.to_string()));
            for addr in &change.diff.remove {
                assert!(held.remove(&addr.to_string()), "{addr} was never added");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, who listened all the time holds what who comes last is given.
    #[test]
    fn differences_add_up_to_the_snapshot(events in prop::collection::vec(event(), 1..30)) {
        let mut directory = directory(&[]);
        let mut listeners = Listeners::new(&mut directory);
        let mut service = Some(service());
        let mut slices = BTreeMap::new();
        for event in events {
            let changes = match event {
                Event::ApplySlice { slice, port, endpoints } => {
                    let object = build_slice(slice, port, &endpoints);
                    slices.insert(slice, object.clone());
                    directory.apply_slice(object)
                }
                Event::DeleteSlice(slice) => {
                    slices.remove(&slice);
                    directory.delete_slice(&name(&format!("slice-{slice}")))
                }
                Event::ApplyService { local, named } => {
                    let object = build_service(local, named);
                    service = Some(object.clone());
                    directory.apply_service(object)
                }
                Event::DeleteService => {
                    service = None;
                    directory.delete_service(&name("web"))
                }
                Event::ApplyPod(pod, version) => {
                    let node = json!({"spec": {"nodeName": "node-1"}});
                    directory.apply_pod(pod_with(&format!("web-{pod}"), &version.to_string(), node));
                    vec![]
                }
                Event::DeletePod(pod) => {
                    directory.delete_pod(&name(&format!("web-{pod}")));
                    vec![]
                }
            };
            listeners.hear(&changes);

            let mut fresh = Directory::new(directory.faults.clone());
            if let Some(service) = &service {
                fresh.apply_service(service.clone());
                for slice in slices.values() {
                    fresh.apply_slice(slice.clone());
                }
                let expected = Listeners::new(&mut fresh);
                let expected: Vec<_> = expected.0.into_values().collect();
                prop_assert_eq!(listeners.0.values().cloned().collect::<Vec<_>>(), expected);
            } else {
                prop_assert!(listeners.0.values().all(BTreeSet::is_empty));
            }
        }
    }
}
