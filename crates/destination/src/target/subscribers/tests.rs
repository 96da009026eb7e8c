//! Tests what is read of the pages of controllers, and that no name leaves it.

use std::{fmt::Write as _, time::Duration};

use dst_load_scenario::derive::{Derived, Wanted};
use proptest::prelude::*;

use super::*;

/// A page as a controller of Linkerd's serves it, with a stream of each kind.
const PAGE: &str = r#"# HELP cluster_store_size The number of linked clusters in the remote discovery cluster store
# TYPE cluster_store_size gauge
cluster_store_size 1
# HELP endpoints_exists A gauge which is 1 if the endpoints exists and 0 if it does not.
# TYPE endpoints_exists gauge
endpoints_exists{cluster="local",hostname="",namespace="shop-ns",nodename="node-a.example",port="8080",service="web-svc"} 1
# TYPE endpoints_pods gauge
endpoints_pods{cluster="local",hostname="",namespace="shop-ns",nodename="node-a.example",port="8080",service="web-svc"} 12
endpoints_pods{cluster="local",hostname="",namespace="shop-ns",nodename="node-b.example",port="8080",service="web-svc"} 0
# TYPE endpoints_subscribers gauge
endpoints_subscribers{cluster="local",hostname="",namespace="shop-ns",nodename="node-a.example",port="8080",service="web-svc"} 3
endpoints_subscribers{cluster="local",hostname="",namespace="shop-ns",nodename="node-b.example",port="8080",service="web-svc"} 2
endpoints_subscribers{cluster="local",hostname="",namespace="shop-ns",nodename="node-b.example",port="9090",service="web-svc"} 1
endpoints_subscribers{cluster="local",hostname="db-0",namespace="shop-ns",nodename="",port="5432",service="db-svc"} 4
endpoints_subscribers{cluster="east-cl",hostname="",namespace="shop-ns",nodename="node-a.example",port="8080",service="far-svc"} 5
# TYPE endpoints_updates counter
endpoints_updates{cluster="local",hostname="",namespace="shop-ns",nodename="node-a.example",port="8080",service="web-svc"} 40
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_code="OK",grpc_method="Get",grpc_service="io.linkerd.proxy.destination.Destination",grpc_type="server_stream"} 30
grpc_server_handled_total{grpc_code="NotFound",grpc_method="Get",grpc_service="io.linkerd.proxy.destination.Destination",grpc_type="server_stream"} 5
# TYPE grpc_server_started_total counter
grpc_server_started_total{grpc_method="Get",grpc_service="io.linkerd.proxy.destination.Destination",grpc_type="server_stream"} 50
grpc_server_started_total{grpc_method="GetProfile",grpc_service="io.linkerd.proxy.destination.Destination",grpc_type="server_stream"} 21
# TYPE node_cache_size gauge
node_cache_size{cluster="local"} 7
node_cache_size{cluster="east-cl"} 900
pod_cache_size{cluster="local"} 310
service_cache_size{cluster="local"} 62
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.70000000012e+09
# TYPE profile_subscribers gauge
profile_subscribers{namespace="shop-ns",profile="web-svc.shop-ns.svc.cluster.local"} 6
"#;

/// What no scenario may hold.
const NAMES: [&str; 9] = [
    "shop", "web-svc", "db-", "far-svc", "east-cl", "node-", "example", "8080", "5432",
];

fn page(text: &str) -> SubscriberPage {
    SubscriberPage::read("a", text).unwrap()
}

/// The page of another replica.
fn other(text: &str) -> SubscriberPage {
    let text = text.replace("1.70000000012e+09", "1.70000000013e+09");
    SubscriberPage::read("b", &text).unwrap()
}

fn derived(observed: Observed) -> String {
    let wanted = Wanted {
        clients: None,
        scale: 1.0,
    };
    Derived::of(observed, wanted).unwrap().to_string()
}

#[test]
fn the_streams_of_a_page_are_counted_by_service_and_node() {
    let all = observed(&[page(PAGE)], None).unwrap();
    let group = |service, node, subscribers, endpoints| Group {
        service,
        node,
        subscribers,
        endpoints,
        ..Group::default()
    };
    let instance = Group {
        instance: true,
        ..group(0, None, 4, 0)
    };
    let expected = Observed {
        replicas: 1,
        groups: vec![
            instance,
            group(1, Some(0), 3, 12),
            group(1, Some(1), 2, 0),
            group(2, Some(1), 1, 0),
        ],
        remote: Remote {
            services: 1,
            streams: 5,
        },
        get_streams: Some(15),
        profile_streams: Some(21),
        profile_subscribers: 6,
        cached: Cached {
            nodes: Some(7),
            pods: Some(310),
            services: Some(62),
        },
        window: None,
    };
    assert_eq!(all, expected);
}

#[test]
fn no_name_of_a_cluster_is_in_the_scenario() {
    for name in NAMES {
        assert!(PAGE.contains(name), "{name}");
    }
    let all = observed(&[page(PAGE), other(PAGE)], None).unwrap();
    let later = Some((&[page(PAGE)][..], Duration::from_secs(7)));
    for observed in [all, observed(&[page(PAGE)], later).unwrap()] {
        let text = derived(observed);
        for name in NAMES {
            assert!(!text.contains(name), "{name} in\n{text}");
        }
        assert!(text.contains("\n  services: 3\n"), "{text}");
        assert!(text.contains("1 Service, "), "of other clusters: {text}");
    }
}

