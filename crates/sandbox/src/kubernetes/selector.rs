//! Label and field selectors, as they are written in a query.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::core::{Expression, SelectorExt as _};

use super::{
    object::{Key, Meta, Object},
    resources::Resource,
    status::Refusal,
    store::Store,
};

/// What of an object a selector can see; shared by its versions while it stays the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selectable {
    pub(crate) labels: BTreeMap<String, String>,
    /// The fields that this kind can be selected by, beside its name and namespace.
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// A conjunction of requirements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    namespace: Option<Arc<str>>,
    labels: kube::core::Selector,
    fields: Vec<(String, bool, String)>,
}

// === impl Selector ===

impl Selector {
    /// Parses the `labelSelector` and `fieldSelector` of a query.
    ///
    /// # Errors
    /// 400 for what is not a selector.
    pub(crate) fn parse(
        namespace: Option<&str>,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            namespace: namespace.map(Arc::from),
            labels: split(labels.unwrap_or_default())
                .map(label)
                .collect::<Result<_, _>>()?,
            fields: split(fields.unwrap_or_default())
                .map(field)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Refuses fields that a kind cannot be selected by.
    ///
    /// # Errors
    /// 400.
    pub(crate) fn only(self, known: &[(&str, &str)]) -> Result<Self, Refusal> {
        let unknown = self.fields.iter().map(|(field, ..)| field).find(|field| {
            !["metadata.name", "metadata.namespace"].contains(&field.as_str())
                && known.iter().all(|(known, _)| known != *field)
        });
        match unknown {
            Some(field) => {
                let message = format!("field label not supported: {field}");
                Err(Refusal::bad_request(message))
            }
            None => Ok(self),
        }
    }

    /// The objects of a resource that it selects, in the order of their keys, after `after`.
    pub(crate) fn list<'a>(
        &'a self,
        store: &'a Store,
        resource: Resource,
        after: Option<&Key>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let all = store.list(resource, self.namespace.as_deref(), after);
        all.filter(|it| self.selects(&it.meta))
    }

    /// Whether it selects an object.
    pub(crate) fn selects(&self, object: &Meta) -> bool {
        let Key { namespace, name } = &object.key;
        self.matches(namespace, name, &object.selectable)
    }

    fn matches(&self, namespace: &str, name: &str, seen: &Selectable) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|wanted| wanted == namespace)
            && self.labels.matches(&seen.labels)
            && self.fields.iter().all(|(field, equal, value)| {
                let actual = match field.as_str() {
                    "metadata.name" => name,
                    "metadata.namespace" => namespace,
                    other => seen
                        .fields
                        .iter()
                        .find(|(field, _)| *field == other)
                        .map_or("", |(_, value)| value),
                };
                (actual == value) == *equal
            })
    }
}

fn label(text: &str) -> Result<Expression, Refusal> {
    let text = text.trim();
    if let Some((key, values)) = set(text, " notin ") {
        return Ok(Expression::NotIn(key, values));
    }
    if let Some((key, values)) = set(text, " in ") {
        return Ok(Expression::In(key, values));
    }
    if let Some((key, equal, value)) = equality(text) {
        return Ok(if equal {
            Expression::Equal(key, value)
        } else {
            Expression::NotEqual(key, value)
        });
    }
    let absent = text.strip_prefix('!');
    let key = absent.unwrap_or(text).trim().to_owned();
    if key.is_empty() || key.contains(char::is_whitespace) {
        let message = format!("unable to parse requirement: found '{text}'");
        return Err(Refusal::bad_request(message));
    }
    Ok(match absent {
        Some(_) => Expression::DoesNotExist(key),
        None => Expression::Exists(key),
    })
}

/// Splits at the commas that stand outside parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
}

fn set(text: &str, operator: &str) -> Option<(String, BTreeSet<String>)> {
    let (key, values) = text.split_once(operator)?;
    let values = values.trim().strip_prefix('(')?.strip_suffix(')')?;
    let values = values.split(',').map(|it| it.trim().to_owned()).collect();
    Some((key.trim().to_owned(), values))
}

/// What is compared, whether it is to be equal, and with what.
fn equality(text: &str) -> Option<(String, bool, String)> {
    let operators = [("!=", false), ("==", true), ("=", true)];
    operators.into_iter().find_map(|(operator, equal)| {
        let (key, value) = text.split_once(operator)?;
        Some((key.trim().to_owned(), equal, value.trim().to_owned()))
    })
}

fn field(text: &str) -> Result<(String, bool, String), Refusal> {
    equality(text).ok_or_else(|| {
        Refusal::bad_request(format!(
            "invalid selector: '{text}'; can't understand '{text}': not a valid field selector"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(labels: &str, fields: &str) -> bool {
        let seen = Selectable {
            labels: [("app", "web"), ("tier", "front")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            fields: vec![("status.phase", "Running".to_owned())],
        };
        Selector::parse(Some("ns"), Some(labels), Some(fields))
            .unwrap()
            .matches("ns", "pod-1", &seen)
    }

    #[test]
    fn selectors_are_read_as_kubernetes_reads_them() {
        for labels in [
            "",
            "app=web",
            "app==web,tier!=back",
            "app in (web, db),tier",
            "!gone",
            "app notin (db)",
        ] {
            assert!(selects(labels, ""), "{labels}");
        }
        for labels in ["app=db", "app notin (web)", "!app", "gone"] {
            assert!(!selects(labels, ""), "{labels}");
        }
        assert!(selects("", "metadata.name=pod-1,status.phase!=Failed"));
        assert!(!selects("", "spec.nodeName=node-1"));
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        assert!(Selector::parse(None, Some("a b c"), None).is_err());
        assert!(Selector::parse(None, None, Some("metadata.name")).is_err());
    }
}
