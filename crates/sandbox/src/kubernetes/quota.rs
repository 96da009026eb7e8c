//! ResourceQuotas: how many objects of a kind a namespace may have. Their scopes and amounts of CPU
//! or memory are not looked at.

use serde_json::Value;

use super::{object::Key, resources::Resource, status::Refusal, store::Store};

/// Kinds that a quota may also name without `count/`.
const SHORT: [Resource; 5] = [
    Resource::Pods,
    Resource::Services,
    Resource::Secrets,
    Resource::ConfigMaps,
    Resource::Quotas,
];

/// Refuses one more object than a quota of its namespace allows.
///
/// # Errors
/// 403.
pub(crate) fn admit(store: &Store, resource: Resource, key: &Key) -> Result<(), Refusal> {
    let quotas = store.list(Resource::Quotas, Some(&key.namespace), None);
    for quota in quotas {
        let object = quota.to_value();
        for name in names(resource) {
            let Some(limit) = amount(&object["spec"]["hard"][&name]) else {
                continue;
            };
            let used = store.list(resource, Some(&key.namespace), None).count() as u64;
            if used >= limit {
                let why = format!(
                    "exceeded quota: {}, requested: {name}=1, used: {name}={used}, limited: {name}={limit}",
                    quota.meta.key.name
                );
                return Err(Refusal::forbidden_because(resource, &key.name, &why));
            }
        }
    }
    Ok(())
}

/// As a quota may name the number of objects of a kind.
fn names(resource: Resource) -> impl Iterator<Item = String> {
    let short = SHORT.contains(&resource);
    [format!("count/{}", resource.qualified())]
        .into_iter()
        .chain(short.then(|| resource.plural().to_owned()))
}

fn amount(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
