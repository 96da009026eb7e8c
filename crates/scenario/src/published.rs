//! Files of the repository that the code writes: tests hold them to it, and write them anew with
//! `UPDATE_SCHEMA=1`.

#![expect(clippy::unwrap_used, reason = "of tests")]

use std::{env, fs, path::Path};

use serde::Serialize;

/// Fails where the file at `place`, from the repository's root, is not `text`.
pub fn assert_published(place: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(place);
    if env::var_os("UPDATE_SCHEMA").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).is_ok_and(|there| there == text),
        "{place} is out of date: run this test with UPDATE_SCHEMA=1"
    );
}

/// JSON as it is published.
pub fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}
