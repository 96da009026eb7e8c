//! The rule, and what binds by it.

use super::*;

fn hosts(listen: &str, service_host: Option<&str>) -> String {
    let listen: Listen = listen.parse().unwrap();
    let hosts = listen.hosts(service_host.map(OsStr::new));
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    format!("{} {}", hosts.join(" "), listen.port)
}

#[test]
fn loopback_unless_in_a_pod_or_told_otherwise() {
    assert_eq!(hosts("9990", None), "127.0.0.1 9990");
    // As client-go: a variable that is empty is none.
    assert_eq!(hosts("9990", Some("")), "127.0.0.1 9990");
    assert_eq!(hosts("9990", Some("10.96.0.1")), ":: 0.0.0.0 9990");
    for told in ["127.0.0.1:1", "0.0.0.0:1", "[::]:1", "[::1]:1"] {
        let address: SocketAddr = told.parse().unwrap();
        let expected = format!("{} 1", address.ip());
        assert_eq!(hosts(told, None), expected);
        assert_eq!(hosts(told, Some("10.96.0.1")), expected);
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        ":9990",
        "+9990",
        "65536",
        "-1",
        "localhost:9990",
        "127.0.0.1",
        "127.0.0.1:",
    ] {
        assert_eq!(text.parse::<Listen>(), Err(NoAddress), "{text}");
    }
    let long = "9".repeat(100_000);
    assert_eq!(long.parse::<Listen>(), Err(NoAddress));
}

#[tokio::test]
async fn in_a_pod_both_families_are_served() {
    let pod = Some(OsStr::new("10.96.0.1"));
    let (_listener, address) = Listen::port(0).bind_by(pod, "--flag").unwrap();
    assert!(address.ip().is_unspecified(), "{address}");
    let port = address.port();
    // Where IPv6 is off there is IPv4 alone.
    let mut hosts = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    if address.is_ipv6() {
        hosts.push(Ipv6Addr::LOCALHOST.into());
    }
    for host in hosts {
        let connected = tokio::net::TcpStream::connect((host, port)).await;
        connected.unwrap_or_else(|error| panic!("{host}: {error}"));
    }
    assert_eq!(
        on_this_machine(address),
        SocketAddr::from(([127, 0, 0, 1], port))
    );
}

#[tokio::test]
async fn on_a_machine_loopback_alone_is_served() {
    let (_, address) = Listen::port(0).bind_by(None, "--flag").unwrap();
    assert!(address.ip().is_loopback());
}

#[tokio::test]
async fn a_port_in_use_is_refused_with_the_flag_or_gives_way() {
    let (_first, taken) = Listen::port(0).bind_by(None, "--flag").unwrap();
    let error = Listen::from(taken).bind("--admin-addr").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {taken}: Address already in use (os error 98); --admin-addr names \
             another address"
        )
    );
    let other = Listen::from(taken).bind_or_free("--admin-addr").await;
    let (_, other) = other.unwrap();
    assert_eq!(other.ip(), taken.ip());
    assert_ne!(other.port(), taken.port());
}
