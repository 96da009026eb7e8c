//! One test for each rule that `docs/measurement.md` calls a promise.

use std::net::IpAddr;

use super::*;
use crate::kubernetes::{EndpointTarget, ServicePort, SliceEndpoint, SlicePort};

fn service() -> Service {
    Service {
        ports: vec![ServicePort {
            name: "http".into(),
            port: 8080,
        }],
        local_traffic_only: false,
        external_name: false,
    }
}

fn pod(n: u8, node: &str) -> SliceEndpoint {
    SliceEndpoint {
        addresses: vec![IpAddr::from([10, 0, 0, n])],
        ready: true,
        target: EndpointTarget::Pod(format!("pod-{n}")),
        node: Some(node.into()),
        hostname: None,
        zones: Vec::new(),
    }
}

fn slice(endpoints: Vec<SliceEndpoint>) -> Slice {
    Slice {
        ports: vec![SlicePort {
            name: "http".into(),
            port: Some(9090),
        }],
        endpoints,
    }
}

fn place() -> Place {
    Place {
        node: "node-1".into(),
        zone: "zone-1".into(),
    }
}

fn promised(service: &Service, slices: &[Slice]) -> Vec<String> {
    with(service, slices, Flags::DEFAULT)
}

fn with(service: &Service, slices: &[Slice], flags: Flags) -> Vec<String> {
    promise(Some(service), slices, 8080, &place(), flags)
        .iter()
        .map(|e| e.address.to_string())
        .collect()
}

#[test]
fn a_service_that_does_not_exist_promises_nothing() {
    assert!(
        offer(None, &[slice(vec![pod(1, "node-1")])], Flags::DEFAULT)
            .promised(&place())
            .is_empty()
    );
}

#[test]
fn the_port_is_found_by_the_service_ports_name() {
    let slices = [slice(vec![pod(1, "node-1")])];
    assert_eq!(promised(&service(), &slices), ["10.0.0.1:9090"]);
}

#[test]
fn a_port_name_that_no_slice_has_promises_nothing() {
    let mut other = slice(vec![pod(1, "node-1")]);
    other.ports[0].name = "grpc".into();
    assert!(promised(&service(), &[other]).is_empty());
}

#[test]
fn an_undefined_port_is_used_verbatim() {
    let slices = [slice(vec![pod(1, "node-1")])];
    let promised = promise(Some(&service()), &slices, 7777, &place(), Flags::DEFAULT);
    assert_eq!(
        promised.first().map(|e| e.address.to_string()),
        Some("10.0.0.1:7777".into())
    );
}

#[test]
fn only_ready_endpoints_are_promised() {
    let mut waiting = pod(2, "node-1");
    waiting.ready = false;
    let slices = [slice(vec![pod(1, "node-1"), waiting])];
    assert_eq!(promised(&service(), &slices), ["10.0.0.1:9090"]);
}

#[test]
fn an_endpoint_in_two_slices_is_promised_once() {
    let slices = [
        slice(vec![pod(1, "node-1")]),
        slice(vec![pod(1, "node-1"), pod(2, "node-1")]),
    ];
    assert_eq!(
        promised(&service(), &slices),
        ["10.0.0.1:9090", "10.0.0.2:9090"]
    );
}

#[test]
fn local_traffic_policy_keeps_the_pods_of_the_clients_node_and_drops_bare_addresses() {
    let mut local = service();
    local.local_traffic_only = true;
    let mut bare = pod(3, "node-1");
    bare.target = EndpointTarget::Bare;
    let slices = [slice(vec![pod(1, "node-1"), pod(2, "node-2"), bare])];
    assert_eq!(promised(&local, &slices), ["10.0.0.1:9090"]);
}

#[test]
fn zone_hints_count_only_where_every_endpoint_has_one() {
    let hinted = |n, zone: &str| {
        let mut pod = pod(n, "node-1");
        pod.zones = vec![zone.into()];
        pod
    };
    let all = [slice(vec![hinted(1, "zone-1"), hinted(2, "zone-2")])];
    assert_eq!(promised(&service(), &all), ["10.0.0.1:9090"]);
    let some = [slice(vec![hinted(1, "zone-1"), pod(2, "node-1")])];
    assert_eq!(promised(&service(), &some).len(), 2);
    let elsewhere = [slice(vec![hinted(1, "zone-2"), hinted(2, "zone-3")])];
    assert_eq!(
        promised(&service(), &elsewhere).len(),
        2,
        "an empty zone falls back to all"
    );
}

