//! Kubeconfig files, read as kubectl reads them.
//!
//! kube's own reader is stricter than kubectl (a file of `KUBECONFIG` that is not there, a key that
//! is there twice, an empty value, a server without a scheme), and takes `NO_PROXY` for a list of
//! proxies. What it makes of a file is kept.

use std::{
    io,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use dst_load_scenario::printable::line;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig};
use serde_json::{Map, Value};
use serde_saphyr::{DuplicateKeyPolicy, UserMessageFormatter, options};

use crate::files;

/// What is in a file of kubeconfigs.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// It is not there.
    #[error("it is not there")]
    Missing,
    /// It cannot be used, and why.
    #[error("{0}")]
    Wrong(String),
}

/// A context with what it names.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) context: Context,
    pub(super) cluster: Cluster,
    pub(super) user_name: String,
    pub(super) user: AuthInfo,
}

/// The keys that name a file, by section.
const PATHS: [(&str, &str, &[&str]); 2] = [
    ("clusters", "cluster", &["certificate-authority"]),
    (
        "users",
        "user",
        &["client-certificate", "client-key", "tokenFile"],
    ),
];

/// The files of `KUBECONFIG`, or else the one in the home directory.
pub(super) fn default_files() -> Vec<PathBuf> {
    let named: Vec<_> = std::env::var_os("KUBECONFIG")
        .map(|value| std::env::split_paths(&value).collect())
        .unwrap_or_default();
    let named: Vec<PathBuf> = (named.into_iter())
        .filter(|path: &PathBuf| !path.as_os_str().is_empty())
        .collect();
    if !named.is_empty() {
        return named;
    }
    let home = std::env::home_dir().map(|home| home.join(".kube").join("config"));
    home.into_iter().collect()
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Kubeconfig, Problem> {
    let wrong = |error: &dyn std::error::Error| Problem::Wrong(error.to_string());
    let bytes = match files::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Problem::Missing),
        Err(error) => return Err(wrong(&error)),
    };
    let text = text(&bytes).ok_or_else(|| Problem::Wrong("it is not text".to_owned()))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    parse(&text, directory).map_err(Problem::Wrong)
}

/// Of several kubeconfigs in one, the first that says something counts.
pub(super) fn merge(first: Kubeconfig, next: Kubeconfig) -> Kubeconfig {
    first
        .merge(next)
        .expect("invariant: only kinds and versions can disagree, and neither is read")
}

/// Reads a text whose paths count from `directory`. Of a key that is there twice the last counts,
/// and an empty value is none.
pub(super) fn parse(text: &str, directory: &Path) -> Result<Kubeconfig, String> {
    let options = options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // A name may be `on`.
        strict_booleans: true,
    };
    let documents = serde_saphyr::from_multiple_with_options(text, options);
    let documents: Vec<Value> = documents.map_err(|error| {
        let said = error.render_with_formatter(&UserMessageFormatter);
        // What follows shows the place, where there may be a token.
        let line = said.lines().next().unwrap_or_default();
        without_value(line.trim_start_matches("error: "))
    })?;
    let mut whole = Kubeconfig::default();
    for mut document in documents {
        if !document.is_object() {
            return Err("it is no mapping of keys".to_owned());
        }
        tidy(&mut document);
        complete(&mut document);
        absolute(&mut document, directory);
        if let Some(document) = document.as_object_mut() {
            // What is said there is not read, and need not be right.
            for key in ["kind", "apiVersion", "preferences", "extensions"] {
                document.remove(key);
            }
        }
        let read = serde_json::from_value(document);
        let read = read.map_err(|error: serde_json::Error| without_value(&error.to_string()))?;
        whole = merge(whole, read);
    }
    Ok(whole)
}

/// What serde says of a value that has the wrong type, without that value: it may be a token.
fn without_value(said: &str) -> String {
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some((before, rest)) = said.split_once(kind)
            && let Some((found, expected)) = rest.rsplit_once(", expected ")
        {
            // Its type, and then itself in quotes.
            let found = found.split(['`', '"']).next().unwrap_or_default().trim();
            return format!("{before}{kind}{found}, expected {expected}");
        }
    }
    line(said)
}

