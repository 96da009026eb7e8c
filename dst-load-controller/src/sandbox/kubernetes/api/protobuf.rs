//! Leases in Kubernetes' protobuf: Go's leader election writes them so, whatever it reads.
//!
//! Nothing else is decoded; a client that writes another kind so is told to send JSON.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::{Value, json};

use crate::sandbox::kubernetes::status::Refusal;

/// What every such body starts with.
const MAGIC: &[u8] = b"k8s\0";

/// `k8s.io/apimachinery/pkg/runtime/generated.proto`: Unknown.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

/// `k8s.io/api/coordination/v1/generated.proto`: Lease.
#[derive(Clone, PartialEq, Message)]
struct Lease {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(message, optional, tag = "2")]
    spec: Option<LeaseSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct ObjectMeta {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    namespace: String,
    #[prost(string, tag = "5")]
    uid: String,
    #[prost(string, tag = "6")]
    resource_version: String,
    #[prost(btree_map = "string, string", tag = "11")]
    labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct LeaseSpec {
    #[prost(string, optional, tag = "1")]
    holder_identity: Option<String>,
    #[prost(int32, optional, tag = "2")]
    lease_duration_seconds: Option<i32>,
    #[prost(message, optional, tag = "3")]
    acquire_time: Option<MicroTime>,
    #[prost(message, optional, tag = "4")]
    renew_time: Option<MicroTime>,
    #[prost(int32, optional, tag = "5")]
    lease_transitions: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct MicroTime {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// A Lease as JSON.
///
/// # Errors
/// 415 for another kind, 400 for what is no such body.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Refusal> {
    let unreadable =
        |error: prost::DecodeError| Refusal::bad_request(format!("error decoding: {error}"));
    let Some(body) = body.strip_prefix(MAGIC) else {
        return Err(Refusal::bad_request(
            "provided data does not appear to be a protobuf message",
        ));
    };
    let envelope = Envelope::decode(body).map_err(unreadable)?;
    let kind = envelope.type_meta.unwrap_or_default().kind;
    if kind != "Lease" {
        let media = format!("application/vnd.kubernetes.protobuf of kind {kind:?}");
        return Err(Refusal::unsupported_media(&media, "application/json"));
    }
    let lease = Lease::decode(envelope.raw.as_slice()).map_err(unreadable)?;
    let (metadata, spec) = (
        lease.metadata.unwrap_or_default(),
        lease.spec.unwrap_or_default(),
    );
    Ok(json!({
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "labels": metadata.labels,
            "annotations": metadata.annotations,
        },
        "spec": {
            "holderIdentity": spec.holder_identity,
            "leaseDurationSeconds": spec.lease_duration_seconds,
            "acquireTime": spec.acquire_time.as_ref().and_then(MicroTime::to_rfc3339),
            "renewTime": spec.renew_time.as_ref().and_then(MicroTime::to_rfc3339),
            "leaseTransitions": spec.lease_transitions,
        },
    }))
}

// === impl MicroTime ===

impl MicroTime {
    fn to_rfc3339(&self) -> Option<String> {
        let time = jiff::Timestamp::new(self.seconds, self.nanos).ok()?;
        Some(format!("{time:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, raw: Vec<u8>) -> Vec<u8> {
        let envelope = Envelope {
            type_meta: Some(TypeMeta {
                api_version: "coordination.k8s.io/v1".to_owned(),
                kind: kind.to_owned(),
            }),
            raw,
        };
        [MAGIC, &envelope.encode_to_vec()].concat()
    }

    #[test]
    fn a_lease_is_read() {
        let lease = Lease {
            metadata: Some(ObjectMeta {
                name: "leader".to_owned(),
                ..ObjectMeta::default()
            }),
            spec: Some(LeaseSpec {
                holder_identity: Some("me".to_owned()),
                renew_time: Some(MicroTime {
                    seconds: 0,
                    nanos: 1_000,
                }),
                ..LeaseSpec::default()
            }),
        };
        let read = parse(&body("Lease", lease.encode_to_vec())).unwrap();
        assert_eq!(read["metadata"]["name"], "leader");
        assert_eq!(read["spec"]["holderIdentity"], "me");
        assert_eq!(read["spec"]["renewTime"], "1970-01-01T00:00:00.000001Z");
    }

    #[test]
    fn another_kind_is_refused() {
        assert_eq!(parse(&body("Event", vec![])).unwrap_err().code(), 415);
        assert_eq!(parse(b"{}").unwrap_err().code(), 400);
    }
}