#[test]
fn an_entry_that_points_at_a_node_is_not_served() {
    let mut node = pod(1, "node-1");
    node.target = EndpointTarget::Other;
    assert!(promised(&service(), &[slice(vec![node])]).is_empty());
}

#[test]
fn a_pod_with_both_families_is_served_by_its_ipv6_address() {
    let mut v6 = pod(1, "node-1");
    v6.addresses = vec!["fd00::1".parse().unwrap()];
    let slices = [
        slice(vec![pod(1, "node-1"), pod(2, "node-1")]),
        slice(vec![v6]),
    ];
    assert_eq!(
        promised(&service(), &slices),
        ["10.0.0.2:9090", "[fd00::1]:9090"]
    );
}

#[test]
fn place_matters_only_with_local_policy_or_hints() {
    let mut slices = [slice(vec![pod(1, "node-1")])];
    let depends = |service: &Service, slices: &[Slice]| {
        offer(Some(service), slices, Flags::DEFAULT).depends_on_place()
    };
    assert!(!depends(&service(), &slices));
    assert!(depends(&local(), &slices));
    slices[0].endpoints[0].zones = vec!["zone-1".into()];
    assert!(depends(&service(), &slices));
    slices[0].endpoints.push(pod(2, "node-1"));
    assert!(!depends(&service(), &slices), "one without hints");
}

fn offer(service: Option<&Service>, slices: &[Slice], flags: Flags) -> Offer {
    Offer::new(service, slices, 8080, flags)
}

fn local() -> Service {
    Service {
        local_traffic_only: true,
        ..service()
    }
}

fn hinted(n: u8, node: &str, zone: &str) -> SliceEndpoint {
    SliceEndpoint {
        zones: vec![zone.into()],
        ..pod(n, node)
    }
}

/// The same pod, by its IPv6 address.
fn six(pod: SliceEndpoint) -> SliceEndpoint {
    let IpAddr::V4(v4) = pod.addresses[0] else {
        panic!("it is IPv6 already");
    };
    let n = v4.octets()[3];
    SliceEndpoint {
        addresses: vec![format!("fd00::{n}").parse().unwrap()],
        ..pod
    }
}

fn bare(address: &str) -> SliceEndpoint {
    SliceEndpoint {
        addresses: vec![address.parse().unwrap()],
        target: EndpointTarget::Bare,
        ..pod(0, "node-1")
    }
}

fn flags(ipv6: Option<bool>) -> Flags {
    Flags {
        ipv6,
        ..Flags::DEFAULT
    }
}

#[test]
fn with_local_traffic_policy_hints_are_not_read() {
    let slices = [slice(vec![
        hinted(1, "node-1", "zone-1"),
        hinted(2, "node-1", "zone-2"),
        hinted(3, "node-2", "zone-1"),
    ])];
    assert_eq!(
        promised(&local(), &slices),
        ["10.0.0.1:9090", "10.0.0.2:9090"]
    );
}

#[test]
fn hints_are_read_over_both_families_and_the_family_is_chosen_last() {
    let some = [
        slice(vec![pod(1, "node-1"), pod(2, "node-1")]),
        slice(vec![six(hinted(1, "node-1", "zone-1"))]),
    ];
    assert_eq!(
        promised(&service(), &some),
        ["10.0.0.2:9090", "[fd00::1]:9090"],
        "one without hints switches them off for all"
    );
    let apart = [
        slice(vec![hinted(1, "node-1", "zone-1")]),
        slice(vec![six(hinted(1, "node-1", "zone-2"))]),
    ];
    assert_eq!(promised(&service(), &apart), ["10.0.0.1:9090"]);
    let six_here = [
        slice(vec![hinted(1, "node-1", "zone-2")]),
        slice(vec![six(hinted(2, "node-1", "zone-1"))]),
    ];
    assert!(
        with(&service(), &six_here, flags(Some(false))).is_empty(),
        "what hints leave is what the family is chosen of"
    );
}

#[test]
fn local_traffic_policy_comes_before_the_family() {
    let slices = [
        slice(vec![pod(1, "node-1")]),
        slice(vec![six(pod(1, "node-2"))]),
    ];
    assert_eq!(promised(&local(), &slices), ["10.0.0.1:9090"]);
}

