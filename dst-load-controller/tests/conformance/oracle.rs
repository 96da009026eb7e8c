//! The oracle against the destinations that it judges, on objects of every kind that users have: the
//! reference destination, which shares no code with it, and a real controller. Each class of clients
//! opens a stream of its own on objects that nothing has changed.
//!
//! New sets of objects each time. `ORACLE_SEED` has the sets of an earlier run again, `ORACLE_SETS`
//! more of them.

mod ask;
mod controller;
mod coverage;
mod known;
mod objects;
mod real;
mod sample;

use std::{cell::RefCell, collections::BTreeSet, env, str::FromStr};

use dst_load_oracle::promise::Unjudged;
use dst_load_scenario::seed;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::{
    ask::{Addresses, Client},
    coverage::Coverage,
    objects::{Names, ObjectSet},
};

/// How many sets are compared with the reference destination.
const SETS: u32 = 10_000;

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let value = text.parse().ok();
    Some(value.unwrap_or_else(|| panic!("{name}={text} is no number")))
}

/// The seed of the sets, and how many there are. Both are printed: the same are the same sets.
fn drawn(sets: u32) -> (u64, u32) {
    let seed = setting("ORACLE_SEED").unwrap_or_else(rand::random);
    let sets = setting("ORACLE_SETS").unwrap_or(sets);
    println!("ORACLE_SEED={seed} ORACLE_SETS={sets}");
    (seed, sets)
}

/// What draws the sets of `seed`.
fn runner(seed: u64, sets: u32) -> TestRunner {
    let config = Config {
        cases: sets,
        failure_persistence: None,
        ..Config::default()
    };
    let bytes: Vec<u8> = (0..4)
        .flat_map(|part| seed::number(seed, "oracle", &format!("{part}")).to_le_bytes())
        .collect();
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Whether each of `clients` was sent what it is promised.
///
/// # Errors
/// A client that was not.
fn compare(
    set: &ObjectSet,
    clients: &[Client],
    promised: &[Result<Addresses, Unjudged>],
    sent: &[Addresses],
    coverage: &mut Coverage,
) -> Result<(), String> {
    let mut said = BTreeSet::new();
    let mut unjudged = None;
    for ((client, promised), sent) in clients.iter().zip(promised).zip(sent) {
        match promised {
            Err(reason) => unjudged = Some(reason),
            Ok(promised) if promised != sent => {
                return Err(format!(
                    "on Node {:?}, asking for {} of a controller with -enable-ipv6={}:\n  the oracle \
                     promises {promised:?}\n  the destination sends {sent:?}",
                    set.names.plain(&client.node),
                    client.path(set),
                    set.ipv6
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

/// Compares what both say of `set`, for every class of clients.
fn compare_with_reference(set: &ObjectSet, coverage: &mut Coverage) -> Result<(), String> {
    let clients = ask::clients(set);
    let promised = ask::oracle(set, &set.objects, &clients)?;
    let sent = ask::reference(set, &clients)?;
    compare(set, &clients, &promised, &sent, coverage)
}

/// The objects, as `kubectl apply -f -` takes them.
fn manifest(set: &ObjectSet) -> String {
    let objects = set.objects.iter().map(|it| format!("{it:#}"));
    objects.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_oracle_and_the_reference_agree_on_objects_of_every_kind() {
    let (seed, sets) = drawn(SETS);
    let coverage = RefCell::new(Coverage::default());
    let outcome = runner(seed, sets).run(&objects::drafts(), |draft| {
        let set = draft.set(Names::alone());
        compare_with_reference(&set, &mut coverage.borrow_mut()).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, draft)) => panic!(
            "ORACLE_SEED={seed}: {reason}\n{}",
            manifest(&draft.set(Names::alone()))
        ),
        Err(TestError::Abort(reason)) => panic!("ORACLE_SEED={seed}: {reason}"),
    }
    let coverage = coverage.into_inner();
    println!("{coverage}");
    // Of few sets some kinds are missing.
    if sets >= SETS {
        coverage.assert_enough();
    }
}
