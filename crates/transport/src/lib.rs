//! How a process reaches others and is reached: kubeconfigs, credentials, proxies, TLS, retries, listeners.

pub mod backoff;
pub mod calls;
pub mod clock;
pub mod cluster;
pub mod connect;
pub mod files;
pub mod http;
pub mod listen;
pub mod mock;
pub mod retry;
pub mod world;