#[test]
fn without_ipv6_pods_are_served_by_ipv4_alone_and_bare_addresses_as_they_are() {
    let slices = [
        slice(vec![pod(1, "node-1"), pod(2, "node-1"), bare("10.9.9.9")]),
        slice(vec![
            six(pod(1, "node-1")),
            six(pod(3, "node-1")),
            bare("fd00::9"),
        ]),
    ];
    assert_eq!(
        with(&service(), &slices, flags(Some(false))),
        [
            "10.0.0.1:9090",
            "10.0.0.2:9090",
            "10.9.9.9:9090",
            "[fd00::9]:9090"
        ]
    );
    assert_eq!(
        with(&service(), &slices, flags(Some(true))),
        [
            "10.0.0.2:9090",
            "10.9.9.9:9090",
            "[fd00::1]:9090",
            "[fd00::3]:9090",
            "[fd00::9]:9090"
        ]
    );
}

#[test]
fn where_ipv6_is_not_known_only_services_for_which_it_matters_are_unjudged() {
    let unjudged = |entries, ipv6| {
        let slices = [slice(vec![pod(1, "node-1")]), slice(entries)];
        offer(Some(&service()), &slices, flags(ipv6)).unjudged()
    };
    let doubt = Some(Unjudged::Ipv6Unknown);
    for (entries, unknown) in [
        (vec![pod(2, "node-1")], None),
        (vec![bare("fd00::9")], None),
        (vec![six(pod(1, "node-1"))], doubt),
        (vec![six(pod(2, "node-1"))], doubt),
    ] {
        assert_eq!(unjudged(entries.clone(), None), unknown, "{entries:?}");
        assert_eq!(unjudged(entries.clone(), Some(true)), None);
        assert_eq!(unjudged(entries, Some(false)), None);
    }
    let mut waiting = six(pod(1, "node-1"));
    waiting.ready = false;
    assert_eq!(unjudged(vec![waiting], None), None, "it is not served");
}

#[test]
fn without_endpoint_slices_nothing_is_judged() {
    let off = Flags {
        endpoint_slices: Some(false),
        ..Flags::DEFAULT
    };
    let slices = [slice(vec![pod(1, "node-1")])];
    for service in [None, Some(&service())] {
        let offer = offer(service, &slices, off);
        assert_eq!(offer.unjudged(), Some(Unjudged::EndpointSlicesOff));
    }
    let unknown = offer(Some(&service()), &slices, Flags::default());
    assert_eq!(unknown.unjudged(), None, "both defaults have them on");
}

#[test]
fn a_slice_without_ports_promises_nothing_whatever_is_asked_for() {
    let mut portless = slice(vec![pod(1, "node-1")]);
    portless.ports.clear();
    let undefined = promise(
        Some(&service()),
        [&portless],
        7777,
        &place(),
        Flags::DEFAULT,
    );
    assert!(undefined.is_empty());
    assert!(promised(&service(), &[portless]).is_empty());
}

#[test]
fn of_two_service_ports_with_one_number_the_first_counts() {
    let mut twice = service();
    twice.ports.insert(
        0,
        ServicePort {
            name: "dns".into(),
            port: 8080,
        },
    );
    let mut slices = [slice(vec![pod(1, "node-1")])];
    assert!(promised(&twice, &slices).is_empty());
    slices[0].ports.push(SlicePort {
        name: "dns".into(),
        port: Some(53),
    });
    assert_eq!(promised(&twice, &slices), ["10.0.0.1:53"]);
}

#[test]
fn a_port_without_a_name_and_one_with_an_empty_name_are_the_same() {
    let mut nameless = service();
    nameless.ports[0].name = String::new();
    let mut slices = [slice(vec![pod(1, "node-1")])];
    assert!(promised(&nameless, &slices).is_empty());
    slices[0].ports[0].name = String::new();
    assert_eq!(promised(&nameless, &slices), ["10.0.0.1:9090"]);
}

#[test]
fn an_external_name_promises_nothing() {
    let external = Service {
        external_name: true,
        ..service()
    };
    assert!(promised(&external, &[slice(vec![pod(1, "node-1")])]).is_empty());
}

#[test]
fn of_several_addresses_of_one_pod_the_last_is_served_and_of_a_bare_entry_all() {
    let mut several = pod(1, "node-1");
    several.addresses.push(IpAddr::from([10, 0, 0, 7]));
    assert_eq!(
        promised(&service(), &[slice(vec![several.clone()])]),
        ["10.0.0.7:9090"]
    );
    several.target = EndpointTarget::Bare;
    assert_eq!(promised(&service(), &[slice(vec![several])]).len(), 2);
}

