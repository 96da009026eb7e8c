//! Tells the binary which commit it was built from.

use std::{path::Path, process::Command};

fn main() {
    // Where there is no repository, as in an image's build, whoever builds says it.
    let given = std::env::var("DST_LOAD_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    println!(
        "cargo::rustc-env=DST_LOAD_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
    // HEAD changes when another branch is checked out, its log with every commit.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--path-format=absolute", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DST_LOAD_COMMIT");
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
