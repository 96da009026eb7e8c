//! The JSON schema of a scenario file, which is the chart's `values.schema.json`, and what Helm
//! says of a file that breaks it.

use regex::Regex;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::{
    File,
    tree::{Entry, Tree, Value},
};

/// The schema, in the draft that every Helm 3 understands.
#[must_use]
pub fn schema() -> Json {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<File>().to_value();
    tidy(&mut schema);
    schema
}

/// Says the same in the plainest keywords, so that Helm's complaints are plain too: words of an
/// enumeration become one `enum`, and what may be absent need not be null, which Helm takes for
/// absent before it looks at the schema.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(tidy),
        Json::Object(object) => {
            object.values_mut().for_each(tidy);
            never_null(object);
            one_enum(object);
            // No number here has another format than JSON's own.
            object.remove("format");
        }
        _ => {}
    }
}

fn never_null(object: &mut Map<String, Json>) {
    if object.get("default") == Some(&Json::Null) {
        object.remove("default");
    }
    if let Some(Json::Array(types)) = object.get_mut("type") {
        types.retain(|it| it != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".into(), one);
        }
    }
    if let Some(Json::Array(words)) = object.get_mut("enum") {
        words.retain(|it| !it.is_null());
    }
    if let Some(Json::Array(any)) = object.get_mut("anyOf") {
        any.retain(|it| it["type"] != "null");
    }
    // What is a choice of one is that one.
    for choice in ["anyOf", "allOf"] {
        if let Some(Json::Array(any)) = object.get(choice)
            && let [Json::Object(one)] = any.as_slice()
        {
            let one = one.clone();
            object.remove(choice);
            for (key, value) in one {
                object.entry(key).or_insert(value);
            }
        }
    }
}

fn one_enum(object: &mut Map<String, Json>) {
    let Some(Json::Array(of)) = object.get("oneOf") else {
        return;
    };
    let words: Option<Vec<Json>> = of.iter().map(|it| it.get("const").cloned()).collect();
    let Some(words) = words else { return };
    let meanings = of.iter().filter_map(|it| {
        let meaning = it["description"].as_str()?.replace('\n', " ");
        Some(format!("- {}: {meaning}", it["const"].as_str()?))
    });
    let meanings: Vec<_> = meanings.collect();
    let own = object["description"].as_str().unwrap_or_default();
    let description = format!("{own}\n\n{}", meanings.join("\n"));
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), words.into());
    object.insert("description".into(), description.trim().into());
}

/// Everything that breaks the schema, in the words of Helm 3.18 and later
/// (github.com/santhosh-tekuri/jsonschema v6, `kind.go`); empty if only what goes together is wrong,
/// which no schema can say.
pub(in crate::model::scenario) fn violations(tree: &Tree) -> Vec<String> {
    let root = schema();
    let mut found = Vec::new();
    look(&root, &root, &tree.root.value, "", &mut found);
    found
}

fn look(root: &Json, schema: &Json, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = name.strip_prefix('#').and_then(|name| root.pointer(name));
        return target
            .into_iter()
            .for_each(|it| look(root, it, value, path, found));
    }
    let mut say = |path: &str, what: String| found.push(format!("at {}: {what}", quote(path)));
    let types: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(some) => some.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|it| is(value, it)) {
        return say(
            path,
            format!("got {}, want {}", kind(value), types.join(" or ")),
        );
    }
    if let Json::Array(words) = &schema["enum"]
        && !words.iter().any(|it| *it == plain(value))
    {
        let words: Vec<_> = words.iter().map(display).collect();
        say(path, format!("value must be one of {}", words.join(", ")));
    }
    if let (Some(pattern), Value::Text(text)) = (schema["pattern"].as_str(), value)
        && Regex::new(pattern).is_ok_and(|it| !it.is_match(text))
    {
        let (text, pattern) = (quote(text), quote(pattern));
        say(path, format!("{text} does not match pattern {pattern}"));
    }
    if let Some(number) = plain(value).as_f64() {
        for (bound, out) in [("minimum", -1.0), ("maximum", 1.0)] {
            if let Some(limit) = schema[bound].as_f64()
                && (number - limit) * out > 0.0
            {
                say(path, format!("{bound}: got {number}, want {limit}"));
            }
        }
    }
    match value {
        Value::List(items) => {
            for (index, node) in items.iter().enumerate() {
                look(
                    root,
                    &schema["items"],
                    &node.value,
                    &format!("{path}/{index}"),
                    found,
                );
            }
        }
        Value::Map(entries) => section(root, schema, entries, path, found),
        _ => {}
    }
}

fn section(root: &Json, schema: &Json, entries: &[Entry], path: &str, found: &mut Vec<String>) {
    let known = &schema["properties"];
    let further = &schema["additionalProperties"];
    let unknown: Vec<_> = entries
        .iter()
        .filter(|it| known.get(&it.key).is_none() && *further == json!(false))
        .map(|it| quote(&it.key))
        .collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        found.push(format!(
            "at {}: additional properties {unknown} not allowed",
            quote(path)
        ));
    }
    let given = |key: &&Json| entries.iter().any(|it| **key == it.key);
    let required = schema["required"].as_array().into_iter().flatten();
    let missing: Vec<_> = required.filter(|it| !given(it)).map(display).collect();
    if !missing.is_empty() {
        let noun = if missing.len() == 1 {
            "property"
        } else {
            "properties"
        };
        let missing = missing.join(", ");
        found.push(format!("at {}: missing {noun} {missing}", quote(path)));
    }
    for entry in entries {
        let below = known.get(&entry.key).unwrap_or(further);
        // Helm drops what is null before it looks.
        if !matches!(entry.node.value, Value::Null) {
            let key = entry.key.replace('~', "~0").replace('/', "~1");
            look(
                root,
                below,
                &entry.node.value,
                &format!("{path}/{key}"),
                found,
            );
        }
    }
}

fn is(value: &Value, of: &str) -> bool {
    match value {
        Value::Float(number) => of == "number" || of == "integer" && number.fract() == 0.0,
        Value::Unsigned(_) | Value::Signed(_) => matches!(of, "number" | "integer"),
        other => kind(other) == of,
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => "number",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    }
}

/// A scalar as JSON; what is none is null.
fn plain(value: &Value) -> Json {
    match value {
        Value::Bool(it) => json!(it),
        Value::Unsigned(it) => json!(it),
        Value::Signed(it) => json!(it),
        Value::Float(it) => json!(it),
        Value::Text(it) => json!(it),
        Value::Null | Value::List(_) | Value::Map(_) => Json::Null,
    }
}

fn display(word: &Json) -> String {
    word.as_str().map_or_else(|| word.to_string(), quote)
}

/// In single quotes, as Go quotes it otherwise.
fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\'', "\\'");
    format!("'{escaped}'")
}
