//! Claims about our own endpoints, with a cluster that is a few maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::stale_state::StaleStateCase;

/// What the API server would hold, and what went on meanwhile.
#[derive(Default)]
struct Cluster {
    service: bool,
    /// By number, the address of each Pod that has one.
    pods: BTreeMap<u32, Option<Ipv4Addr>>,
    slices: BTreeMap<u32, Slice>,
    waited: Duration,
    /// Addresses of all Pods and bare endpoints that ever were.
    given: BTreeSet<Ipv4Addr>,
    /// Endpoints listed, after each write of a slice.
    sizes: Vec<usize>,
    writes: usize,
    /// Slices that named a Pod which was not there, or not at that address.
    ahead_of_pods: usize,
}

impl Cluster {
    fn does(&mut self, work: &Work) {
        match work {
            Work::Write(write) => self.write(write),
            Work::Wait(span) => self.waited += *span,
            Work::InTurn(all) | Work::Together(all) => all.iter().for_each(|it| self.does(it)),
        }
    }

    fn write(&mut self, write: &Write) {
        self.writes += 1;
        match write {
            Write::MakeService => assert!(!std::mem::replace(&mut self.service, true)),
            Write::DropService => assert!(std::mem::replace(&mut self.service, false)),
            Write::MakePod(member) => assert!(self.pods.insert(member.number, None).is_none()),
            Write::ReadyPod(member) => {
                let pod = self.pods.get_mut(&member.number).unwrap();
                *pod = Some(member.address);
                self.given.insert(member.address);
            }
            Write::DropPod(number) => assert!(self.pods.remove(number).is_some()),
            Write::MakeSlice(slice) => {
                assert!(!self.slices.contains_key(&slice.number));
                self.put(slice);
            }
            Write::PutSlice(slice) => {
                assert!(self.slices.contains_key(&slice.number));
                self.put(slice);
            }
            Write::DropSlice(number) => {
                assert!(self.slices.remove(number).is_some());
                self.sizes.push(self.addresses().len());
            }
        }
    }

    fn put(&mut self, slice: &Slice) {
        assert!(slice.members.len() <= 100);
        let behind = |member: &&Member| {
            self.pods.get(&member.number).copied().flatten() != Some(member.address)
        };
        self.ahead_of_pods += usize::from(slice.members.iter().any(|it| behind(&it)));
        self.given.extend(slice.members.iter().map(|it| it.address));
        self.slices.insert(slice.number, slice.clone());
        self.sizes.push(self.addresses().len());
    }

    /// What the slices list, each as often as they do.
    fn addresses(&self) -> Vec<Ipv4Addr> {
        let members = self.slices.values().flat_map(|slice| &slice.members);
        members.map(|member| member.address).collect()
    }
}

const PODS: Backend = Backend::Pods {
    meshed: false,
    addresses: AddressRange::RESERVED,
};
const SLICES: Backend = Backend::Slices {
    addresses: AddressRange::RESERVED,
};
const STABLE: Pattern = Pattern::Stable { endpoints: 0 };

fn roster(backend: Backend, pattern: &Pattern) -> Roster {
    Roster::new(backend, pattern, 8080, 0, 1).unwrap()
}

fn created(backend: Backend, pattern: &Pattern, endpoints: u32) -> (Roster, Cluster) {
    let (mut roster, mut cluster) = (roster(backend, pattern), Cluster::default());
    cluster.does(&roster.plan(&Verb::Create { endpoints }).unwrap());
    cluster.sizes.clear();
    (roster, cluster)
}

fn scale(to: u32) -> Verb {
    Verb::Scale { from: 0, to }
}

fn provoked(case: StaleStateCase, rounds: u32) -> Cluster {
    let (mut roster, mut cluster) = created(PODS, &STABLE, 4);
    for round in 1..=rounds {
        let verb = Verb::Provoke {
            case,
            endpoints: 4,
            round,
        };
        cluster.does(&roster.plan(&verb).unwrap());
    }
    cluster
}

#[test]
fn the_clusters_own_controllers_need_no_roster() {
    assert!(Roster::new(Backend::default(), &STABLE, 8080, 0, 1).is_none());
}

