//! How we watch: log lines, metrics and traces. Rules know nothing of it.

mod audit_metrics;
mod cache_metrics;
mod client_metrics;
mod config_metrics;
mod decision_metrics;
pub mod gateway_metrics;
mod key_metrics;
pub mod lifecycle_metrics;
pub mod logs;
mod loss_metrics;
mod maker;
pub mod metrics;
mod process_metrics;
mod request_metrics;
mod store_metrics;
mod timings;
pub mod traces;
mod upstream_metrics;
mod writer;
