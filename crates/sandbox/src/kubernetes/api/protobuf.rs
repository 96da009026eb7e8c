//! The few kinds that Go's clients write in Kubernetes' protobuf whatever they read: leader
//! election its Leases, `kubectl create` what it can make without a manifest.
//!
//! Nothing else is decoded; a client that writes another kind so is told to send JSON.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use prost::Message;
use serde_json::{Value, json};

use crate::kubernetes::status::Refusal;

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

/// Any kind of which the metadata is enough.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
}

/// `k8s.io/api/core/v1/generated.proto`: ConfigMap.
#[derive(Clone, PartialEq, Message)]
struct ConfigMap {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(btree_map = "string, string", tag = "2")]
    data: BTreeMap<String, String>,
}

/// The same: Secret.
#[derive(Clone, PartialEq, Message)]
struct Secret {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(btree_map = "string, bytes", tag = "2")]
    data: BTreeMap<String, Vec<u8>>,
    #[prost(string, tag = "3")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct ObjectMeta {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    generate_name: String,
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

/// A body as JSON.
///
/// # Errors
/// 415 for another kind, 400 for what is no such body.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Refusal> {
    let Some(body) = body.strip_prefix(MAGIC) else {
        return Err(Refusal::bad_request(
            "provided data does not appear to be a protobuf message",
        ));
    };
    let envelope: Envelope = decode(body)?;
    let raw = envelope.raw.as_slice();
    let type_meta = envelope.type_meta.unwrap_or_default();
    Ok(match type_meta.kind.as_str() {
        "Lease" => decode::<Lease>(raw)?.into_json(),
        "Namespace" | "ServiceAccount" => {
            json!({ "metadata": metadata(decode::<Named>(raw)?.metadata) })
        }
        "ConfigMap" => {
            let map: ConfigMap = decode(raw)?;
            json!({ "metadata": metadata(map.metadata), "data": map.data })
        }
        "Secret" => {
            let secret: Secret = decode(raw)?;
            let data = secret.data.into_iter();
            let data: BTreeMap<String, String> = data
                .map(|(key, value)| (key, BASE64_STANDARD.encode(value)))
                .collect();
            json!({ "metadata": metadata(secret.metadata), "data": data, "type": secret.kind })
        }
        kind => {
            let media = format!("application/vnd.kubernetes.protobuf of kind {kind:?}");
            return Err(Refusal::unsupported_media(&media, "application/json"));
        }
    })
}

fn decode<M: Message + Default>(body: &[u8]) -> Result<M, Refusal> {
    M::decode(body).map_err(|error| Refusal::bad_request(format!("error decoding: {error}")))
}

fn metadata(metadata: Option<ObjectMeta>) -> Value {
    let metadata = metadata.unwrap_or_default();
    json!({
        "name": metadata.name,
        "generateName": metadata.generate_name,
        "namespace": metadata.namespace,
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
        "labels": metadata.labels,
        "annotations": metadata.annotations,
    })
}

// === impl Lease ===

impl Lease {
    fn into_json(self) -> Value {
        let spec = self.spec.unwrap_or_default();
        json!({
            "metadata": metadata(self.metadata),
            "spec": {
                "holderIdentity": spec.holder_identity,
                "leaseDurationSeconds": spec.lease_duration_seconds,
                "acquireTime": spec.acquire_time.as_ref().and_then(MicroTime::to_rfc3339),
                "renewTime": spec.renew_time.as_ref().and_then(MicroTime::to_rfc3339),
                "leaseTransitions": spec.lease_transitions,
            },
        })
    }
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
