//! The JSON schema of a scenario file, which is the chart's `values.schema.json`, and what Helm
//! says of a file that breaks it.

use regex::Regex;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::{
    File,
    decode::MOST_EXACT,
    tree::{Entry, Node, Tree, Value},
};

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

/// Everything that breaks the schema, in the words of Helm 3.18 and later
/// (github.com/santhosh-tekuri/jsonschema v6, `kind.go`); empty if only what goes together is wrong,
/// which no schema can say.
pub(in crate::scenario) fn violations(tree: &Tree) -> Vec<String> {
    let root = schema();
    let mut found = Vec::new();
    let tree = tree.without_nulls();
    look(&root, &root, &tree.root.value, "", &mut found);
    found
}

/// The order in which Helm names types.
const ORDER: [&str; 7] = [
    "null", "boolean", "number", "integer", "string", "array", "object",
];

fn look(root: &Json, schema: &Json, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = name.strip_prefix('#').and_then(|name| root.pointer(name));
        return target
            .into_iter()
            .for_each(|it| look(root, it, value, path, found));
    }
    let mut say = |path: &str, what: String| found.push(format!("at {}: {what}", quote(path)));
    let mut types: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(some) => some.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    types.sort_by_key(|it| ORDER.iter().position(|kind| kind == it));
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
    if let Value::Text(text) = value
        && let Some(longest) = schema["maxLength"].as_u64()
        && text.chars().count() as u64 > longest
    {
        let length = text.chars().count();
        say(path, format!("maxLength: got {length}, want {longest}"));
    }
    if let Value::List(items) = value {
        let count = items.len();
        if let Some(fewest) = schema["minItems"]
            .as_u64()
            .filter(|it| count < *it as usize)
        {
            say(path, format!("minItems: got {count}, want {fewest}"));
        }
        if schema["uniqueItems"] == json!(true)
            && let Some((first, second)) = equal_items(items)
        {
            say(path, format!("items at {first} and {second} are equal"));
        }
    }
    if let Some(number) = plain(value).as_f64() {
        for (bound, out) in [("minimum", -1.0), ("maximum", 1.0)] {
            if let Some(limit) = schema[bound].as_f64()
                && (number - limit) * out > 0.0
            {
                let (number, limit) = (in_helms_form(number), in_helms_form(limit));
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

/// A number as Helm prints it (`%v` of golang.org/x/text/message, in English): 5,001, and 4.2×10⁰⁹ from a
/// million on.
fn in_helms_form(number: f64) -> String {
    let scientific = number.abs() >= 1e6 || (number != 0.0 && number.abs() < 1e-4);
    if scientific {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "⁻" } else { "" };
        let exponent = format!("{:0>2}", exponent.trim_start_matches('-'));
        let raised = exponent.bytes().filter_map(|digit| {
            let at = usize::from(digit.checked_sub(b'0')?);
            "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(at)
        });
        return format!("{digits}×10{sign}{}", raised.collect::<String>());
    }
    let text = number.to_string();
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

/// Two scalars of a list that are the same.
fn equal_items(items: &[Node]) -> Option<(usize, usize)> {
    let plain: Vec<_> = items.iter().map(|it| plain(&it.value)).collect();
    (0..plain.len()).find_map(|first| {
        let second = (first + 1..plain.len()).find(|&it| plain[it] == plain[first])?;
        Some((first, second))
    })
}

fn section(root: &Json, schema: &Json, entries: &[Entry], path: &str, found: &mut Vec<String>) {
    let further = &schema["additionalProperties"];
    let unknown: Vec<_> = entries
        .iter()
        .filter(|it| known(schema, &it.key).is_none() && *further == json!(false))
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
        let below = known(schema, &entry.key).unwrap_or(further);
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

/// What a schema says of a key, by its name or by a pattern of it.
fn known<'a>(schema: &'a Json, key: &str) -> Option<&'a Json> {
    let by_pattern = || {
        let patterns = schema["patternProperties"].as_object()?;
        let found = patterns
            .iter()
            .find(|(pattern, _)| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(key)));
        found.map(|(_, of)| of)
    };
    schema["properties"].get(key).or_else(by_pattern)
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

/// In single quotes, as Helm's library makes them of what Go quotes: a backslash before the last quote
/// is lost.
fn quote(text: &str) -> String {
    let escaped: String = text.chars().map(escaped).collect();
    let quoted = format!("\"{escaped}\"").replace("\\\"", "\"");
    let inner = quoted.strip_prefix('"').unwrap_or(&quoted);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    format!("'{}'", inner.replace('\'', "\\'"))
}

/// A character as Go's `%q` has it.
fn escaped(c: char) -> String {
    let mut named = "\\\"\x07\x08\x0c\n\r\t\x0b"
        .chars()
        .zip("\\\"abfnrtv".chars());
    if let Some((_, name)) = named.find(|(it, _)| *it == c) {
        return format!("\\{name}");
    }
    // Behind another character, or one that is drawn upon it would be escaped too.
    let shown = format!("a{c}");
    let printable = c == '\'' || shown.escape_debug().all(|it| it != '\\');
    match u32::from(c) {
        _ if printable => c.into(),
        code @ (..0x20 | 0x7f) => format!("\\x{code:02x}"),
        code @ ..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{in_helms_form, quote};

    #[test]
    fn texts_are_quoted_as_helm_quotes_them() {
        let all =
            "\\a'\"\x07\x08\x0c\n\r\t\x0b\x1b\0\x7f\u{85}\u{2028}\u{200b}\u{feff}\u{10ffff}é🦀x";
        let quoted = r#"'\\a\'"\a\b\f\n\r\t\v\x1b\x00\x7f\u0085\u2028\u200b\ufeff\U0010ffffé🦀x'"#;
        assert_eq!(quote(all), quoted);
        assert_eq!(quote("e\u{301}x"), "'e\u{301}x'");
        assert_eq!(quote("a\\"), r"'a\'");
    }

    #[test]
    fn numbers_are_printed_as_helm_prints_them() {
        let printed = [
            0.0,
            -1.0,
            -0.25,
            999.0,
            5_001.0,
            -5_000.0,
            999_999.0,
            -1_234.567_89,
            1e6,
            1_234_567.0,
            -1_234_567.0,
            4_294_967_296.0,
            1e-7,
        ]
        .map(in_helms_form);
        let wanted = [
            "0",
            "-1",
            "-0.25",
            "999",
            "5,001",
            "-5,000",
            "999,999",
            "-1,234.56789",
            "1×10⁰⁶",
            "1.234567×10⁰⁶",
            "-1.234567×10⁰⁶",
            "4.294967296×10⁰⁹",
            "1×10⁻⁰⁷",
        ];
        assert_eq!(printed, wanted);
    }
}
