//! Each pattern by its keys: what it is read as and written back as, and the flags that stand for them.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use super::error;
use crate::pattern::Wave;
use crate::scenario::{
    CHURN_FLAGS, ChurnForm, Draft, Jitter, Pattern, Scenario, file::schema, schema as whole_schema,
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Each pattern with all keys that it needs, and what they come to.
fn patterns() -> Vec<(Vec<(&'static str, &'static str)>, Pattern)> {
    let sizes = [("minEndpoints", "5"), ("maxEndpoints", "30")];
    let holds = [("minHold", "3s"), ("maxHold", "4s")];
    let wave = Wave {
        min: 5,
        max: 30,
        min_hold: secs(3),
        max_hold: secs(4),
    };
    let jitter = Jitter::NONE;
    vec![
        (vec![("endpoints", "7")], Pattern::Stable { endpoints: 7 }),
        ([sizes, holds].concat(), Pattern::Oscillate { wave, jitter }),
        (
            vec![
                ("scaleFrom", "9"),
                ("scaleTo", "2"),
                ("scaleDuration", "1m"),
            ],
            Pattern::ScaleUp {
                from: 9,
                to: 2,
                over: secs(60),
            },
        ),
        (
            [&sizes[..], &holds[..], &[("scaleDuration", "1m")]].concat(),
            Pattern::Sawtooth {
                wave,
                over: secs(60),
                jitter,
            },
        ),
        (
            vec![("endpoints", "10"), ("minHold", "30s")],
            Pattern::RollingUpdate {
                endpoints: 10,
                every: secs(30),
                max_surge: 3,
                max_unavailable: 2,
            },
        ),
        (
            [
                &[("batchSize", "2"), ("batchInterval", "1s")],
                &sizes[..],
                &holds[..],
            ]
            .concat(),
            Pattern::Batch {
                wave,
                size: 2,
                interval: secs(1),
            },
        ),
        ([sizes, holds].concat(), Pattern::Spike { wave, jitter }),
    ]
}

fn file<'a>(pattern: &str, keys: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> String {
    let keys = keys
        .into_iter()
        .map(|(key, value)| format!(", {key}: {value}"));
    format!(
        "churn: {{services: 2, pattern: {pattern}{}}}",
        keys.collect::<String>()
    )
}

#[test]
fn each_pattern_needs_its_keys_and_is_written_back_with_them() {
    let known = &whole_schema()["definitions"]["Pattern"]["enum"];
    let known: Vec<String> = serde_json::from_value(known.clone()).unwrap();
    let all = patterns();
    assert_eq!(
        known,
        all.iter().map(|(_, it)| it.key()).collect::<Vec<_>>()
    );
    for (keys, pattern) in all {
        let text = file(pattern.key(), &keys);
        let (scenario, warnings) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
        assert_eq!(scenario.churn.groups[0].pattern, pattern);
        assert_eq!(warnings, [] as [&str; 0], "{text}");

        let effective = scenario.effective().unwrap();
        assert_eq!(
            Scenario::from_effective(&effective, "s").as_ref(),
            Ok(&scenario)
        );
        let written = effective["churn"].as_object().unwrap();
        assert!(
            keys.iter().all(|(key, _)| written.contains_key(*key)),
            "{effective}"
        );

        for (missing, _) in &keys {
            let rest = keys.iter().filter(|(key, _)| key != missing);
            let wanted = format!("needs {missing}, which is missing");
            let error = error(&file(pattern.key(), rest));
            assert!(error.contains(&wanted), "{missing}: {error}");
        }
    }
}

#[test]
fn a_flag_stands_for_a_key_that_there_is() {
    let schema = schema();
    let resolved = |of: &Value| {
        let place = of["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
        place
            .and_then(|place| schema.pointer(place))
            .unwrap_or(of)
            .clone()
    };
    let mut names = BTreeSet::new();
    for flag in CHURN_FLAGS {
        let mut of = schema.clone();
        for key in flag.path.split('.') {
            of = resolved(&of["properties"][key]);
        }
        assert!(of.is_object(), "{} is no key", flag.path);
        assert_eq!(flag.place(), format!("--{}", flag.name));
        assert!(names.insert(flag.name), "{} is there twice", flag.name);
    }
    let help = CHURN_FLAGS
        .iter()
        .find(|it| it.name == "pattern")
        .unwrap()
        .help;
    for (_, pattern) in patterns() {
        assert!(help.contains(pattern.key()), "{help}");
    }
}

#[test]
fn what_a_pattern_does_not_use_is_warned_of_by_the_name_of_its_flag() {
    let used = [
        "churn.services",
        "churn.servicePrefix",
        "churn.pattern",
        "churn.endpoints",
    ];
    let of_patterns = CHURN_FLAGS
        .iter()
        .filter(|it| it.form == Some(ChurnForm::OnePattern));
    let unused = of_patterns.filter(|it| !used.contains(&it.path));
    let mut count = 0;
    for flag in unused {
        let finish = |value: &str| {
            let mut draft = Draft::parse("churn: {services: 1, endpoints: 1}", "s.yaml").unwrap();
            draft.put(&flag.place(), flag.path, value).unwrap();
            draft.finish()
        };
        // Each is a duration or a number.
        let (_, warnings) = finish("1s").or_else(|_| finish("1")).unwrap();
        let wanted = format!("{}: is ignored: the pattern does not use it", flag.place());
        assert_eq!(warnings, [wanted]);
        count += 1;
    }
    assert!(count >= 12, "{count}");
}

#[test]
fn a_recordings_scenario_that_is_wrong_is_named_by_its_keys() {
    let (scenario, _) =
        Scenario::from_yaml(&file("stable", &[("endpoints", "1")]), "s.yaml", &[]).unwrap();
    let mut effective = scenario.effective().unwrap();
    effective["churn"]["duration"] = "soon".into();
    let wrong = |it: &Value| {
        Scenario::from_effective(it, "quick")
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        wrong(&effective),
        "quick: churn.duration: soon is not a duration; write for example 500ms, 2m or 1h30m"
    );
    effective["churn"]["duration"] = (-1).into();
    assert!(wrong(&effective).contains("-1 is negative"));
    effective["churn"]
        .as_object_mut()
        .unwrap()
        .remove("duration");
    effective["churn"]["durations"] = 1.into();
    assert_eq!(
        wrong(&effective),
        "quick: unknown key churn.durations; did you mean duration?"
    );
}
