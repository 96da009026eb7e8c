//! What every section of a file is: each key may be absent, and one that is not known is refused.

/// Writes sections: a name, the name that it has in the schema where that is another, whether it is
/// also written, and its keys.
macro_rules! sections {
    ($(
        $(#[$meta:meta])*
        $name:ident $(as $title:literal)? $(: $Serialize:ident)? {
            $($(#[$key_meta:meta])* $key:ident: $type:ty,)*
        }
    )+) => {$(
        #[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
        $(#[derive(serde::$Serialize)])?
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        $(#[schemars(rename = $title)])?
        $(#[$meta])*
        pub(super) struct $name {
            $($(#[$key_meta])* $key: $type,)*
        }
    )+};
}

/// Writes a section with the keys that the chart reads of the pods of either half, beside its own.
macro_rules! half {
    ($(#[$meta:meta])* $name:ident { $($(#[$key_meta:meta])* $key:ident: $type:ty,)* }) => {
        super::section::sections! {
            $(#[$meta])*
            $name: Serialize {
                $($(#[$key_meta])* $key: $type,)*
                /// Whether the chart installs it.
                enabled: super::chart::ChartKey<bool>,
                /// Requests and limits of its container.
                resources: super::chart::ChartKey<super::kubernetes::Resources>,
                /// Additional arguments.
                extra_args: super::chart::ChartKey<Vec<super::text::Word<super::forms::Prose>>>,
                /// Additional environment variables.
                extra_env: super::chart::ChartKey<Vec<super::kubernetes::Variable>>,
                /// Additional annotations of its pods.
                pod_annotations: super::chart::ChartKey<super::chart::Annotations>,
                /// Additional labels of its pods.
                pod_labels: super::chart::ChartKey<super::chart::Labels>,
                /// Node selector of its pods.
                node_selector: super::chart::ChartKey<super::chart::Labels>,
                /// Additional tolerations of its pods.
                tolerations: super::chart::ChartKey<Vec<super::kubernetes::Toleration>>,
                /// Affinity of its pods.
                affinity: super::chart::ChartKey<super::kubernetes::Affinity>,
            }
        }
    };
}

pub(super) use {half, sections};
