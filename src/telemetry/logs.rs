//! Log lines, on standard error: standard output belongs to the commands.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Span, Subscriber, callsite};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, layer};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, Registry};

use super::traces::{self, Recorder};
use super::writer::{self, Lines};
use crate::config::{Log, LogFormat, LogLevel};
use crate::protocol::trace_context::TraceParent;

/// Log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no thread that writes them.
    #[error("cannot start to write log lines: {0}")]
    Thread(#[from] io::Error),
    /// They are being written already.
    #[error(transparent)]
    Twice(#[from] TryInitError),
}

/// The log lines of this process.
#[derive(Debug)]
pub struct Logs {
    level: LogLevelHandle,
    lines: Lines,
}

/// Starts to write log lines, and to record traces if there is a `recorder`. Fails when that was
/// done before.
pub fn start(log: Log, recorder: Option<Recorder>) -> Result<Logs, LogError> {
    let told = match log.format {
        LogFormat::Json => |lost| {
            let why = "log lines were lost: nobody reads them fast enough";
            format!("{{\"level\":\"WARN\",\"message\":\"{why}\",\"lost\":{lost}}}\n")
        },
        LogFormat::Human => |lost| format!("WARN {lost} log lines were lost\n"),
    };
    // Nobody joins the thread: a pipe that is stuck would keep the process.
    let (lines, _thread) = writer::start(io::stderr(), told)?;
    let to = layer().with_writer(lines.clone()).with_ansi(io::stderr().is_terminal());
    let to = match log.format {
        LogFormat::Json => {
            let format = Format::default()
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .with_target(false);
            to.fmt_fields(JsonFields::new()).event_format(Traced(format)).boxed()
        }
        LogFormat::Human => to.with_target(false).compact().boxed(),
    };
    let heard = Heard::from(log.level);
    tracing_subscriber::registry()
        .with(to.with_filter(heard.clone()))
        .with(recorder.map(Recorder::listen))
        .try_init()?;
    Ok(Logs { level: LogLevelHandle(heard), lines })
}

impl Logs {
    /// Changes how much is written.
    pub fn level(&self) -> LogLevelHandle {
        self.level.clone()
    }
}

/// What was said to the end is written, as far as somebody reads it.
impl Drop for Logs {
    fn drop(&mut self) {
        self.lines.flush();
    }
}

/// Where in a trace of others a span belongs that is not recorded here.
struct Belongs(TraceParent);

/// From now on lines within `span` tell the trace of `parent`.
pub fn belongs(span: &Span, parent: TraceParent) {
    span.with_subscriber(|(id, subscriber)| {
        if let Some(span) = subscriber.downcast_ref::<Registry>().and_then(|all| all.span(id)) {
            span.extensions_mut().insert(Belongs(parent));
        }
    });
}

/// JSON with `trace_id` and `span_id`, where OpenTelemetry looks for them in log lines of others.
struct Traced(Format<Json>);

impl<S> FormatEvent<S, JsonFields> for Traced
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let above = || {
            let mut spans = context.event_scope()?;
            spans.find_map(|span| span.extensions().get().map(|Belongs(parent)| *parent))
        };
        let Some(TraceParent { trace, span, .. }) = traces::here().or_else(above) else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(line) = line.strip_suffix("}\n") else { return writer.write_str(&line) };
        writeln!(writer, "{line},\"trace_id\":\"{trace:032x}\",\"span_id\":\"{span:016x}\"}}")
    }
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
        if traces::is_for_traces(metadata) {
            return false;
        }
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