#[test]
fn a_pod_at_two_addresses_in_two_slices_is_not_judged() {
    let mut moved = pod(1, "node-1");
    moved.addresses = vec![IpAddr::from([10, 0, 0, 7])];
    let slices = [slice(vec![pod(1, "node-1")]), slice(vec![moved])];
    let offer = offer(Some(&service()), &slices, Flags::DEFAULT);
    assert_eq!(offer.unjudged(), Some(Unjudged::Contradictory));
}

#[test]
fn local_traffic_policy_is_not_judged_where_a_slice_does_not_name_the_node() {
    let mut slices = [slice(vec![pod(1, "node-1"), bare("10.9.9.9")])];
    slices[0].endpoints[1].node = None;
    let unjudged = |service: &Service, slices: &[Slice]| {
        offer(Some(service), slices, Flags::DEFAULT).unjudged()
    };
    assert_eq!(unjudged(&local(), &slices), None, "a bare address has none");
    slices[0].endpoints[0].node = None;
    assert_eq!(unjudged(&local(), &slices), Some(Unjudged::PodNodeUnknown));
    assert_eq!(unjudged(&service(), &slices), None);
}

#[test]
fn pods_that_share_an_address_are_one_endpoint_of_no_pod() {
    let mut other = pod(2, "node-1");
    other.addresses = pod(1, "node-1").addresses;
    let slices = [slice(vec![pod(1, "node-1"), other, pod(3, "node-1")])];
    let promised = promise(Some(&service()), &slices, 8080, &place(), Flags::DEFAULT);
    let shared = Endpoint::bare("10.0.0.1:9090".parse().unwrap());
    let alone = Endpoint::of_pod("10.0.0.3:9090".parse().unwrap(), "pod-3");
    assert_eq!(promised.into_iter().collect::<Vec<_>>(), [shared, alone]);
}

#[test]
fn what_is_available_counts_each_pod_once_wherever_clients_are() {
    let slices = [
        slice(vec![
            hinted(1, "node-1", "zone-1"),
            hinted(2, "node-2", "zone-2"),
        ]),
        slice(vec![six(hinted(1, "node-1", "zone-1")), bare("10.9.9.9")]),
    ];
    assert_eq!(offer(Some(&local()), &slices, flags(None)).available(), 3);
}

#[test]
fn slices_that_disagree_on_hints_are_not_judged_where_hints_may_count() {
    let once = hinted(1, "node-1", "zone-1");
    for again in [hinted(1, "node-1", "zone-2"), pod(1, "node-1")] {
        let two = [slice(vec![once.clone()]), slice(vec![again.clone()])];
        let unjudged =
            |slices: &[Slice]| offer(Some(&service()), slices, Flags::DEFAULT).unjudged();
        assert_eq!(unjudged(&two), Some(Unjudged::Contradictory));
        // Within one slice the last counts.
        assert_eq!(unjudged(&[slice(vec![once.clone(), again.clone()])]), None);
        // Another endpoint without hints switches them off, whatever else there is.
        let off = [
            slice(vec![once.clone(), pod(2, "node-1")]),
            slice(vec![again]),
        ];
        assert_eq!(unjudged(&off), None);
        assert_eq!(promised(&service(), &off).len(), 2);
    }
}

#[test]
fn slices_that_disagree_on_a_pods_node_are_not_judged_with_local_traffic_policy() {
    let slices = [slice(vec![pod(1, "node-1")]), slice(vec![pod(1, "node-2")])];
    let mut local = service();
    assert_eq!(
        offer(Some(&local), &slices, Flags::DEFAULT).unjudged(),
        None
    );
    local.local_traffic_only = true;
    assert_eq!(
        offer(Some(&local), &slices, Flags::DEFAULT).unjudged(),
        Some(Unjudged::PodNodeUnknown)
    );
}

#[test]
fn slices_that_list_the_same_two_addresses_of_a_pod_agree() {
    let mut both = pod(1, "node-1");
    both.addresses.insert(0, IpAddr::from([10, 0, 1, 1]));
    let slices = [slice(vec![both.clone()]), slice(vec![both])];
    assert_eq!(
        offer(Some(&service()), &slices, Flags::DEFAULT).unjudged(),
        None
    );
    assert_eq!(promised(&service(), &slices), ["10.0.0.1:9090"]);
}

