//! The JSON schema of a scenario file, which is the chart's `values.schema.json`.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::{File, decode::MOST_EXACT};

/// The schema, in the draft that every Helm 3 understands.
#[must_use]
pub fn schema() -> Json {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<File>().to_value();
    tidy(&mut schema);
    schema
}

/// The same schema as the chart has it: null is absent, and so is let through wherever a key may be absent.
/// Helm deletes a null only where the chart has a default.
#[must_use]
pub fn chart_schema() -> Json {
    let mut schema = schema();
    nullable_below(&mut schema);
    schema
}

/// Goes through the values that a schema says something about.
fn nullable_below(schema: &mut Json) {
    let required = schema["required"].clone();
    let required =
        |key: &str| (required.as_array().into_iter().flatten()).any(|it| it.as_str() == Some(key));
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Json::Object(definitions)) = object.get_mut("definitions") {
        definitions.values_mut().for_each(nullable_below);
    }
    if let Some(Json::Array(choices)) = object.get_mut("anyOf") {
        choices.iter_mut().for_each(nullable_below);
    }
    if let Some(Json::Object(keys)) = object.get_mut("properties") {
        for (key, of) in keys {
            nullable_below(of);
            if !required(key) {
                nullable(of);
            }
        }
    }
    if let Some(Json::Object(patterns)) = object.get_mut("patternProperties") {
        for of in patterns.values_mut() {
            nullable_below(of);
            nullable(of);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(of) = object.get_mut(key).filter(|it| it.is_object()) {
            nullable_below(of);
            nullable(of);
        }
    }
}

/// Lets null through, so that what is said of any other value stays word for word what it was.
fn nullable(schema: &mut Json) {
    let mut other = schema.take();
    let mut both = json!({"if": {"const": null}});
    for key in ["description", "writeOnly"] {
        if let Some(value) = other.as_object_mut().and_then(|it| it.remove(key)) {
            both[key] = value;
        }
    }
    both["else"] = other;
    *schema = both;
}

/// Says the same in the plainest keywords, so that Helm's complaints are plain too: words of an
/// enumeration become one `enum`, and what may be absent is not said to be null as well.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(tidy),
        Json::Object(object) => {
            object.values_mut().for_each(tidy);
            never_null(object);
            one_enum(object);
            // No number here has another format than JSON's own, but its size is that of a type.
            let most = match object.remove("format").as_ref().and_then(Json::as_str) {
                Some("uint32") => Some(u64::from(u32::MAX)),
                Some("uint64") => Some(MOST_EXACT),
                _ => None,
            };
            if let Some(most) = most {
                object.entry("maximum").or_insert_with(|| most.into());
            }
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
