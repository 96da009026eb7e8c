//! What texts of the chart may be, as Kubernetes, container registries and Prometheus have it.

use super::text::Form;

/// A part of a name in DNS, in lower case.
const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// The last part of a qualified name, such as a label's key is.
const NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]";

/// A name of DNS or an address, with or without a port.
const HOST: &str =
    "([A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_.])?|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?";

/// Each form: what it is, what to write, and its expression.
macro_rules! forms {
    ($($(#[$doc:meta])* $form:ident { $name:literal, $advice:literal, $body:expr $(, $key:ident: $type:ty = $value:expr)* })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $form;

        impl Form for $form {
            const NAME: &'static str = $name;
            const ADVICE: &'static str = $advice;
            $(const $key: $type = $value;)*

            fn body() -> String {
                $body.into()
            }
        }
    )+};
}

forms! {
    /// What a namespace has as name, and a part of others.
    DnsLabel {
        "a DNS label",
        "lower-case letters, digits and inner dashes",
        LABEL, LONGEST: Option<usize> = Some(63)
    }
    /// What a Service has as name.
    ServiceName {
        "a Service's name",
        "lower-case letters, digits and inner dashes, a letter first",
        "[a-z]([-a-z0-9]*[a-z0-9])?", LONGEST: Option<usize> = Some(63)
    }
    /// What most objects have as name.
    ObjectName {
        "an object's name",
        "lower-case letters, digits, inner dashes and dots",
        format!("{LABEL}(\\.{LABEL})*"), LONGEST: Option<usize> = Some(253)
    }
    /// A key of a Secret or a ConfigMap: part of a path, but not the way up.
    DataKey {
        "a Secret's key",
        "letters, digits, -, _ and .",
        "\\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*", LONGEST: Option<usize> = Some(253)
    }
    /// The key of a label, and of a resource.
    LabelKey {
        "a label's key",
        "letters, digits, inner -, _ and ., at most 63, after a domain and a slash if there is one",
        format!("({LABEL}(\\.{LABEL})*/)?{NAME}"), LONGEST: Option<usize> = Some(317)
    }
    /// What a label has as value.
    LabelValue {
        "a label's value",
        "letters, digits, inner -, _ and .",
        "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
        LONGEST: Option<usize> = Some(63), ANY_NUMBER: bool = false
    }
    /// The key of an annotation: its domain may have capitals.
    AnnotationKey {
        "an annotation's key",
        "letters, digits, inner -, _ and ., at most 63, after a domain and a slash if there is one",
        format!("([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?/)?{NAME}"), LONGEST: Option<usize> = Some(317)
    }
    /// Any text: an argument, or an annotation's value.
    Prose {
        "a text without control characters",
        "printable characters and line breaks",
        "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]*"
    }
    /// Any text on one line.
    OneLine {
        "one line of text",
        "printable characters",
        "[^\\x00-\\x1f\\x7f-\\x9f]*"
    }
    /// A key of any object: a field, or a label.
    Field {
        "a field of Kubernetes",
        "its name, as in the API",
        "[a-zA-Z0-9][-a-zA-Z0-9_./]*"
    }
    /// A name of an environment variable.
    VariableName {
        "an environment variable's name",
        "letters, digits, -, _ and ., no digit first",
        "[-._a-zA-Z][-._a-zA-Z0-9]*"
    }
    /// An amount of a resource.
    Quantity {
        "a quantity of Kubernetes",
        "for example 500m, 2 or 1Gi",
        "\\+?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?"
    }
    /// How often Prometheus scrapes.
    ScrapeInterval {
        "a duration of Prometheus",
        "for example 5s, 500ms or 1m30s",
        "(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)"
    }
    /// Registry and name of an image.
    ImageName {
        "an image's name",
        "REGISTRY/NAME or NAME, without tag and digest",
        "(([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:]+\\])(:[0-9]+)?/)?[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*",
        LONGEST: Option<usize> = Some(255)
    }
    /// An image's tag.
    ImageTag {
        "an image's tag",
        "letters, digits, _, . and -",
        "[A-Za-z0-9_][-A-Za-z0-9_.]*", LONGEST: Option<usize> = Some(128)
    }
    /// An image's digest.
    ImageDigest {
        "an image's digest",
        "sha256: and 64 hexadecimal digits",
        "(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
    }
    /// Where a destination controller serves streams.
    Destination {
        "the address of a destination controller",
        "HOST:PORT",
        format!("(https?://|dns:///|passthrough:///|dns:|ipv4:|ipv6:)?{HOST}/?")
    }
    /// Where something serves HTTP. It goes into lists with commas.
    Url {
        "an http or https address",
        "http://HOST:PORT/PATH",
        "https?://[-A-Za-z0-9._~:@!$&'()*+;=%\\[\\]]+([/?#][-A-Za-z0-9._~:/?#\\[\\]@!$&'()*+;=%]*)?"
    }
    /// How a toleration compares; the last two for numbers, from Kubernetes 1.35 on.
    TolerationOperator {
        "a toleration's operator",
        "Equal or Exists",
        "(Equal|Exists|Lt|Gt)"
    }
    /// What a taint does.
    TaintEffect {
        "a taint's effect",
        "NoSchedule, PreferNoSchedule or NoExecute",
        "(NoSchedule|PreferNoSchedule|NoExecute)"
    }
}
