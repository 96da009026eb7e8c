//! The forms in which a client may want an object: whole, its metadata, or a row of a table.

use bytes::Bytes;
use dst_load_scenario::time::At;
use serde_json::{Value, json};

use super::table;
use crate::kubernetes::resources::Resource;

/// What the `Accept` header asks for. Protobuf is never spoken: clients that prefer it also take
/// JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object.
    Whole,
    /// `PartialObjectMetadata`.
    Metadata,
    /// `Table`, as kubectl prints it.
    Table,
}

// === impl Form ===

impl Form {
    /// The first form in the header that is known here.
    pub(crate) fn of(accept: &str) -> Self {
        accept
            .split(',')
            .filter(|range| range.contains("application/json"))
            .find_map(|range| {
                if range.contains("as=PartialObjectMetadata") {
                    Some(Self::Metadata)
                } else if range.contains("as=Table")
                    && range.contains("v=v1;") | range.ends_with("v=v1")
                {
                    Some(Self::Table)
                } else if range.contains("as=") {
                    None
                } else {
                    Some(Self::Whole)
                }
            })
            // Only protobuf was named: its metadata form is still told apart.
            .unwrap_or(if accept.contains("as=PartialObjectMetadata") {
                Self::Metadata
            } else {
                Self::Whole
            })
    }

    /// One object in this form. `header` says whether a table names its columns.
    pub(crate) fn render(self, resource: Resource, object: Bytes, now: At, header: bool) -> Bytes {
        match self {
            Self::Whole => object,
            Self::Metadata => Bytes::from(metadata(&parse(&object)).to_string()),
            Self::Table => {
                let object = parse(&object);
                let version = &object["metadata"]["resourceVersion"];
                let list = json!({ "resourceVersion": version });
                Bytes::from(table::table(resource, [&object], list, now, header).to_string())
            }
        }
    }
}

/// An object's metadata, as an object of its own.
pub(crate) fn metadata(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

/// Stored JSON.
pub(crate) fn parse(object: &[u8]) -> Value {
    serde_json::from_slice(object).expect("invariant: stored JSON was written by a serialiser")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_is_known_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(Form::of(table), Form::Table);
        let go = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(Form::of(go), Form::Whole);
        let partial = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                       application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        assert_eq!(Form::of(partial), Form::Metadata);
        assert_eq!(Form::of("*/*"), Form::Whole);
    }
}