#[test]
fn a_host_name_has_its_endpoints_alone_and_only_their_hints_count() {
    let named = |mut entry: SliceEndpoint| {
        entry.hostname = Some("one".into());
        entry
    };
    let near = named(hinted(1, "node-1", "zone-1"));
    let far = named(hinted(2, "node-1", "zone-2"));
    let slices = [slice(vec![near.clone(), far, pod(3, "node-1")])];
    let of = |host, slices: &[Slice]| {
        let flags = Flags::DEFAULT;
        let offer = Offer::of_instance(host, Some(&service()), slices, 8080, flags);
        (offer.promised(&place()).len(), offer.unjudged())
    };
    assert_eq!(of(None, &slices), (3, None));
    assert_eq!(of(Some("one"), &slices), (1, None));
    assert_eq!(of(Some("two"), &slices), (0, None));
    let disagreeing = [
        slice(vec![near]),
        slice(vec![hinted(1, "node-1", "zone-1")]),
    ];
    assert_eq!(of(None, &disagreeing), (1, None));
    assert_eq!(
        of(Some("one"), &disagreeing).1,
        Some(Unjudged::Contradictory)
    );
}

#[test]
fn a_bare_address_with_and_without_a_host_name_is_two_listings_of_one_endpoint() {
    let mut named = bare("10.0.0.1");
    named.hostname = Some("one".into());
    named.zones = vec!["zone-2".into()];
    let slices = [slice(vec![
        named,
        bare("10.0.0.1"),
        hinted(2, "node-1", "zone-1"),
    ])];
    // The one without hints switches them off.
    assert_eq!(promised(&service(), &slices).len(), 2);
    assert_eq!(
        offer(Some(&service()), &slices, Flags::DEFAULT).available(),
        2
    );
}

/// An entry of a slice of names.
fn name(zone: &str) -> SliceEndpoint {
    SliceEndpoint {
        addresses: Vec::new(),
        target: EndpointTarget::Bare,
        ..hinted(9, "node-1", zone)
    }
}

#[test]
fn hints_of_what_cannot_be_served_are_not_judged_where_hints_count() {
    let unjudged = |slices: &[Slice]| offer(Some(&service()), slices, Flags::DEFAULT).unjudged();
    let no_number = |entries| {
        let mut slice = slice(entries);
        slice.ports[0].port = None;
        slice
    };
    let hinted_pod = || slice(vec![hinted(1, "node-1", "zone-2")]);
    let names = || slice(vec![name("zone-1")]);
    let portless = || no_number(vec![hinted(2, "node-1", "zone-1")]);
    for beside in [names(), portless()] {
        let both = [hinted_pod(), beside.clone()];
        assert_eq!(unjudged(&both), Some(Unjudged::Unservable));
        // Without a hint, or as long as all else has none, it changes nothing.
        assert_eq!(unjudged(std::slice::from_ref(&beside)), None);
        let both = [slice(vec![pod(1, "node-1")]), beside];
        assert_eq!(unjudged(&both), None);
        assert_eq!(promised(&service(), &both), ["10.0.0.1:9090"]);
    }
    let not_ready = SliceEndpoint {
        ready: false,
        ..name("zone-1")
    };
    assert_eq!(unjudged(&[hinted_pod(), slice(vec![not_ready])]), None);
}

#[test]
fn a_pod_that_a_slice_without_a_port_number_lists_too_is_not_judged() {
    let mut no_number = slice(vec![pod(1, "node-1")]);
    no_number.ports[0].port = None;
    let unjudged = |number| {
        let slices = [slice(vec![pod(number, "node-1")]), no_number.clone()];
        offer(Some(&service()), &slices, Flags::DEFAULT).unjudged()
    };
    assert_eq!(unjudged(1), Some(Unjudged::Unservable));
    assert_eq!(unjudged(2), None);
}

#[test]
fn pods_of_one_name_in_two_namespaces_are_two_endpoints() {
    let elsewhere = SliceEndpoint {
        target: EndpointTarget::PodElsewhere {
            namespace: "elsewhere".into(),
            name: "pod-1".into(),
        },
        ..pod(2, "node-1")
    };
    let slices = [slice(vec![pod(1, "node-1"), elsewhere])];
    let offer = offer(Some(&service()), &slices, Flags::DEFAULT);
    assert_eq!((offer.available(), offer.unjudged()), (2, None));
    // An update names a pod by its name alone.
    let of = |address: &str| Endpoint::of_pod(address.parse().unwrap(), "pod-1");
    let both = BTreeSet::from([of("10.0.0.1:9090"), of("10.0.0.2:9090")]);
    assert_eq!(offer.promised(&place()), both);
}
