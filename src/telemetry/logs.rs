//! Log lines, on standard error: standard output belongs to the commands.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, callsite};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Starts to write log lines. Fails when that was done before.
pub fn start(log: Log) -> Result<LogLevelHandle, TryInitError> {
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
    let heard = Heard::from(log.level);
    tracing_subscriber::registry().with(lines.with_filter(heard.clone())).try_init()?;
    Ok(LogLevelHandle(heard))
}

/// Changes what is written while the service runs.
#[derive(Clone, Debug)]
pub struct LogLevelHandle(Heard);

impl LogLevelHandle {
    /// From now on lines are written from `level` on.
    pub fn set(&self, level: LogLevel) {
        self.0.level.store(level as u8, Ordering::Relaxed);
        // What a place in the code may say is remembered there, so that silence costs nothing.
        callsite::rebuild_interest_cache();
    }
}

/// What we say ourselves from a level on; what libraries say only when it is a warning.
#[derive(Clone, Debug)]
struct Heard {
    level: Arc<AtomicU8>,
}

impl From<LogLevel> for Heard {
    fn from(level: LogLevel) -> Self {
        Self { level: Arc::new(AtomicU8::new(level as u8)) }
    }
}

impl Heard {
    fn ours(&self) -> LevelFilter {
        match self.level.load(Ordering::Relaxed) {
            level if level == LogLevel::Error as u8 => LevelFilter::ERROR,
            level if level == LogLevel::Warn as u8 => LevelFilter::WARN,
            level if level == LogLevel::Info as u8 => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        }
    }

    fn hears(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let ours = target == "tessera" || target.starts_with("tessera::");
        let level = if ours { self.ours() } else { self.ours().min(LevelFilter::WARN) };
        *metadata.level() <= level
    }
}

impl<S> Filter<S> for Heard {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.hears(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.hears(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.ours())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::{Event, Subscriber};

    use super::*;

    /// Keeps the level of every event that came through.
    #[derive(Clone, Default)]
    struct Heap(Arc<Mutex<Vec<&'static str>>>);

    impl<S: Subscriber> Layer<S> for Heap {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().level().as_str());
        }
    }

    fn say() {
        tracing::debug!(target: "tessera::edge", "ours");
        tracing::info!(target: "tessera::edge", "ours");
        tracing::info!(target: "tesseract", "of a library");
        tracing::info!(target: "actix_server", "of a library");
        tracing::warn!(target: "actix_server", "of a library");
        tracing::error!(target: "tessera", "ours");
    }

    #[test]
    fn the_level_changes_at_once_and_libraries_are_heard_only_when_they_warn() {
        let (heap, heard) = (Heap::default(), Heard::from(LogLevel::Info));
        let handle = LogLevelHandle(heard.clone());
        let subscriber = tracing_subscriber::registry().with(heap.clone().with_filter(heard));
        tracing::subscriber::with_default(subscriber, || {
            for (level, said) in [
                (None, &["INFO", "WARN", "ERROR"][..]),
                (Some(LogLevel::Debug), &["DEBUG", "INFO", "WARN", "ERROR"]),
                (Some(LogLevel::Error), &["ERROR"]),
                (Some(LogLevel::Warn), &["WARN", "ERROR"]),
                (Some(LogLevel::Info), &["INFO", "WARN", "ERROR"]),
            ] {
                if let Some(level) = level {
                    handle.set(level);
                }
                say();
                assert_eq!(std::mem::take(&mut *heap.0.lock().unwrap()), said, "{level:?}");
            }
        });
    }
}
