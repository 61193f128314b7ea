//! Log lines, on standard error: standard output belongs to the commands.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Starts to write log lines. Fails when that was done before.
pub fn start(log: Log) -> Result<(), TryInitError> {
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match log.format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_target(false)
            .boxed(),
        LogFormat::Human => lines.with_target(false).compact().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter(log.level))).try_init()
}

/// What we say ourselves from `level` on; what libraries say only when it is a warning.
fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("tessera", ours)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_heard_only_when_they_warn() {
        let info = filter(LogLevel::Info);
        assert!(info.would_enable("tessera::edge", &Level::INFO));
        assert!(!info.would_enable("tessera::edge", &Level::DEBUG));
        assert!(!info.would_enable("actix_server", &Level::INFO));
        assert!(info.would_enable("actix_server", &Level::WARN));
        assert!(!filter(LogLevel::Error).would_enable("actix_server", &Level::WARN));
    }
}
