//! Every key of a scenario file, from the schema that is also the chart's.

use dst_load_scenario::scenario::schema;
use serde_json::Value;

use super::{cell, page};

#[test]
fn keys() {
    let root = schema();
    let mut body = String::from(
        "This page lists every key of a scenario file, which is a Helm values file. `run` reads the sections `scenario`,\n\
         `churn`, `client`, `federation`, `measure`, `criteria`, `sandbox` and `target`; the chart also reads\n\
         the other sections, and keys such as `affinity` and `resources`. A key that is absent has the default of its line. Any\n\
         other key is an error.\n",
    );
    let sections = root["properties"].as_object().unwrap();
    let scenario = [
        "scenario",
        "churn",
        "client",
        "federation",
        "measure",
        "criteria",
        "sandbox",
    ];
    for section in scenario {
        let mut rows = Vec::new();
        collect(&root, &sections[section], "", &mut rows);
        let about = described(&root, &sections[section]);
        body.push_str(&format!("\n## `{section}`\n\n{about}\n\n"));
        body.push_str("| Key | Values | What it is |\n|---|---|---|\n");
        body.push_str(&rows.join(""));
    }
    body.push_str(
        "\n## The chart's own sections\n\n| Key | Values | What it is |\n|---|---|---|\n",
    );
    for (name, of) in sections
        .iter()
        .filter(|(name, _)| !scenario.contains(&name.as_str()))
    {
        let mut rows = Vec::new();
        row(&root, name, of, &mut rows);
        body.push_str(&rows.join(""));
    }
    page("scenario.md", "Keys of a scenario", &body);
}

fn resolved<'a>(root: &'a Value, of: &'a Value) -> &'a Value {
    let name = of["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
    name.and_then(|name| root.pointer(name)).unwrap_or(of)
}

fn described(root: &Value, of: &Value) -> String {
    let own = of["description"].as_str();
    let text = own.or_else(|| resolved(root, of)["description"].as_str());
    text.unwrap_or_default().replace('\n', " ")
}

fn collect(root: &Value, of: &Value, path: &str, rows: &mut Vec<String>) {
    let of = resolved(root, of);
    for (name, key) in of["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        row(root, &path, key, rows);
    }
}

/// A key, or, if it is a section, each of its keys.
fn row(root: &Value, path: &str, key: &Value, rows: &mut Vec<String>) {
    let of = resolved(root, key);
    if of["properties"].is_object() {
        return collect(root, of, path, rows);
    }
    let items = resolved(root, &of["items"]);
    let values = if items["properties"].is_object() {
        let mut of_items = Vec::new();
        collect(root, items, &format!("{path}[]"), &mut of_items);
        let about = cell(&described(root, key));
        rows.push(format!("| `{path}` | list | {about} |\n"));
        return rows.extend(of_items);
    } else {
        values(root, of)
    };
    let about = cell(&described(root, key));
    rows.push(format!("| `{path}` | {values} | {about} |\n"));
}

fn values(root: &Value, of: &Value) -> String {
    if let Some(words) = of["enum"].as_array() {
        let words: Vec<_> = words
            .iter()
            .map(|it| {
                format!(
                    "`{}`",
                    it.as_str().map_or_else(|| it.to_string(), str::to_owned)
                )
            })
            .collect();
        return words.join(", ");
    }
    if of["anyOf"].is_array() {
        let each: Vec<_> = of["anyOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| values(root, resolved(root, it)))
            .collect();
        return each.join(", or ");
    }
    let pattern = of["pattern"].as_str().unwrap_or_default();
    if pattern.contains("ms|us") && pattern.ends_with("%)$") {
        return "duration, or percentage".to_owned();
    }
    if pattern.contains("ms|us") {
        return "duration".to_owned();
    }
    match &of["type"] {
        Value::String(one) if one == "array" => {
            format!("list of {}", values(root, resolved(root, &of["items"])))
        }
        Value::String(one) => one.clone(),
        Value::Array(some) => {
            let some: Vec<_> = some.iter().filter_map(Value::as_str).collect();
            some.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}
