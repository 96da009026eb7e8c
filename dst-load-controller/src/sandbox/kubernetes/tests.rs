//! The embedded cluster, as kube's clients see it.

mod churn;
mod support;