#[test]
fn streams_of_replicas_are_added_up_and_what_each_has_is_not() {
    let all = observed(&[page(PAGE), other(PAGE)], None).unwrap();
    let one = observed(&[page(PAGE)], None).unwrap();
    assert_eq!(all.replicas, 2);
    assert_eq!(all.groups, [&one.groups[..], &one.groups[..]].concat());
    assert_eq!(all.get_streams, Some(30));
    assert_eq!(all.profile_subscribers, 12);
    assert_eq!(all.cached, one.cached);
    assert_eq!((all.remote.services, all.remote.streams), (1, 10));
}

#[test]
fn events_are_what_each_group_counted_between_two_pages() {
    let events = |now: &str| {
        let later = PAGE.replace("} 40\n", &format!("}} {now}\n"));
        let window = Duration::from_secs(60);
        let all = observed(&[page(&later)], Some((&[page(PAGE)], window))).unwrap();
        assert_eq!(all.window, Some(window));
        all.groups.iter().map(|it| it.events).collect::<Vec<_>>()
    };
    assert_eq!(events("40"), [0, 0, 0, 0]);
    assert_eq!(events("52"), [0, 12, 0, 0]);
    // It was left and made again.
    assert_eq!(events("9"), [0, 9, 0, 0]);
}

#[test]
fn what_is_no_page_of_a_controller_is_refused_and_says_what_it_is() {
    let refused = |text: &str| SubscriberPage::read("http://a/metrics", text).unwrap_err();
    let place = || "http://a/metrics".to_owned();
    for text in ["", "<html>", "up 1\n", "kubelet_running_pods 3\n"] {
        assert_eq!(refused(text), SubscribersError::Foreign { place: place() });
    }
    // A Prometheus that scrapes a controller still says nothing of it on its own page.
    let text = "prometheus_build_info{version=\"3.5.0\"} 1\nprometheus_tsdb_head_series 9\n";
    assert_eq!(
        refused(text),
        SubscribersError::Prometheus { place: place() }
    );
    // A controller that nobody asks, and what somebody cut out of a page.
    for text in [
        "cluster_store_size 0\n",
        "# HELP cluster_store_size The number.\ncluster_store_size 0\n",
        "endpoints_subscribers{service=\"a\"} 1\n",
    ] {
        assert!(SubscriberPage::read("a", text).is_ok(), "{text}");
    }
    for (value, fault) in [
        ("NaN", "endpoints_subscribers is NaN"),
        ("-1", "endpoints_subscribers is -1"),
        ("1.5", "endpoints_subscribers is 1.5"),
        ("1e13", "endpoints_subscribers is 10000000000000"),
        ("x", "endpoints_subscribers is \"x\", which is no number"),
    ] {
        let fault = fault.to_owned();
        let error = refused(&format!("endpoints_subscribers{{service=\"a\"}} {value}\n"));
        let place = place();
        assert_eq!(error, SubscribersError::Implausible { place, fault });
    }
}

#[test]
fn a_replica_that_is_given_twice_or_restarts_is_refused() {
    let twice = observed(&[page(PAGE), other(PAGE), page(PAGE)], None);
    let same = |first: &str, second: &str| SubscribersError::SameReplica {
        first: first.into(),
        second: second.into(),
    };
    assert_eq!(twice.unwrap_err(), same("a", "a"));
    // By another address.
    let again = SubscriberPage::read("c", PAGE).unwrap();
    let twice = observed(&[other(PAGE), page(PAGE), again], None);
    assert_eq!(twice.unwrap_err(), same("a", "c"));
    // Pages without the time are told apart by their place alone.
    let bare = |place| SubscriberPage::read(place, "endpoints_subscribers 1\n").unwrap();
    assert!(observed(&[bare("a"), bare("b")], None).is_ok());
    assert_eq!(
        observed(&[bare("a"), bare("a")], None).unwrap_err(),
        same("a", "a")
    );
    let earlier = (&[page(PAGE)][..], Duration::from_secs(1));
    let restarted = observed(&[other(PAGE)], Some(earlier)).unwrap_err();
    assert_eq!(restarted, SubscribersError::Restarted { place: "b".into() });
}

proptest! {
    /// Streams that are spread over the pages of two replicas come to what was spread.
    #[test]
    fn pages_of_two_replicas_have_all_streams(
        counts in prop::collection::btree_map((0..6_u8, 0..4_u8), (0..50_u64, 0..50_u64), 1..20),
    ) {
        let text = |replica: fn(&(u64, u64)) -> u64| {
            let mut text = String::from("cluster_store_size 0\n");
            for ((service, node), both) in &counts {
                let streams = replica(both);
                let labels = format!(
                    "cluster=\"local\",hostname=\"\",namespace=\"n\",nodename=\"{node}\",port=\"80\",service=\"{service}\""
                );
                writeln!(text, "endpoints_subscribers{{{labels}}} {streams}").unwrap();
            }
            text
        };
        let pages = [
            SubscriberPage::read("a", &text(|it| it.0)).unwrap(),
            SubscriberPage::read("b", &text(|it| it.1)).unwrap(),
        ];
        let all = observed(&pages, None).unwrap();
        let sum: u64 = counts.values().map(|it| it.0 + it.1).sum();
        prop_assert_eq!(all.groups.iter().map(|it| it.subscribers).sum::<u64>(), sum);
        let mut services: Vec<_> = all.groups.iter().map(|it| it.service).collect();
        services.sort_unstable();
        services.dedup();
        let mut asked: Vec<_> = counts.iter().filter(|(_, it)| it.0 + it.1 > 0).map(|it| it.0.0).collect();
        asked.dedup();
        prop_assert_eq!(services.len(), asked.len());
    }
}
