//! The embedded cluster, as kube's clients and kubectl see it.

mod churn;
mod faults;
mod kubectl;
mod objects;
mod support;
mod watches;
