//! What kinds of objects the judged sets had, read from the objects themselves: so that the check
//! cannot come to see nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ask::Addresses, objects::ObjectSet};

/// How many sets were judged, and how many of those had what.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    pub(super) sets: usize,
    /// Those in which every client was judged.
    pub(super) judged: usize,
    /// Those of the judged in which some client is promised something.
    pub(super) promising: usize,
    /// Those of the judged in which clients are promised different things.
    pub(super) differing: usize,
    pub(super) unjudged: BTreeMap<String, usize>,
    kinds: BTreeMap<&'static str, usize>,
}

/// Whether an object, or a set, is of a kind.
type Is = fn(&ObjectSet) -> bool;

/// All that has to occur.
const KINDS: [(&str, Is); 52] = [
    ("Service with a selector", |it| {
        service(it, |it| it["spec"]["selector"].is_object())
    }),
    ("Service without a selector", |it| {
        service(it, |it| it["spec"]["selector"].is_null())
    }),
    ("Service that does not exist", |it| {
        all(it, "Service").next().is_none()
    }),
    ("headless Service", |it| {
        service(it, |it| it["spec"]["clusterIP"] == "None")
    }),
    ("ExternalName", |it| {
        service(it, |it| it["spec"]["type"] == "ExternalName")
    }),
    ("Service of IPv4", |it| families(it, &["IPv4"])),
    ("Service of IPv6", |it| families(it, &["IPv6"])),
    ("Service of both families", |it| {
        families(it, &["IPv4", "IPv6"])
    }),
    ("unnamed port", |it| {
        service_ports(it, |it| it.len() == 1 && it[0]["name"].is_null())
    }),
    ("several ports", |it| service_ports(it, |it| it.len() > 2)),
    ("one number over two protocols", |it| {
        service_ports(it, |it| it.len() == 2)
    }),
    ("port that is not defined", |it| {
        service_ports(it, |ports| ports.iter().all(|port| port["port"] != it.port))
    }),
    ("internalTrafficPolicy Local", |it| policy(it, "Local")),
    ("internalTrafficPolicy Cluster", |it| policy(it, "Cluster")),
    ("no internalTrafficPolicy", |it| {
        service(it, |it| it["spec"]["internalTrafficPolicy"].is_null())
    }),
    ("publishNotReadyAddresses", |it| {
        service(it, |it| it["spec"]["publishNotReadyAddresses"] == true)
    }),
    ("stream for a host name", |it| it.host.is_some()),
    ("-enable-ipv6", |it| it.ipv6),
    ("-enable-ipv6=false", |it| !it.ipv6),
    ("no slice", |it| all(it, "EndpointSlice").next().is_none()),
    ("several slices", |it| {
        all(it, "EndpointSlice").nth(1).is_some()
    }),
    ("slice of nobody", |it| {
        slice(it, |it| it["metadata"]["labels"].is_null())
    }),
    ("slice of another namespace", |set| {
        slice(set, |it| {
            it["metadata"]["namespace"] != set.names.namespace.as_str()
        })
    }),
    ("slice of IPv6", |it| {
        slice(it, |it| it["addressType"] == "IPv6")
    }),
    ("slice of names", |it| {
        slice(it, |it| it["addressType"] == "FQDN")
    }),
    ("slice without ports", |it| {
        slice(it, |it| it["ports"].is_null())
    }),
    ("port without a number", |it| {
        slice(it, |it| it["ports"][0]["port"].is_null())
    }),
    ("several addresses", |it| {
        entry(it, |it| it["addresses"][1].is_string())
    }),
    ("no conditions", |it| {
        entry(it, |it| it["conditions"].is_null())
    }),
    ("not ready", |it| {
        entry(it, |it| it["conditions"]["ready"] == false)
    }),
    ("terminating", |it| {
        entry(it, |it| it["conditions"]["terminating"] == true)
    }),
    ("no targetRef", |it| {
        entry(it, |it| it["targetRef"].is_null())
    }),
    ("Pod", |it| entry(it, |it| it["targetRef"]["kind"] == "Pod")),
    ("Pod in another namespace", |set| {
        entry(set, |it| {
            let namespace = &it["targetRef"]["namespace"];
            namespace.is_string() && namespace != set.names.namespace.as_str()
        })
    }),
    ("Pod without a namespace", |it| {
        entry(it, |it| {
            it["targetRef"]["kind"] == "Pod" && it["targetRef"]["namespace"].is_null()
        })
    }),
    ("opaque port", |it| {
        all(it, "Pod").any(|it| it["metadata"]["annotations"].is_object())
    }),
    ("meshed Pod", |it| {
        all(it, "Pod").any(|it| it["spec"]["containers"][1].is_object())
    }),
    ("Server", |it| all(it, "Server").next().is_some()),
    ("ExternalWorkload that exists", |it| {
        all(it, "ExternalWorkload").next().is_some()
    }),
    ("slice owned without a label", |it| {
        slice(it, |it| it["metadata"]["ownerReferences"].is_array())
    }),
    ("slice port over UDP", |it| {
        slice(it, |it| it["ports"][0]["protocol"] == "UDP")
    }),
    ("empty list of ports", |it| {
        slice(it, |it| it["ports"].as_array().is_some_and(Vec::is_empty))
    }),
    ("ready is null", |it| {
        entry(it, |it| {
            it["conditions"].get("ready").is_some_and(Value::is_null)
        })
    }),
    ("address twice in an entry", |it| {
        entry(it, |it| it["addresses"][0] == it["addresses"][1])
    }),
    ("ExternalWorkload", |it| {
        entry(it, |it| it["targetRef"]["kind"] == "ExternalWorkload")
    }),
    ("another kind", |it| {
        entry(it, |it| it["targetRef"]["kind"] == "Node")
    }),
    ("no nodeName", |it| entry(it, |it| it["nodeName"].is_null())),
    ("every entry hinted", |it| {
        entry(it, is_hinted) && !entry(it, |it| !is_hinted(it))
    }),
    ("some entries hinted", |it| {
        entry(it, is_hinted) && entry(it, |it| !is_hinted(it))
    }),
    ("hint of a zone without Nodes", |it| {
        entry(it, |it| it["hints"].to_string().contains("zone-x"))
    }),
    ("one Pod in several places", |it| {
        has_twice(it, |it| &it["targetRef"])
    }),
    ("one address in several places", |it| {
        has_twice(it, |it| &it["addresses"][0])
    }),
];

