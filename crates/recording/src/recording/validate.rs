//! What no line of a recording may hold, though its JSON could.

use dst_load_oracle::ledger::RetainedCounts;

use super::Line;

impl Line {
    /// Checks what the types do not: that numbers are finite and not negative, and that what
    /// counts the same agrees; and that `replicas`, the number of those known before, has each that
    /// is named, if it is known.
    ///
    /// # Errors
    /// Which is wrong, and how.
    pub(super) fn validate(&self, replicas: Option<usize>) -> Result<(), String> {
        match self {
            Self::Header(header) => {
                number("deadline_seconds", header.deadline_seconds)?;
                number("floor_seconds", header.floor_seconds.unwrap_or_default())
            }
            Self::Change(change) => {
                let times = change
                    .times
                    .as_ref()
                    .map(|times| times.iter().count() as u64);
                agrees("times", times, u64::from(change.known))
            }
            Self::Second(second) => {
                for line in &second.replicas {
                    replica(line.replica, replicas)?;
                }
                let clients = second.endpoints.and_then(|endpoints| endpoints.clients);
                number("endpoints.clients", clients.unwrap_or_default())?;
                retained(second.retained)?;
                number("stale_seconds", second.counts.stale_seconds)
            }
            Self::EndState(end) => {
                for map in [&end.wrong_by_replica, &end.streams_by_replica] {
                    map.keys().try_for_each(|&index| replica(index, replicas))?;
                }
                if end.streams_wrong > end.streams_checked {
                    return Err(format!(
                        "{} streams are wrong of {} that were checked",
                        end.streams_wrong, end.streams_checked
                    ));
                }
                retained(end.retained)?;
                number("stale_seconds", end.stale_seconds)
            }
            Self::Target(sample) | Self::PolicyController(sample) => match sample.fault() {
                Some(fault) => Err(fault),
                None => Ok(()),
            },
            // Where the header names none, lines do not say whose a delivery is.
            Self::Replicas { .. } if replicas == Some(0) => {
                Err("replicas join one that the header does not name".into())
            }
            Self::Generator(sample) => number("cpu_seconds", sample.cpu_seconds),
            _ => Ok(()),
        }
    }
}

fn number(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(format!("{name} is {value}"))
}

fn retained(counts: Option<RetainedCounts>) -> Result<(), String> {
    let counts = counts.unwrap_or_default();
    number("retained.stale_seconds", counts.stale_seconds)
}

fn agrees(name: &str, found: Option<u64>, expected: u64) -> Result<(), String> {
    match found {
        Some(found) if found != expected => {
            Err(format!("{name} has {found} numbers instead of {expected}"))
        }
        _ => Ok(()),
    }
}

fn replica(index: u32, known: Option<usize>) -> Result<(), String> {
    match known {
        Some(known) if index as usize >= known => Err(format!(
            "replica {index} is not one of the {known} that are known so far"
        )),
        _ => Ok(()),
    }
}