/// What is said in place under `KEY-data`, in base64, or else what the file has that `key` names.
pub(super) fn bytes(
    key: &str,
    data: Option<&str>,
    path: Option<&str>,
) -> Result<Option<Vec<u8>>, String> {
    let bytes = match (data, path) {
        (Some(data), _) => {
            let data: String = data.split_whitespace().collect();
            let bytes = BASE64_STANDARD.decode(data);
            bytes.map_err(|_| format!("its {key}-data is no base64"))?
        }
        (None, Some(path)) => {
            files::read(path).map_err(|error| format!("its {key} {path}: {error}"))?
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(bytes))
}

/// The names of the contexts.
pub(super) fn contexts(file: &Kubeconfig) -> Vec<&str> {
    file.contexts.iter().map(|it| &*it.name).collect()
}

/// What the context named so comes to.
pub(super) fn choose(file: &Kubeconfig, name: &str) -> Result<Chosen, String> {
    let named = file.contexts.iter().find(|it| it.name == name);
    let context = named.and_then(|it| it.context.clone()).ok_or_else(|| {
        let there = contexts(file);
        if there.is_empty() {
            "there is no context".to_owned()
        } else {
            format!("there is no such context; there are: {}", there.join(", "))
        }
    })?;
    let named = file.clusters.iter().find(|it| it.name == context.cluster);
    let cluster = named
        .and_then(|it| it.cluster.clone())
        .ok_or_else(|| format!("its cluster {:?} is not there", context.cluster))?;
    // A user that is not there is nobody, as for client-go's tools.
    let user_name = context.user.clone().unwrap_or_default();
    let named = file.auth_infos.iter().find(|it| it.name == user_name);
    let mut user = named
        .and_then(|it| it.auth_info.clone())
        .unwrap_or_default();
    if user
        .token_file
        .as_deref()
        .is_some_and(|it| Path::new(it).exists())
    {
        // A file that can be read goes before a token beside it.
        user.token = None;
    }
    Ok(Chosen {
        context,
        cluster,
        user_name,
        user,
    })
}

/// Drops values that say nothing: client-go takes an empty text for an absent one.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| {
                !value.is_null() && (is_text(key) || value.as_str() != Some(""))
            });
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Whether an empty value of this key is one.
fn is_text(key: &str) -> bool {
    matches!(key, "name" | "cluster" | "value")
}

/// Adds what client-go does not miss: names, and the cluster of a context that nobody uses.
fn complete(document: &mut Value) {
    let empty = || Value::String(String::new());
    for (section, part) in [
        ("clusters", "cluster"),
        ("users", "user"),
        ("contexts", "context"),
    ] {
        let Some(items) = document.get_mut(section).and_then(Value::as_array_mut) else {
            continue;
        };
        items.retain(|item| !item.is_null());
        for named in items.iter_mut().filter_map(Value::as_object_mut) {
            named.entry("name").or_insert_with(empty);
            let Some(part) = named.get_mut(part).and_then(Value::as_object_mut) else {
                continue;
            };
            if section == "contexts" {
                part.entry("cluster").or_insert_with(empty);
            }
            if let Some(Value::Object(provider)) = part.get_mut("auth-provider") {
                provider.entry("name").or_insert_with(empty);
            }
        }
    }
}

/// Makes paths count from here.
fn absolute(document: &mut Value, directory: &Path) {
    for (section, part, keys) in PATHS {
        for part in parts(document, section, part) {
            for key in keys {
                resolve(part, key, directory);
            }
        }
    }
    for user in parts(document, "users", "user") {
        // A command without a slash is looked for in PATH.
        if let Some(exec) = user.get_mut("exec").and_then(Value::as_object_mut)
            && let Some(Value::String(command)) = exec.get("command")
            && command.contains('/')
        {
            resolve(exec, "command", directory);
        }
    }
}

fn parts<'a>(
    document: &'a mut Value,
    section: &str,
    part: &'a str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let named = document.get_mut(section).and_then(Value::as_array_mut);
    named
        .into_iter()
        .flatten()
        .filter_map(move |named| named.get_mut(part)?.as_object_mut())
}

fn resolve(part: &mut Map<String, Value>, key: &str, directory: &Path) {
    if let Some(Value::String(path)) = part.get_mut(key)
        && Path::new(path).is_relative()
    {
        *path = directory.join(&*path).to_string_lossy().into_owned();
    }
}

/// The text of a file that may begin with a byte order mark.
fn text(bytes: &[u8]) -> Option<String> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units: Vec<_> = bytes[2..]
            .chunks(2)
            .filter_map(|pair| Some(read(pair.try_into().ok()?)))
            .collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}
