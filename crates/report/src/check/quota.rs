//! Whether the ResourceQuotas of a namespace let a run make what it wants.

use std::collections::BTreeMap;

use dst_load_scenario::words::count;

use super::Outcome;

/// What matters of a ResourceQuota.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// What it allows, by resource, as Kubernetes writes it.
    pub hard: BTreeMap<String, String>,
    /// What is used of that.
    pub used: BTreeMap<String, String>,
    /// The Pods that it counts, if not all: `BestEffort`, `NotBestEffort`, `Terminating`, ….
    pub scopes: Vec<String>,
}

/// What a run wants at its peak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Services.
    pub services: u64,
    /// Deployments, each with a ReplicaSet.
    pub deployments: u64,
    /// Pods.
    pub pods: u64,
    /// EndpointSlices, at least.
    pub slices: u64,
    /// What a Pod's containers request and are limited to, by `requests.cpu` and the like. Empty if
    /// they are not known.
    pub pod: Option<BTreeMap<String, String>>,
}

/// The amounts that a Pod may have, and their names in a quota.
const AMOUNTS: [(&str, &str); 9] = [
    ("cpu", "requests.cpu"),
    ("memory", "requests.memory"),
    ("ephemeral-storage", "requests.ephemeral-storage"),
    ("requests.cpu", "requests.cpu"),
    ("requests.memory", "requests.memory"),
    ("requests.ephemeral-storage", "requests.ephemeral-storage"),
    ("limits.cpu", "limits.cpu"),
    ("limits.memory", "limits.memory"),
    ("limits.ephemeral-storage", "limits.ephemeral-storage"),
];

/// Whether all of them have room. What can never fit fails; what does not fit beside what is there
/// is a warning, for that may be gone by then.
#[must_use]
pub fn room(quotas: &[Quota], wanted: &Wanted) -> Outcome {
    let hint = "raise the quota, name another namespace with --namespace, or run fewer endpoints";
    let mut never = Vec::new();
    let mut full = Vec::new();
    let mut unset = Vec::new();
    for quota in quotas.iter().filter(|it| it.counts(wanted)) {
        for (resource, hard) in &quota.hard {
            let name = &quota.name;
            let want = match quota.wants(resource, wanted) {
                Want::Nothing => continue,
                Want::Unset(amount) => {
                    unset.push(format!(
                        "quota {name} limits {resource}, and Pods here set no {amount}"
                    ));
                    continue;
                }
                Want::Amount(want) => want,
            };
            let used = quota.used.get(resource).and_then(|it| amount(it));
            let (Some(limit), used) = (amount(hard), used.unwrap_or_default()) else {
                continue;
            };
            if want > limit {
                never.push(format!(
                    "quota {name} allows {hard} {resource}, and {} are wanted",
                    words(want)
                ));
            } else if want + used > limit {
                full.push(format!(
                    "quota {name} allows {hard} {resource}, of which {} are used, and {} are wanted",
                    quota.used.get(resource).map_or("0", String::as_str),
                    words(want)
                ));
            }
        }
    }
    if !unset.is_empty() && never.is_empty() {
        let hint = "give the namespace a LimitRange with defaults for containers, or name another \
                    one with --namespace";
        return Outcome::failed(unset.join("; "), hint);
    }
    if !never.is_empty() {
        return Outcome::failed(never.join("; "), hint);
    }
    if !full.is_empty() {
        return Outcome::warning(full.join("; "), hint);
    }
    match quotas {
        [] => Outcome::seen("there are none"),
        _ => Outcome::ok(),
    }
}

