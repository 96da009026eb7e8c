//! Which endpoint goes into which slice, as kube-controller-manager packs them
//! (`k8s.io/endpointslice`, `reconcileByPortMapping`): what stands stays where it is, slices that
//! change anyway are filled first, and no slice is written only to tidy up.

use std::collections::{BTreeMap, BTreeSet};

/// The endpoints of a slice, by the name of their pod.
pub(crate) type Endpoints<K, E> = BTreeMap<K, E>;

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packing<N, K, E> {
    pub(crate) create: Vec<Endpoints<K, E>>,
    pub(crate) update: BTreeMap<N, Endpoints<K, E>>,
    pub(crate) delete: BTreeSet<N>,
}

/// Packs the `desired` endpoints into the slices that exist and as few new ones as they need, with
/// at most `most` in one.
pub(crate) fn pack<N: Clone + Ord, K: Clone + Ord, E: Clone + PartialEq>(
    existing: &BTreeMap<N, Endpoints<K, E>>,
    mut desired: Endpoints<K, E>,
    most: usize,
) -> Packing<N, K, E> {
    let mut packing = Packing {
        create: Vec::new(),
        update: BTreeMap::new(),
        delete: BTreeSet::new(),
    };
    let mut unchanged = BTreeMap::new();
    for (name, endpoints) in existing {
        let mut kept = Endpoints::new();
        let mut changed = false;
        for (pod, endpoint) in endpoints {
            match desired.remove(pod) {
                Some(wanted) => {
                    changed |= wanted != *endpoint;
                    kept.insert(pod.clone(), wanted);
                }
                None => changed = true,
            }
        }
        if kept.is_empty() {
            packing.delete.insert(name.clone());
        } else if changed {
            packing.update.insert(name.clone(), kept);
        } else {
            unchanged.insert(name.clone(), kept);
        }
    }
    // The fullest first, so that the fewest slices stay half full.
    let mut changing: Vec<N> = packing.update.keys().cloned().collect();
    changing.sort_by_key(|name| std::cmp::Reverse(packing.update[name].len()));
    for name in changing {
        if let Some(slice) = packing.update.get_mut(&name) {
            fill(slice, &mut desired, most);
        }
    }
    while !desired.is_empty() {
        // What is left goes into one slice that has just the room, if there is one.
        let fits = unchanged
            .iter()
            .filter(|(_, slice)| slice.len() + desired.len() <= most)
            .max_by_key(|(_, slice)| slice.len())
            .map(|(name, _)| name.clone());
        match fits.and_then(|name| unchanged.remove_entry(&name)) {
            Some((name, mut slice)) => {
                fill(&mut slice, &mut desired, most);
                packing.update.insert(name, slice);
            }
            None => {
                let mut slice = Endpoints::new();
                fill(&mut slice, &mut desired, most);
                packing.create.push(slice);
            }
        }
    }
    packing
}

fn fill<K: Ord, E>(slice: &mut Endpoints<K, E>, desired: &mut Endpoints<K, E>, most: usize) {
    while slice.len() < most
        && let Some((pod, endpoint)) = desired.pop_first()
    {
        slice.insert(pod, endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(pods: impl IntoIterator<Item = u32>) -> Endpoints<u32, u32> {
        pods.into_iter().map(|pod| (pod, 0)).collect()
    }

    fn slices<const N: usize>(
        slices: [(&'static str, Endpoints<u32, u32>); N],
    ) -> BTreeMap<&'static str, Endpoints<u32, u32>> {
        slices.into()
    }

    #[test]
    fn a_slice_holds_at_most_a_hundred() {
        let packing = pack(&slices([]), endpoints(0..250), 100);
        let sizes: Vec<usize> = packing.create.iter().map(BTreeMap::len).collect();
        assert_eq!(sizes, [100, 100, 50]);
        assert!(packing.update.is_empty() && packing.delete.is_empty());
    }

    #[test]
    fn what_stands_is_not_written() {
        let existing = slices([("a", endpoints(0..100)), ("b", endpoints(100..150))]);
        let packing = pack(&existing, endpoints(0..150), 100);
        assert!(packing.create.is_empty() && packing.update.is_empty());
        assert!(packing.delete.is_empty());
    }

    #[test]
    fn slices_that_change_anyway_are_filled_first() {
        let existing = slices([("a", endpoints(0..100)), ("b", endpoints(100..150))]);
        // 10 leave the full slice and 10 come: the half full one is not touched.
        let packing = pack(&existing, endpoints(10..160), 100);
        assert_eq!(packing.update.keys().collect::<Vec<_>>(), [&"a"]);
        assert_eq!(packing.update["a"].len(), 100);
        assert!(packing.create.is_empty());
    }

    #[test]
    fn what_is_left_goes_into_the_fullest_slice_with_room() {
        let existing = slices([("a", endpoints(0..40)), ("b", endpoints(100..170))]);
        let wanted = endpoints((0..40).chain(100..170).chain(200..220));
        let packing = pack(&existing, wanted, 100);
        assert_eq!(packing.update.keys().collect::<Vec<_>>(), [&"b"]);
        assert_eq!(packing.update["b"].len(), 90);
    }

    #[test]
    fn an_emptied_slice_is_deleted_and_a_changed_endpoint_rewritten() {
        let existing = slices([("a", endpoints([1])), ("b", endpoints([2]))]);
        let packing = pack(&existing, [(2, 7)].into(), 100);
        assert_eq!(packing.delete, BTreeSet::from(["a"]));
        assert_eq!(packing.update["b"], [(2, 7)].into());
    }
}
