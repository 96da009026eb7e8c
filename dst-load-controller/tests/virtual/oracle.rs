//! The oracle against the reference destination, which shares no code with it, on objects of every
//! kind that users have: each set is read anew by both, and each class of clients opens a stream.
//!
//! New sets each time. `ORACLE_SEED` has the sets of an earlier run again, `ORACLE_SETS` more of
//! them.

mod ask;
mod coverage;
mod objects;

use std::{cell::RefCell, collections::BTreeSet, env, str::FromStr};

use dst_load_scenario::seed;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::{coverage::Coverage, objects::ObjectSet};

/// How many sets are compared.
const SETS: u32 = 10_000;

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let value = text.parse().ok();
    Some(value.unwrap_or_else(|| panic!("{name}={text} is no number")))
}

/// Compares what both say of `set`, for every class of clients.
fn compare(set: &ObjectSet, coverage: &mut Coverage) -> Result<(), String> {
    let clients = ask::clients(set);
    let promised = ask::oracle(set, &clients)?;
    let sent = ask::reference(set, &clients)?;
    let mut said = BTreeSet::new();
    let mut unjudged = None;
    for ((client, promised), sent) in clients.iter().zip(&promised).zip(&sent) {
        match promised {
            Err(reason) => unjudged = Some(reason),
            Ok(promised) if promised != sent => {
                return Err(format!(
                    "{client:?}, port {}, ipv6 {}:\n  the oracle promises {promised:?}\n  \
                     the reference sends {sent:?}",
                    set.port, set.ipv6
                ));
            }
            Ok(promised) => {
                said.insert(promised);
            }
        }
    }
    match unjudged {
        Some(reason) => coverage.skip(&reason.to_string()),
        None => coverage.judge(set, &said),
    }
    Ok(())
}

/// The objects, as `kubectl apply -f -` takes them.
fn manifest(set: &ObjectSet) -> String {
    let objects = set.objects.iter().map(|it| format!("{it:#}"));
    objects.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_oracle_and_the_reference_agree_on_objects_of_every_kind() {
    let seed = setting("ORACLE_SEED").unwrap_or_else(rand::random);
    let sets = setting("ORACLE_SETS").unwrap_or(SETS);
    println!("ORACLE_SEED={seed} ORACLE_SETS={sets}");
    let config = Config {
        cases: sets,
        failure_persistence: None,
        ..Config::default()
    };
    let bytes: Vec<u8> = (0..4)
        .flat_map(|part| seed::number(seed, "oracle", &format!("{part}")).to_le_bytes())
        .collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let coverage = RefCell::new(Coverage::default());
    let outcome = TestRunner::new_with_rng(config, rng).run(&objects::object_sets(), |set| {
        compare(&set, &mut coverage.borrow_mut()).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, set)) => {
            panic!("ORACLE_SEED={seed}: {reason}\n{}", manifest(&set))
        }
        Err(TestError::Abort(reason)) => panic!("ORACLE_SEED={seed}: {reason}"),
    }
    let coverage = coverage.into_inner();
    println!("{coverage}");
    // Of few sets some kinds are missing.
    if sets >= SETS {
        coverage.assert_enough();
    }
}
