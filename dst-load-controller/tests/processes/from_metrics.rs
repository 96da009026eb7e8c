//! `scenario from-metrics`, as a process: pages of controllers in, a scenario that `plan` accepts out.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    outside::server::{always, serve},
    tool::{command, text},
};

/// The page of a replica that started then, with `asked` streams for the first of five Services, one
/// less for the second, and so on.
fn page(started: u32, asked: u64, updates: u64) -> String {
    let mut page = format!(
        "cluster_store_size 0\nprocess_start_time_seconds {started}\nnode_cache_size{{cluster=\"local\"}} 9\n"
    );
    for service in 0..5 {
        let labels = format!(
            "cluster=\"local\",hostname=\"\",namespace=\"c4nary-ns\",nodename=\"c4nary-node-{}\",\
             port=\"80\",service=\"c4nary-{service}\"",
            service % 2
        );
        for (name, value) in [
            ("subscribers", asked - service),
            ("pods", 3),
            ("updates", updates),
        ] {
            page.push_str(&format!("endpoints_{name}{{{labels}}} {value}\n"));
        }
    }
    page
}

/// The exit code and what is printed.
fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

fn from_metrics(place: &Path, args: &[&str]) -> (i32, String, String) {
    let all = [&["scenario", "from-metrics"], args].concat();
    run(command(place, &all))
}

#[test]
fn the_pages_of_two_replicas_become_a_scenario_that_can_be_planned() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let (one, other) = (always(200, page(1, 10, 0)), always(200, page(2, 20, 0)));
    let url = format!("http://{one}/metrics");
    // By its URL and by HOST:PORT.
    let args = [&*url, &*other.to_string(), "--output-file", "live.yaml"];
    let (code, out, err) = from_metrics(place, &args);
    assert_eq!((code, &*out, &*err), (0, "", ""));
    let written = fs::read_to_string(place.join("live.yaml")).unwrap();
    assert!(!written.contains("c4nary"), "{written}");
    // 10 + 9 + 8 + 7 + 6, and 20 + 19 + …; on one Node 30 at most, on the other 28.
    assert!(written.contains("130; a Service: mean 26,"), "{written}");
    assert!(written.contains("There are 58 at least"), "{written}");
    assert!(written.contains("\n  clients: 65\n"), "{written}");
    assert!(
        written.contains("\n  targets:\n    count: 2\n"),
        "{written}"
    );
    fs::write(place.join("plan.yaml"), &written).unwrap();
    let (code, out, err) = run(command(place, &["plan", "plan.yaml"]));
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("from-metrics (seed 1)"), "{out}");
    // A lab's share of them, and of as many as somebody knows that there are.
    let args = [
        &*url,
        &*other.to_string(),
        "--clients",
        "130",
        "--scale",
        "0.1",
    ];
    let (code, out, _) = from_metrics(place, &args);
    assert!(code == 0 && out.contains("\n  clients: 13\n"), "{out}");
    assert!(out.contains("\n  targets:\n    count: 1\n"), "{out}");
}

#[test]
fn a_saved_page_says_the_same_as_a_file_and_on_standard_input() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::write(place.join("saved.txt"), page(1, 10, 0)).unwrap();
    let of_file = from_metrics(place, &["saved.txt"]);
    assert_eq!((of_file.0, &*of_file.2), (0, ""));
    let mut piped = command(place, &["scenario", "from-metrics", "-"]);
    let mut child = piped.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(page(1, 10, 0).as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), of_file.1);
}

#[test]
fn a_rate_of_changes_is_measured_between_two_readings() {
    let place = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    // Each of the five Services has 20 events from one reading to the next.
    let server = serve(move |_| {
        let times = asked.fetch_add(1, Ordering::Relaxed);
        http::Response::new(page(1, 10, 100 + 20 * times))
    });
    let args = [&*format!("http://{server}/metrics"), "--for", "500ms"];
    let (code, out, err) = from_metrics(place.path(), &args);
    assert_eq!((code, &*err), (0, "reading the metrics again in 500ms\n"));
    assert!(out.contains("endpoint events        100 in "), "{out}");
    assert!(out.contains("of 5 Services"), "{out}");
    assert!(out.contains("\n  batchSize: 5\n"), "{out}");
}

#[test]
fn what_is_no_controller_or_not_there_ends_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let one = always(200, page(1, 10, 0));
    let (url, again) = (format!("http://{one}/metrics"), one.to_string());
    let foreign = format!("http://{}/metrics", always(200, "up 1\n"));
    let broken = format!("http://{}/metrics", always(500, "no"));
    let elsewhere = url.replace("/metrics", "/metrics?x");
    for (args, code, message) in [
        (
            &[&*foreign][..],
            2,
            "no endpoints_subscribers: is this a destination controller's",
        ),
        (&[&*url, &*again], 2, "are of the same replica"),
        (&[&*url, &*elsewhere], 2, "are of the same replica"),
        (
            &[&*broken],
            1,
            "the metrics cannot be read: http://127.0.0.1:",
        ),
        (
            &["http://127.0.0.1:1/metrics"],
            1,
            "the metrics cannot be read: http://127.0.0.1:1/",
        ),
        (&["nothing.txt"], 2, "nothing.txt: No such file"),
        (&[&*url, "--scale", "0"], 2, "it is no share of the clients"),
    ] {
        let (exit, out, err) = from_metrics(place, args);
        assert_eq!((exit, &*out), (code, ""), "{args:?}: {err}");
        assert!(err.contains(message), "{args:?}: {err}");
    }
}