#[test]
fn bare_endpoints_are_slices_and_nothing_else_and_nobody_waits() {
    let (mut roster, mut cluster) = created(SLICES, &STABLE, 10);
    assert!(cluster.service && cluster.pods.is_empty());
    assert_eq!(cluster.slices.len(), 1);
    cluster.does(&roster.plan(&scale(250)).unwrap());
    let sizes: Vec<_> = cluster.slices.values().map(|it| it.members.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    cluster.does(&roster.plan(&scale(10)).unwrap());
    assert_eq!((cluster.slices.len(), roster.endpoints()), (1, 10));
    assert_eq!(cluster.waited, Duration::ZERO);
    // The Service, the first slice, three on the way up, three on the way down.
    assert_eq!(cluster.writes, 8);
}

#[test]
fn pods_come_before_their_slices_and_go_after_them() {
    let mut roster = roster(PODS, &STABLE);
    let member = |number| Member {
        number,
        address: Ipv4Addr::from_bits(0xf000_0000 + number - 1),
    };
    let pod = |number| {
        Work::InTurn(vec![
            Work::Write(Write::MakePod(member(number))),
            Work::Write(Write::ReadyPod(member(number))),
        ])
    };
    let slice = |members: &[u32]| Slice {
        number: 1,
        port: 8080,
        members: members.iter().map(|&it| member(it)).collect(),
    };
    assert_eq!(
        roster.plan(&Verb::Create { endpoints: 2 }).unwrap(),
        Work::InTurn(vec![
            Work::Write(Write::MakeService),
            Work::Together(vec![Work::InTurn(vec![
                Work::Together(vec![pod(1), pod(2)]),
                Work::Wait(LEAD),
                Work::Write(Write::MakeSlice(slice(&[1, 2]))),
            ])]),
        ])
    );
    assert_eq!(
        roster.plan(&scale(1)).unwrap(),
        Work::Together(vec![Work::InTurn(vec![
            Work::Write(Write::PutSlice(slice(&[1]))),
            Work::Wait(LEAD),
            Work::Together(vec![Work::Write(Write::DropPod(2))]),
        ])])
    );
}

#[test]
fn a_rollout_replaces_all_a_few_at_a_time() {
    for (surge, unavailable, backend) in [(2, 0, PODS), (0, 3, SLICES), (3, 2, PODS)] {
        let pattern = Pattern::RollingUpdate {
            endpoints: 10,
            every: Duration::from_secs(60),
            max_surge: surge,
            max_unavailable: unavailable,
        };
        let (mut roster, mut cluster) = created(backend, &pattern, 10);
        let before: BTreeSet<_> = cluster.addresses().into_iter().collect();
        cluster.does(&roster.plan(&Verb::Restart { endpoints: 10 }).unwrap());
        let after: BTreeSet<_> = cluster.addresses().into_iter().collect();
        assert_eq!(after.len(), 10);
        assert!(before.is_disjoint(&after));
        let (most, least) = (10 + surge as usize, 10 - unavailable as usize);
        assert!(
            cluster.sizes.iter().all(|it| (least..=most).contains(it)),
            "{:?}",
            cluster.sizes
        );
        assert!(cluster.sizes.len() > 3, "{:?}", cluster.sizes);
        assert!(backend == SLICES || cluster.ahead_of_pods == 0);
    }
}

#[test]
fn services_share_the_addresses_and_one_that_has_had_all_of_its_own_says_so() {
    let addresses = "10.9.8.0/24".parse().unwrap();
    let backend = Backend::Slices { addresses };
    let mut given = BTreeSet::new();
    for index in 0..3 {
        let mut roster = Roster::new(backend, &STABLE, 8080, index, 3).unwrap();
        let mut cluster = Cluster::default();
        cluster.does(&roster.plan(&Verb::Create { endpoints: 64 }).unwrap());
        assert_eq!(cluster.given.len(), 64);
        assert!(given.is_disjoint(&cluster.given));
        given.extend(cluster.given);

        assert_eq!(
            roster.plan(&scale(65)).unwrap_err().to_string(),
            "all 64 addresses of 10.9.8.0/24 that are the Service's have been given, and none is \
             given twice"
        );
        assert_eq!(roster.endpoints(), 64);
    }
}

#[test]
fn a_port_changes_there_and_back_and_the_pods_stay() {
    let ports = |rounds| {
        let cluster = provoked(StaleStateCase::PortChanged, rounds);
        assert_eq!((cluster.pods.len(), cluster.given.len()), (4, 4));
        cluster
            .slices
            .values()
            .map(|it| it.port)
            .collect::<Vec<_>>()
    };
    assert_eq!((ports(1), ports(2)), (vec![8081], vec![8080]));
}

#[test]
fn addresses_change_with_their_pods_or_without() {
    let cluster = provoked(StaleStateCase::AddressChanged, 1);
    assert_eq!((cluster.addresses().len(), cluster.given.len()), (4, 8));
    assert_eq!(cluster.ahead_of_pods, 1);
    let cluster = provoked(StaleStateCase::PodMoved, 1);
    assert_eq!((cluster.addresses().len(), cluster.given.len()), (4, 8));
    assert_eq!(cluster.ahead_of_pods, 0);
}

#[test]
fn a_second_slice_shares_one_endpoint_and_goes() {
    let cluster = provoked(StaleStateCase::SharedEndpoint, 2);
    assert_eq!(cluster.sizes, [5, 4, 5, 4]);
    assert_eq!(cluster.given.len(), 4);
}

#[test]
fn slices_outlive_their_pods_or_precede_them() {
    let cluster = provoked(StaleStateCase::SliceAfterPods, 2);
    assert_eq!(cluster.sizes, [8, 4, 8, 4]);
    assert_eq!((cluster.pods.len(), cluster.slices.len()), (4, 1));
    let cluster = provoked(StaleStateCase::SliceBeforePods, 2);
    assert_eq!(cluster.sizes, [8, 4, 8]);
    assert_eq!((cluster.pods.len(), cluster.slices.len()), (8, 2));
    assert_eq!(cluster.ahead_of_pods, 2);
}

#[test]
fn a_service_that_is_made_again_keeps_its_slices() {
    let cluster = provoked(StaleStateCase::ServiceRecreated, 1);
    assert!(cluster.service && cluster.sizes.is_empty());
    assert_eq!(cluster.addresses().len(), 4);
}

#[test]
fn what_a_stale_state_case_expects_is_what_it_does() {
    for &case in StaleStateCase::ALL {
        let (mut roster, mut cluster) = created(PODS, &STABLE, 4);
        for round in 1..=3 {
            let verb = Verb::Provoke {
                case,
                endpoints: 4,
                round,
            };
            let port = |cluster: &Cluster| cluster.slices[&1].port;
            let before = (cluster.addresses(), port(&cluster));
            cluster.does(&roster.plan(&verb).unwrap());
            let (add, remove) = verb.expects();
            let (grown, now) = (cluster.addresses().len(), before.0.len());
            assert_eq!(grown + remove as usize, now + add as usize, "{case}");
            let moved = cluster.addresses() != before.0 || port(&cluster) != before.1;
            let moves = !matches!(
                case,
                StaleStateCase::SharedEndpoint
                    | StaleStateCase::SliceAfterPods
                    | StaleStateCase::ServiceRecreated
            );
            assert_eq!(moved, moves, "{case}");
            assert!(now <= case.peak(4) as usize);
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_for_no_endpoint_is_in_two_slices_and_no_address_is_given_twice(
        sizes in prop::collection::vec((0_u32..350, any::<bool>()), 1..8),
        pods in any::<bool>(),
    ) {
        let backend = if pods { PODS } else { SLICES };
        let pattern = Pattern::RollingUpdate {
            endpoints: 0,
            every: Duration::from_secs(1),
            max_surge: 7,
            max_unavailable: 4,
        };
        let (mut roster, mut cluster) = created(backend, &pattern, 5);
        let mut ever = cluster.given.len();
        for (to, restart) in sizes {
            let size = roster.endpoints();
            let verb = if restart { Verb::Restart { endpoints: size } } else { scale(to) };
            let new = if restart { size } else { to.saturating_sub(size) };
            cluster.does(&roster.plan(&verb).unwrap());
            let listed = cluster.addresses();
            let distinct: BTreeSet<_> = listed.iter().collect();
            prop_assert_eq!(distinct.len(), listed.len());
            let wanted = if restart { size } else { to };
            prop_assert_eq!(listed.len(), wanted as usize);
            prop_assert!(cluster.slices.values().all(|slice| !slice.members.is_empty()));
            // Never one address twice: so many new endpoints, so many new addresses.
            ever += new as usize;
            prop_assert_eq!(cluster.given.len(), ever);
            if pods {
                prop_assert_eq!(cluster.ahead_of_pods, 0);
                prop_assert_eq!(cluster.pods.len(), listed.len());
            }
        }
    }
}
