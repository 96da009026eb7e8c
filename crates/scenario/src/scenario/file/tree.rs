//! A scenario file as a tree that remembers where each value was written, so that whatever is
//! found wrong later can be pointed at. It knows nothing of what the keys mean.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{
    Error, Location, MessageFormatter, Options, Spanned, UserMessageFormatter, alias_limits, budget,
};

use serde_json::Value as Json;

use super::decode::below;
use crate::{scenario::draft::ScenarioError, words::excerpt};

/// Keys and lists within each other; a scenario needs a few.
const MOST_DEPTH: usize = 16;
/// Values in all, those that aliases repeat among them.
const MOST_NODES: usize = 50_000;
/// Aliases in all.
const MOST_ALIASES: usize = 1_000;
/// The longest key, in bytes.
const LONGEST_KEY: usize = 256;

/// A tree and the places its values came from.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Tree {
    pub(super) root: Node,
    places: Vec<Place>,
    file: String,
}

/// A value, and the index of its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

/// What YAML knows.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, the index of its own place, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: usize,
    pub(super) node: Node,
}

/// Where a value was written.
#[derive(Clone, Debug)]
struct Place {
    /// `FILE:LINE:COLUMN`, `--set churn.minHold` or `--min-hold`.
    position: String,
    /// The dotted keys that lead to it; empty where the position says them.
    path: String,
    /// Later ones are written later, or override.
    order: (u64, u64),
}

// === impl Tree ===

impl Tree {
    /// Parses YAML (or JSON).
    pub(in crate::scenario) fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let mut tree = Self::empty(file, &format!("{file}:1:1"));
        let mut options = Options::default();
        options.with_snippet = false;
        options.budget = budget! {
            max_depth: MOST_DEPTH,
            max_nodes: MOST_NODES,
            max_aliases: MOST_ALIASES,
            max_anchors: MOST_ALIASES,
        };
        options.alias_limits = alias_limits! {
            max_total_replayed_events: MOST_NODES,
        };
        let raw: Option<Spanned<Raw>> = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| {
                let error = error.without_snippet();
                let location = error.location().unwrap_or(Location::UNKNOWN);
                let (line, column) = (location.line().max(1), location.column().max(1));
                let mut message = UserMessageFormatter.format_message(error).into_owned();
                if is_limit(error, &message) {
                    message.push_str(&format!(
                        "; a scenario has at most {MOST_DEPTH} levels, {MOST_NODES} values and \
                         {MOST_ALIASES} aliases"
                    ));
                }
                ScenarioError::new(&format!("{file}:{line}:{column}"), &message)
            })?;
        match raw.map(|raw| tree.adopt(raw, "")) {
            None
            | Some(Node {
                value: Value::Null, ..
            }) => Err(tree.error_at_key(0, "the file is empty; a scenario needs churn.services")),
            Some(root) if matches!(root.value, Value::Map(_)) => Ok(Self { root, ..tree }),
            Some(other) => {
                let problem = "where the sections scenario, churn, client, … belong";
                let found = excerpt(&other.value.to_string());
                Err(tree.error_at_key(other.at, &format!("{found} {problem}")))
            }
        }
    }

    /// The tree of JSON that a recording holds: its places are the keys alone.
    pub(in crate::scenario) fn of_json(json: &Json, file: &str) -> Self {
        let mut tree = Self::empty(file, file);
        tree.root = tree.adopt(Raw::of_json(json), "");
        tree
    }

    /// A tree without keys, for flags; what is missing is reported at `position`.
    pub(in crate::scenario) fn empty(file: &str, position: &str) -> Self {
        Self {
            root: Node {
                at: 0,
                value: Value::Map(Vec::new()),
            },
            places: vec![Place {
                position: position.to_owned(),
                path: String::new(),
                order: (0, 0),
            }],
            file: file.to_owned(),
        }
    }

    /// Puts `value` at the dotted `path`, making the sections on the way; `position` is how errors
    /// call it.
    pub(in crate::scenario) fn put(
        &mut self,
        position: &str,
        path: &str,
        value: &str,
    ) -> Result<(), ScenarioError> {
        if path.split('.').nth(MOST_DEPTH).is_some() {
            let message = format!("{} has more than {MOST_DEPTH} keys", excerpt(path));
            return Err(ScenarioError::new(position, &message));
        }
        let at = self.places.len();
        self.places.push(Place {
            position: position.to_owned(),
            path: String::new(),
            order: (u64::MAX, at as u64),
        });
        let mut node = &mut self.root;
        for key in path.split('.') {
            if key.is_empty() || key.contains(['[', '{']) {
                let shown = excerpt(path);
                let message = format!("{shown} is not a path of keys; write it as churn.minHold");
                return Err(ScenarioError::new(position, &message));
            }
            if matches!(node.value, Value::Null) {
                node.value = Value::Map(Vec::new());
            }
            let found = match &node.value {
                Value::Map(_) => String::new(),
                value => value.to_string(),
            };
            let Value::Map(entries) = &mut node.value else {
                let (shown, found) = (excerpt(path), excerpt(&found));
                let message = format!("{shown} leads through {found}, which has no keys");
                return Err(ScenarioError::new(position, &message));
            };
            let index = entries
                .iter()
                .position(|e| e.key == key)
                .unwrap_or_else(|| {
                    entries.push(Entry {
                        key: key.to_owned(),
                        key_at: at,
                        node: Node {
                            at,
                            value: Value::Null,
                        },
                    });
                    entries.len() - 1
                });
            node = &mut entries[index].node;
        }
        *node = Node {
            at,
            value: Value::given(value, at),
        };
        Ok(())
    }

    /// An error about the value at the place `at`.
    pub(super) fn error(&self, at: usize, message: &str) -> ScenarioError {
        let place = &self.places[at];
        if place.path.is_empty() {
            ScenarioError::new(&place.position, message)
        } else {
            ScenarioError::new(&place.position, &format!("{}: {message}", place.path))
        }
    }

    /// An error about what stands at the place `at`, without naming its path.
    pub(super) fn error_at_key(&self, at: usize, message: &str) -> ScenarioError {
        ScenarioError::new(&self.places[at].position, message)
    }

    /// By what places are in the order in which they are written.
    pub(super) fn order(&self, at: usize) -> (u64, u64) {
        self.places[at].order
    }

    /// Whichever of the two places is written later.
    pub(super) fn later(&self, a: usize, b: usize) -> usize {
        if self.order(a) > self.order(b) { a } else { b }
    }

    /// The place of the value at the dotted `path`, if it was given.
    pub(super) fn path_place(&self, path: &str) -> Option<usize> {
        let mut node = &self.root;
        for key in path.split('.') {
            let Value::Map(entries) = &node.value else {
                return None;
            };
            node = &entries.iter().find(|entry| entry.key == key)?.node;
        }
        (!node.is_null()).then_some(node.at)
    }

    /// The file's name without folder and ending.
    pub(super) fn stem(&self) -> &str {
        let name = self.file.rsplit(['/', '\\']).next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    fn adopt(&mut self, raw: Spanned<Raw>, path: &str) -> Node {
        let at = self.place(raw.referenced, path);
        let value = match raw.value {
            Raw::Scalar(value) => value,
            Raw::List(items) => Value::List(
                (0..)
                    .zip(items)
                    .map(|(index, item): (usize, _)| self.adopt(item, &format!("{path}[{index}]")))
                    .collect(),
            ),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        key_at: self.place(key.referenced, ""),
                        node: self.adopt(value, &below(path, &key.value)),
                        key: key.value,
                    })
                    .collect(),
            ),
        };
        Node { at, value }
    }

    fn place(&mut self, location: Location, path: &str) -> usize {
        let (line, column) = (location.line().max(1), location.column().max(1));
        let position = if location == Location::UNKNOWN {
            self.file.clone()
        } else {
            format!("{}:{line}:{column}", self.file)
        };
        self.places.push(Place {
            position,
            path: path.to_owned(),
            order: (line, column),
        });
        self.places.len() - 1
    }
}

