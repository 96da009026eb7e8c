//! What a shared controller must be spared: a run that may take it down, or that harms others'
//! streams, ends by itself.

use std::collections::BTreeMap;

use dst_load_oracle::ledger::{Ledgers, WatchedService};
use dst_load_recording::recording::TargetSample;
use dst_load_scenario::words::{bytes, counted};

/// The share of its memory limit at which a target is in danger: the rest is for the garbage that
/// is made before the run has ended.
const MEMORY_SHARE: f64 = 0.8;

/// Why a run ended to spare its target.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Endangered {
    /// It is about to be killed for its memory.
    #[error(
        "the destination's resident memory of {} is {:.0} % of its limit of {}: the run was \
         stopped before it would be killed",
        bytes(*.resident), 100.0 * .resident / .limit, bytes(*.limit)
    )]
    Memory {
        /// Resident memory, bytes.
        resident: f64,
        /// Its limit, bytes.
        limit: f64,
    },
    /// It drops updates of streams that are not ours.
    #[error(
        "the destination dropped updates of {service}, which this run does not watch, while others \
         had {} open: the run was stopped",
        counted(*.streams, "stream", "streams")
    )]
    Overflow {
        /// The path that those streams had asked for.
        service: String,
        /// Streams of others at the last phase's edge.
        streams: u64,
    },
}

/// Looks at every sample.
#[derive(Debug, Default)]
pub struct Guard {
    foreign: u64,
    overflows: Option<BTreeMap<String, f64>>,
}

// === impl Guard ===

impl Guard {
    /// Whether the run must end: after this sample, and these overflows by path.
    pub fn look(
        &mut self,
        ledgers: &Ledgers,
        sample: &TargetSample,
        overflows: BTreeMap<String, f64>,
    ) -> Option<Endangered> {
        self.foreign = sample.foreign_streams.unwrap_or(self.foreign);
        let before = self.overflows.replace(overflows);
        if let (Some(resident), Some(limit)) = (sample.rss_bytes, sample.memory_limit_bytes)
            && resident >= limit * MEMORY_SHARE
        {
            return Some(Endangered::Memory { resident, limit });
        }
        // Without anybody else's streams it is one of ours under another cluster's name.
        if self.foreign == 0 {
            return None;
        }
        let (before, now) = (before?, self.overflows.as_ref()?);
        let rose =
            |service: &String, times: f64| times > before.get(service).copied().unwrap_or_default();
        let ours = |service: &str| {
            let mut all = ledgers.all().iter();
            all.any(|locked| is_of(service, &locked.service))
        };
        let mut all = now.iter();
        let (service, _) = all.find(|(service, times)| rose(service, **times) && !ours(service))?;
        Some(Endangered::Overflow {
            service: service.clone(),
            streams: self.foreign,
        })
    }
}

/// Whether a label of the target's counter means a Service that is watched here. The target calls
/// one in a linked cluster by that cluster's domain, and a member of a federated one by its
/// namespace and a slash before that.
fn is_of(label: &str, watched: &WatchedService) -> bool {
    let path = label.rsplit('/').next().unwrap_or(label);
    path == watched.authority
        || path
            .strip_prefix(&format!("{}.{}.svc.", watched.name, watched.namespace))
            .is_some_and(|rest| rest.ends_with(&format!(":{}", watched.port)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MIB: f64 = 1_048_576.0;

    fn ledgers() -> Ledgers {
        let watched = WatchedService::new("web", "shop", "cluster.local", 80);
        Ledgers::new(vec![watched], Duration::from_secs(30))
    }

    fn overflows(of: &[(&str, f64)]) -> BTreeMap<String, f64> {
        of.iter()
            .map(|&(path, times)| (path.to_owned(), times))
            .collect()
    }

    fn others(streams: u64) -> TargetSample {
        TargetSample {
            foreign_streams: Some(streams),
            ..TargetSample::default()
        }
    }

    #[test]
    fn four_fifths_of_the_memory_limit_end_the_run_and_no_limit_never_does() {
        let mut guard = Guard::default();
        let mut look = |resident: f64, limit: Option<f64>| {
            let sample = TargetSample {
                rss_bytes: Some(resident * MIB),
                memory_limit_bytes: limit.map(|limit| limit * MIB),
                ..TargetSample::default()
            };
            guard.look(&ledgers(), &sample, BTreeMap::new())
        };
        assert_eq!(look(199.9, Some(250.0)), None);
        assert_eq!(look(4_000.0, None), None);
        let said = look(200.0, Some(250.0)).unwrap().to_string();
        assert_eq!(
            said,
            "the destination's resident memory of 200 MiB is 80 % of its limit of 250 MiB: the \
             run was stopped before it would be killed"
        );
    }

    #[test]
    fn overflows_of_others_end_the_run_and_ours_do_not() {
        let ledgers = ledgers();
        let mut guard = Guard::default();
        let ours = "web.shop.svc.cluster.local:80";
        let mut look =
            |sample: &TargetSample, of: &[(&str, f64)]| guard.look(&ledgers, sample, overflows(of));
        // What had happened before the run is not its doing.
        assert_eq!(
            look(&others(7), &[(ours, 1.0), ("api.x.svc.y:80", 4.0)]),
            None
        );
        let linked = ("web.shop.svc.target.local:80", 3.0);
        let member = ("shop/web.shop.svc.target.local:80", 3.0);
        let nobody = TargetSample::default();
        let known = [(ours, 9.0), ("api.x.svc.y:80", 4.0), linked, member];
        assert_eq!(look(&nobody, &known), None);
        let risen = [(ours, 9.0), ("api.x.svc.y:80", 5.0), linked, member];
        assert_eq!(
            look(&nobody, &risen),
            Some(Endangered::Overflow {
                service: "api.x.svc.y:80".into(),
                streams: 7
            })
        );
    }

    #[test]
    fn overflows_are_nobodys_where_nobody_else_has_a_stream() {
        let (ledgers, mut guard) = (ledgers(), Guard::default());
        assert_eq!(guard.look(&ledgers, &others(0), overflows(&[])), None);
        let risen = overflows(&[("api.x.svc.y:80", 5.0)]);
        assert_eq!(guard.look(&ledgers, &others(0), risen), None);
    }
}