// === impl Coverage ===

impl Coverage {
    /// Counts a set that was judged, and what its clients are promised.
    pub(super) fn judge(&mut self, set: &ObjectSet, promised: &BTreeSet<&Addresses>) {
        self.sets += 1;
        self.judged += 1;
        self.promising += usize::from(promised.iter().any(|it| !it.is_empty()));
        self.differing += usize::from(promised.len() > 1);
        for (kind, is) in KINDS {
            *self.kinds.entry(kind).or_default() += usize::from(is(set));
        }
    }

    /// Counts a set that was not judged.
    pub(super) fn skip(&mut self, reason: &str) {
        self.sets += 1;
        *self.unjudged.entry(reason.to_owned()).or_default() += 1;
    }

    /// Asserts that most sets were judged, that most promised something, and that each kind was
    /// there in one of a hundred.
    pub(super) fn assert_enough(&self) {
        let text = self.to_string();
        assert!(
            self.judged * 10 >= self.sets * 8,
            "few sets are judged: {text}"
        );
        assert!(
            self.promising * 5 >= self.judged * 2,
            "few sets promise anything: {text}"
        );
        assert!(
            self.differing * 8 >= self.judged,
            "few sets depend on the client: {text}"
        );
        for (kind, seen) in &self.kinds {
            assert!(seen * 100 >= self.judged, "{kind} is rare: {text}");
        }
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            sets,
            judged,
            promising,
            differing,
            unjudged,
            kinds,
        } = self;
        writeln!(
            f,
            "{sets} sets, {judged} judged, {promising} with endpoints, \
             {differing} in which they depend on the client"
        )?;
        for (reason, sets) in unjudged {
            writeln!(f, "  not judged, {reason}: {sets}")?;
        }
        for (kind, sets) in kinds {
            writeln!(f, "  {kind}: {sets}")?;
        }
        Ok(())
    }
}

fn all<'a>(set: &'a ObjectSet, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    set.objects.iter().filter(move |it| it["kind"] == kind)
}

fn service(set: &ObjectSet, is: impl Fn(&Value) -> bool) -> bool {
    all(set, "Service").any(is)
}

fn service_ports(set: &ObjectSet, is: impl Fn(&[Value]) -> bool) -> bool {
    service(set, |it| {
        it["spec"]["ports"]
            .as_array()
            .is_some_and(|ports| is(ports))
    })
}

fn families(set: &ObjectSet, families: &[&str]) -> bool {
    service(set, |it| {
        it["spec"]["ipFamilies"] == serde_json::json!(families)
    })
}

fn policy(set: &ObjectSet, policy: &str) -> bool {
    service(set, |it| it["spec"]["internalTrafficPolicy"] == policy)
}

fn slice(set: &ObjectSet, is: impl Fn(&Value) -> bool) -> bool {
    all(set, "EndpointSlice").any(is)
}

fn entries(set: &ObjectSet) -> impl Iterator<Item = &Value> {
    all(set, "EndpointSlice").flat_map(|it| it["endpoints"].as_array().into_iter().flatten())
}

fn entry(set: &ObjectSet, is: impl Fn(&Value) -> bool) -> bool {
    entries(set).any(is)
}

fn is_hinted(entry: &Value) -> bool {
    entry["hints"]["forZones"].is_array()
}

fn has_twice(set: &ObjectSet, what: impl Fn(&Value) -> &Value) -> bool {
    let mut seen = BTreeSet::new();
    let mut all = entries(set).map(what).filter(|it| !it.is_null());
    all.any(|it| !seen.insert(it.to_string()))
}
