//! How many endpoints there are: in Kubernetes, and at the clients.

use serde::{Deserialize, Serialize};

use super::Second;

/// How many endpoints there are, summed over the Services that are asked for. Over two clusters a
/// Service that is asked for in two ways counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointsLine {
    /// In Kubernetes: promised, as the observer sees it, to a client in the first place.
    pub kubernetes: u64,
    /// At the clients: of each Service what its open streams hold, on average, to a thousandth. A
    /// Service without an open stream adds nothing; absent if no stream is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<f64>,
}

/// What each of several recordings last said, of which one is made.
#[derive(Debug)]
pub(super) struct EndpointsOfAll(Vec<Option<(EndpointsLine, u64)>>);

// === impl EndpointsLine ===

impl EndpointsLine {
    /// The sum over Services, each with its endpoints in Kubernetes and at a client.
    #[must_use]
    pub fn sum(services: impl IntoIterator<Item = (u64, Option<f64>)>) -> Self {
        let mut all = Self::default();
        for (kubernetes, clients) in services {
            all.kubernetes += kubernetes;
            if let Some(clients) = clients {
                *all.clients.get_or_insert(0.0) += clients;
            }
        }
        all.clients = all.clients.map(rounded);
        all
    }
}

// === impl EndpointsOfAll ===

impl EndpointsOfAll {
    pub(super) fn new(recordings: usize) -> Self {
        Self(vec![None; recordings])
    }

    /// Puts into a second of one recording what holds for all: each has an observer of its own, of
    /// which the furthest counts, and its streams weigh as many as there are.
    pub(super) fn combine(&mut self, source: usize, second: &mut Second) {
        let Some(line) = &mut second.endpoints else {
            return;
        };
        self.0[source] = Some((*line, second.streams_active));
        let all = || self.0.iter().flatten();
        let held = || all().filter_map(|(line, streams)| Some((line.clients?, *streams)));
        let streams: u64 = held().map(|(_, streams)| streams).sum();
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let clients = (streams > 0).then(|| {
            let weighed = held().map(|(clients, of)| clients * of as f64);
            rounded(weighed.sum::<f64>() / streams as f64)
        });
        *line = EndpointsLine {
            kubernetes: all().map(|(it, _)| it.kubernetes).max().unwrap_or_default(),
            clients,
        };
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(kubernetes: u64, clients: Option<f64>, streams_active: u64) -> Second {
        Second {
            streams_active,
            endpoints: Some(EndpointsLine {
                kubernetes,
                clients,
            }),
            ..Second::default()
        }
    }

    #[test]
    fn services_add_up_and_one_without_streams_adds_nothing() {
        let line = EndpointsLine::sum([(30, Some(29.0 + 1.0 / 3.0)), (5, None)]);
        assert_eq!((line.kubernetes, line.clients), (35, Some(29.333)));
        assert_eq!(EndpointsLine::sum([(5, None)]).clients, None);
    }

    #[test]
    fn recordings_weigh_as_many_streams_as_they_have() {
        let mut all = EndpointsOfAll::new(2);
        let mut first = second(30, Some(30.0), 300);
        all.combine(0, &mut first);
        assert_eq!(first, second(30, Some(30.0), 300));
        let mut other = second(29, Some(10.0), 100);
        all.combine(1, &mut other);
        assert_eq!(other, second(30, Some(25.0), 100));
        let mut silent = Second::default();
        all.combine(1, &mut silent);
        assert_eq!(silent.endpoints, None);
    }
}
