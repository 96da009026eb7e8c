//! Whether the nodes take the pods, and whether each pod gets an address of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use dst_load_scenario::words::{count, counted};

use super::Outcome;

/// What matters of a Node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether KWOK pretends that it exists.
    pub fake: bool,
    /// Whether pods are put there: it is ready, and not cordoned.
    pub open: bool,
    /// Pods that it takes.
    pub pods: u64,
    /// The range of its pods' addresses, such as `10.1.0.0/16`; empty if none is known.
    pub cidr: String,
}

/// What matters of a Pod that is not at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace and name.
    pub name: String,
    /// Its Node; empty while it has none.
    pub node: String,
    /// Its address, unless it is its Node's.
    pub ip: Option<IpAddr>,
}

/// Whether KWOK is there, as far as its Nodes show.
#[must_use]
pub fn kwok(nodes: &[Node]) -> Outcome {
    let fake = nodes.iter().filter(|node| node.fake && node.open).count();
    if fake > 0 {
        return Outcome::seen(counted(
            fake as u64,
            "ready node of KWOK's",
            "ready nodes of KWOK's",
        ));
    }
    Outcome::warning(
        "there is no ready node of KWOK's (annotation kwok.x-k8s.io/node): pods would run, or wait, \
         on real ones",
        "install KWOK and make nodes: https://kwok.sigs.k8s.io/docs/user/kwok-in-cluster/",
    )
}

/// Whether `wanted` more pods find room. KWOK's Nodes count alone where there are any.
#[must_use]
pub fn room(nodes: &[Node], pods: &[Pod], wanted: u64) -> Outcome {
    let any_fake = nodes.iter().any(|node| node.fake && node.open);
    let ours: BTreeMap<&str, &Node> = nodes
        .iter()
        .filter(|node| node.open && (node.fake || !any_fake))
        .map(|node| (node.name.as_str(), node))
        .collect();
    let room: u64 = ours.values().map(|node| node.pods).sum();
    let taken = pods
        .iter()
        .filter(|pod| ours.contains_key(pod.node.as_str()));
    let taken = taken.count() as u64;
    let free = room.saturating_sub(taken);
    let seen = format!(
        "{} wanted at most; {} of {} places are free on {}",
        counted(wanted, "pod is", "pods are"),
        count(free),
        count(room),
        counted(ours.len() as u64, "node", "nodes")
    );
    if wanted <= free {
        Outcome::seen(seen)
    } else {
        Outcome::failed(
            format!("{seen}: the rest would stay Pending"),
            "make more or larger nodes (a stock KWOK node takes 110 pods), or use fewer endpoints",
        )
    }
}

/// Whether any two pods share an address, or any two Nodes a range: endpoints would be mistaken for
/// one another.
#[must_use]
pub fn collisions(nodes: &[Node], pods: &[Pod]) -> Outcome {
    let hint = "give every node a pod range of its own that is large enough for its pods";
    let mut seen = BTreeMap::new();
    for pod in pods {
        if let Some(ip) = pod.ip
            && let Some(other) = seen.insert(ip, &pod.name)
        {
            return Outcome::failed(format!("{other} and {} both have {ip}", pod.name), hint);
        }
    }
    let mut ranges = BTreeSet::new();
    for node in nodes.iter().filter(|node| node.open) {
        let Some((from, to)) = range(&node.cidr) else {
            continue;
        };
        let places = u64::from(to - from) + 1;
        if node.fake && node.pods > places.saturating_sub(2) {
            return Outcome::warning(
                format!(
                    "node {} takes {}, and its range {} has {} addresses",
                    node.name,
                    counted(node.pods, "pod", "pods"),
                    node.cidr,
                    count(places)
                ),
                hint,
            );
        }
        ranges.insert((from, to, &node.name));
    }
    let ranges: Vec<_> = ranges.into_iter().collect();
    for pair in ranges.windows(2) {
        if let [(_, to, one), (from, _, other)] = pair
            && from <= to
        {
            return Outcome::failed(format!("the pod ranges of {one} and {other} overlap"), hint);
        }
    }
    Outcome::ok()
}

/// The first and the last address of an IPv4 range.
fn range(cidr: &str) -> Option<(u32, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    let hosts = u32::MAX.checked_shr(bits).unwrap_or_default();
    Some((address & !hosts, address | hosts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, fake: bool, pods: u64, cidr: &str) -> Node {
        Node {
            name: name.into(),
            fake,
            open: true,
            pods,
            cidr: cidr.into(),
        }
    }

    fn pod(name: &str, node: &str, ip: [u8; 4]) -> Pod {
        Pod {
            name: name.into(),
            node: node.into(),
            ip: Some(ip.into()),
        }
    }

    fn failed(outcome: &Outcome, with: &str) {
        assert!(
            matches!(outcome, Outcome::Failed { seen, .. } if seen.contains(with)),
            "{outcome:?}"
        );
    }

    #[test]
    fn fake_nodes_count_alone_where_there_are_any() {
        let real = node("real", false, 1_000, "");
        let fake = node("fake", true, 110, "");
        let pods = [
            pod("a", "fake", [10, 0, 0, 1]),
            pod("b", "real", [10, 0, 0, 2]),
        ];
        let both = [real.clone(), fake];
        assert!(matches!(room(&both, &pods, 109), Outcome::Ok { .. }));
        failed(
            &room(&both, &pods, 110),
            "109 of 110 places are free on 1 node",
        );
        assert!(matches!(room(&[real], &pods, 999), Outcome::Ok { .. }));
    }

    #[test]
    fn a_node_that_is_cordoned_or_not_ready_takes_nothing() {
        let mut fake = node("fake", true, 110, "");
        fake.open = false;
        failed(&room(&[fake.clone()], &[], 1), "0 of 0 places");
        assert!(matches!(kwok(&[fake]), Outcome::Warning { .. }));
        assert!(matches!(
            kwok(&[node("a", true, 1, "")]),
            Outcome::Ok { .. }
        ));
    }

    #[test]
    fn shared_addresses_and_overlapping_ranges_are_named() {
        let apart = [
            node("a", true, 200, "10.1.0.0/24"),
            node("b", true, 200, "10.1.1.0/24"),
        ];
        let pods = [pod("x", "a", [10, 1, 0, 1]), pod("y", "b", [10, 1, 1, 1])];
        assert_eq!(collisions(&apart, &pods), Outcome::ok());
        let twice = [pod("x", "a", [10, 1, 0, 1]), pod("y", "b", [10, 1, 0, 1])];
        failed(&collisions(&apart, &twice), "x and y both have 10.1.0.1");
        let over = [
            node("a", true, 9, "10.1.0.0/16"),
            node("b", true, 9, "10.1.7.0/24"),
        ];
        failed(&collisions(&over, &[]), "the pod ranges of a and b overlap");
        let small = [node("a", true, 255, "10.1.0.0/24")];
        assert!(matches!(collisions(&small, &[]), Outcome::Warning { .. }));
    }
}
