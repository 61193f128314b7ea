//! What a service tells about itself while it runs: log lines, and traces.

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::adapters::otlp::{self, Exporter};
use crate::config::Config;
use crate::telemetry::logs::{self, Logs};
use crate::telemetry::traces::{self, Recorder};

/// Goes on until it is stopped.
pub(super) struct Telemetry {
    /// What is logged.
    pub(super) logs: Logs,
    exporter: Option<Exporter>,
}

impl Telemetry {
    /// Starts what `config` asks for. Traces are sent by tasks on `runtime`.
    pub(super) fn start(config: &Config, runtime: &Handle) -> anyhow::Result<Self> {
        let (mut recorder, mut exporter) = (None, None);
        if let Some(wanted) = &config.traces {
            let (queue, sender) = otlp::start(wanted, &traces::resource(), runtime)
                .context("traces cannot be sent")?;
            let lost = queue.lost();
            recorder = Some(Recorder::new(wanted.sample, queue, lost));
            exporter = Some(sender);
        }
        Ok(Self { logs: logs::start(config.log, recorder)?, exporter })
    }

    /// Sends and writes what is left, within bounds.
    pub(super) async fn stop(self) {
        let Self { logs, exporter } = self;
        if let Some(exporter) = exporter {
            exporter.stop().await;
        }
        drop(logs);
    }
}
