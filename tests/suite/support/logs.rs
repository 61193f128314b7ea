//! What a tessera in this process logs about one request, as `tessera serve` would write it.
//!
//! Many of them run side by side here. A line belongs to the request whose name its span carries, so
//! whoever wants to know sends a name of its own. Every line is held against all secrets and tokens.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, Once};

use serde_json::Value;
use tessera::telemetry::traces;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, registry};

use super::watch;

/// How the names of requests begin whose lines are kept.
const WATCHED: &str = "watched-";

static LINES: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

/// Listens from now on to as much as a service can be told to say; what is kept is what it says unless
/// it is told so.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ours = filter_fn(|metadata| {
            let target = metadata.target();
            let ours = target == "tessera" || target.starts_with("tessera::");
            let most = if ours { Level::DEBUG } else { Level::WARN };
            *metadata.level() <= most && !traces::is_for_traces(metadata)
        });
        let lines = layer().json().flatten_event(true).with_span_list(false).with_target(false);
        let lines = lines.with_ansi(false).with_writer(|| Line);
        let ours = ours.with_max_level_hint(LevelFilter::DEBUG);
        registry().with(lines.with_filter(ours)).init();
    });
}

/// A name for a request whose lines are to be kept.
pub(crate) fn watched() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{WATCHED}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Every line about the request of this name, which was answered. They are forgotten here.
pub(crate) fn about(request: &str) -> Vec<String> {
    LINES.lock().unwrap().remove(request).unwrap_or_default()
}

/// One line: the subscriber writes each whole.
struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8(bytes.to_vec()).expect("a line is text");
        watch::said("the log", &line);
        let told: Value = serde_json::from_str(&line).expect("a line is JSON");
        if told["level"] == "DEBUG" {
            return Ok(bytes.len());
        }
        if let Some(name) = told["span"]["request_id"].as_str().filter(|id| id.starts_with(WATCHED))
        {
            LINES.lock().unwrap().entry(name.to_owned()).or_default().push(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