/// Whether the parser gave up for a limit of ours.
fn is_limit(error: &Error, message: &str) -> bool {
    let mut cause = error;
    while let Error::AliasError { error, .. } = cause {
        cause = error;
    }
    matches!(
        cause,
        Error::Budget { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
    ) || message.contains("recursion limit exceeded")
}

// === impl Node ===

impl Node {
    /// Whether nothing is said: that is as if it had not been written.
    pub(super) const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}

// === impl Value ===

impl Value {
    /// A value given without YAML around it: one, or a list of them in braces, as in Helm's `--set`.
    fn given(text: &str, at: usize) -> Self {
        let list = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        let Some(list) = list else {
            return Self::typed(text);
        };
        let items = list.split(',').map(str::trim).filter(|it| !it.is_empty());
        let items = items.map(|item| Node {
            at,
            value: Self::typed(item),
        });
        Self::List(items.collect())
    }

    /// A value given without YAML around it, typed as Helm's `--set` does.
    fn typed(text: &str) -> Self {
        match text {
            "null" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => Self::number(text).unwrap_or_else(|| Self::Text(text.to_owned())),
        }
    }

    /// A plain decimal number; what merely reads as one to a float parser (`inf`, `1e3`) is text.
    fn number(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.contains(['e', 'E']) {
            return None;
        }
        let whole = text.parse().map(Self::Unsigned);
        whole
            .or_else(|_| text.parse().map(Self::Signed))
            .ok()
            .or_else(|| text.parse().ok().map(Self::Float))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(text) if text.is_empty() || text.contains(char::is_whitespace) => {
                write!(f, "{text:?}")
            }
            Self::Text(text) => f.write_str(text),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
        }
    }
}

/// A node as the YAML parser hands it over.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

// === impl Raw ===

impl Raw {
    /// What JSON holds, which has no places.
    fn of_json(json: &Json) -> Spanned<Self> {
        fn nowhere<T>(value: T) -> Spanned<T> {
            Spanned::new(value, Location::UNKNOWN, Location::UNKNOWN)
        }
        nowhere(match json {
            Json::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            Json::Object(entries) => Self::Map(
                (entries.iter())
                    .map(|(key, value)| (nowhere(key.clone()), Self::of_json(value)))
                    .collect(),
            ),
            scalar => Self::deserialize(scalar).expect("invariant: any scalar is one of YAML's"),
        })
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// Takes scalars of each kind.
macro_rules! scalars {
    ($($visit:ident($($value:ident: $type:ty)?) => $scalar:expr;)*) => {$(
        fn $visit<E>(self, $($value: $type)?) -> Result<Raw, E> {
            Ok(Raw::Scalar($scalar))
        }
    )*};
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    scalars! {
        visit_unit() => Value::Null;
        visit_none() => Value::Null;
        visit_bool(value: bool) => Value::Bool(value);
        visit_u64(value: u64) => Value::Unsigned(value);
        visit_i64(value: i64) => u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned);
        visit_f64(value: f64) => Value::Float(value);
        visit_str(value: &str) => Value::Text(value.to_owned());
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry::<Spanned<String>, _>()? {
            let length = entry.0.value.len();
            if length > LONGEST_KEY {
                let message = format!("a key has {length} bytes; it has at most {LONGEST_KEY}");
                return Err(de::Error::custom(message));
            }
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
