//! The replicas of a destination controller, as flags and a recording name them.

use dst_load_destination::{
    address::{Address, AddressError},
    dial::{Windows, dial},
};
use dst_load_recording::recording::ReplicaInfo;
use dst_load_transport::world::{Dial, World};

use super::usage::UsageError;

/// Connections to the replica at each address, HOST:PORT.
///
/// # Errors
/// If one is no address, or is given twice.
pub(super) fn dial_each(addresses: &[String], windows: Windows) -> Result<Dials, UsageError> {
    let usage = |reason: String| UsageError(format!("--destination: {reason}"));
    let mut read: Vec<Address> = Vec::new();
    for address in addresses {
        let address = address.parse();
        let address: Address = address.map_err(|error: AddressError| usage(error.to_string()))?;
        if read.contains(&address) {
            return Err(usage(format!("{address} is given twice")));
        }
        read.push(address);
    }
    let dials = addresses.iter().map(|address| dial(address, windows));
    let dials = dials.collect::<Result<Vec<_>, _>>().map_err(usage)?;
    Dials::of(dials).ok_or_else(|| usage("no address is given; write it as HOST:PORT".into()))
}

/// Connections to the replicas, in their order.
pub(super) struct Dials {
    pub(super) first: Dial,
    pub(super) further: Vec<Dial>,
}

// === impl Dials ===

impl Dials {
    /// Those of all replicas; `None` if there are none.
    pub(super) fn of(mut dials: Vec<Dial>) -> Option<Self> {
        let further = dials.split_off(dials.len().min(1));
        let first = dials.pop()?;
        Some(Self { first, further })
    }
}

/// What a recording says of the replicas of the start. Nothing where there is one that no others
/// can join.
pub(super) fn infos(addresses: &[String], world: &World) -> Vec<ReplicaInfo> {
    named(addresses, world.listed.is_some())
}

fn named(addresses: &[String], are_watched: bool) -> Vec<ReplicaInfo> {
    if addresses.len() < 2 && !are_watched {
        return Vec::new();
    }
    let info = |address: &String| ReplicaInfo {
        address: address.clone(),
        streams: None,
        ..ReplicaInfo::default()
    };
    addresses.iter().map(info).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst_load_scenario::scenario::Lifecycle;

    fn addresses(given: &[&str]) -> Vec<String> {
        given.iter().map(|&it| it.to_owned()).collect()
    }

    #[test]
    fn a_recording_names_replicas_where_there_are_several_or_may_be() {
        let infos = named(&addresses(&["a:1", "b:1"]), false);
        let pairs: Vec<_> = infos.iter().map(|it| (&*it.address, it.streams)).collect();
        assert_eq!(pairs, [("a:1", None), ("b:1", None)]);
        assert!(named(&addresses(&["a:1"]), false).is_empty());
        // Others may join it.
        assert_eq!(named(&addresses(&["a:1"]), true).len(), 1);
    }

    #[test]
    fn a_replica_given_twice_is_a_usage_error() {
        let dialled = |given: &[&str]| dial_each(&addresses(given), Lifecycle::Eternal.into());
        let refused = |given: &[&str]| dialled(given).err().map(|error| error.to_string());
        assert_eq!(
            refused(&["a:1", "b:1", "http://a:1"]).as_deref(),
            Some("--destination: a:1 is given twice")
        );
        assert!(refused(&[]).is_some());
        assert_eq!(
            dialled(&["a:1", "b:1"]).ok().map(|it| it.further.len()),
            Some(1)
        );
    }
}
