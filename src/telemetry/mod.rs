//! How we watch: log lines and metrics. Rules know nothing of it.

pub mod gateway_metrics;
pub mod logs;
pub mod metrics;
mod store_metrics;