/// What a run wants of one resource of a quota.
enum Want {
    Nothing,
    Amount(f64),
    /// Pods are refused where they do not set this amount.
    Unset(&'static str),
}

// === impl Quota ===

impl Quota {
    /// Whether it counts anything of what a run makes. Its Pods have no deadline and no priority
    /// class of their own.
    fn counts(&self, wanted: &Wanted) -> bool {
        let best_effort = wanted.pod.as_ref().map(BTreeMap::is_empty);
        self.scopes.iter().all(|scope| match scope.as_str() {
            "NotTerminating" => true,
            "BestEffort" => best_effort.unwrap_or(false),
            "NotBestEffort" => !best_effort.unwrap_or(true),
            _ => false,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "there are no 2^53 objects")]
    fn wants(&self, resource: &str, wanted: &Wanted) -> Want {
        let number = match resource {
            "pods" | "count/pods" => wanted.pods,
            "services" | "count/services" => wanted.services,
            "count/deployments.apps" | "count/replicasets.apps" => wanted.deployments,
            "count/endpointslices.discovery.k8s.io" => wanted.slices,
            "count/leases.coordination.k8s.io" => 1,
            _ => return Self::wants_of_pods(resource, wanted),
        };
        if number == 0 {
            Want::Nothing
        } else {
            Want::Amount(number as f64)
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "there are no 2^53 Pods")]
    fn wants_of_pods(resource: &str, wanted: &Wanted) -> Want {
        let named = AMOUNTS.iter().find(|(name, _)| *name == resource);
        let (Some((_, set)), Some(pod), true) = (named, &wanted.pod, wanted.pods > 0) else {
            return Want::Nothing;
        };
        match pod.get(*set) {
            Some(of_one) => amount(of_one).map_or(Want::Nothing, |of_one| {
                Want::Amount(of_one * wanted.pods as f64)
            }),
            None => Want::Unset(set),
        }
    }
}

/// A quantity of Kubernetes' in its base unit.
#[must_use]
pub fn amount(quantity: &str) -> Option<f64> {
    let end = quantity
        .find(|it: char| !it.is_ascii_digit() && !matches!(it, '.' | '+' | '-'))
        .unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(end);
    let scale = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        // An exponent.
        _ => return quantity.parse().ok(),
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// A number of objects, or an amount in its base unit.
fn words(amount: f64) -> String {
    if amount.fract() == 0.0 && amount >= 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and not negative"
        )]
        let whole = amount as u64;
        count(whole)
    } else {
        format!("{amount:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn quota(hard: &[(&str, &str)], used: &[(&str, &str)]) -> Quota {
        Quota {
            name: "q".to_owned(),
            hard: map(hard),
            used: map(used),
            scopes: Vec::new(),
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            services: 5,
            deployments: 5,
            pods: 25,
            slices: 5,
            pod: Some(map(&[("requests.cpu", "1m"), ("requests.memory", "1Mi")])),
        }
    }

    fn said(quotas: &[Quota]) -> (char, String) {
        match room(quotas, &wanted()) {
            Outcome::Ok { seen } => ('√', seen.unwrap_or_default()),
            Outcome::Warning { seen, .. } => ('‼', seen),
            Outcome::Failed { seen, .. } => ('×', seen),
        }
    }

    #[test]
    fn what_can_never_fit_fails_and_what_may_fit_later_is_a_warning() {
        for (resource, too_few, enough) in [
            ("pods", "24", "25"),
            ("count/pods", "24", "25"),
            ("services", "4", "5"),
            ("count/services", "4", "5"),
            ("count/deployments.apps", "4", "5"),
            ("count/replicasets.apps", "4", "5"),
            ("count/endpointslices.discovery.k8s.io", "4", "5"),
            ("count/leases.coordination.k8s.io", "0", "1"),
            ("requests.cpu", "24m", "25m"),
            ("cpu", "0", "1"),
            ("requests.memory", "24Mi", "25Mi"),
            ("memory", "10M", "1Gi"),
        ] {
            let (sign, seen) = said(&[quota(&[(resource, too_few)], &[])]);
            assert_eq!(sign, '×', "{resource}: {seen}");
            assert!(
                seen.contains(&format!("allows {too_few} {resource}")),
                "{seen}"
            );
            assert_eq!(
                said(&[quota(&[(resource, enough)], &[])]).0,
                '√',
                "{resource}"
            );
            let used = quota(&[(resource, enough)], &[(resource, enough)]);
            assert_eq!(said(&[used]).0, '‼', "{resource}");
        }
    }

    #[test]
    fn a_quota_of_something_else_does_not_matter() {
        let other = quota(
            &[
                ("services.loadbalancers", "0"),
                ("count/jobs.batch", "0"),
                ("requests.nvidia.com/gpu", "0"),
                ("persistentvolumeclaims", "0"),
            ],
            &[],
        );
        assert_eq!(said(&[other]).0, '√');
        assert_eq!(said(&[]), ('√', "there are none".to_owned()));
        let scoped = |scope: &str| Quota {
            scopes: vec![scope.to_owned()],
            ..quota(&[("pods", "1")], &[])
        };
        for (scope, sign) in [
            ("BestEffort", '√'),
            ("Terminating", '√'),
            ("PriorityClass", '√'),
            ("NotBestEffort", '×'),
            ("NotTerminating", '×'),
        ] {
            assert_eq!(said(&[scoped(scope)]).0, sign, "{scope}");
        }
    }

    #[test]
    fn a_quota_of_limits_wants_pods_to_have_them() {
        let (sign, seen) = said(&[quota(&[("limits.cpu", "100")], &[])]);
        assert_eq!(sign, '×');
        assert_eq!(
            seen,
            "quota q limits limits.cpu, and Pods here set no limits.cpu"
        );
        // Nobody makes Pods then.
        let without = Wanted {
            pods: 0,
            ..wanted()
        };
        let quotas = [quota(&[("limits.cpu", "100"), ("pods", "0")], &[])];
        assert_eq!(room(&quotas, &without), Outcome::ok());
    }

    #[test]
    fn amounts_are_read_however_kubernetes_writes_them() {
        for (text, number) in [
            ("2", 2.0),
            ("500m", 0.5),
            ("1.5", 1.5),
            ("2k", 2_000.0),
            ("1Ki", 1_024.0),
            ("3Gi", 3.0 * 1024.0 * 1024.0 * 1024.0),
            ("2e3", 2_000.0),
            ("128974848", 128_974_848.0),
        ] {
            assert_eq!(amount(text), Some(number), "{text}");
        }
        assert_eq!(amount("many"), None);
    }
}
