//! What is measured about the process, under the names that all exporters use. Read from `/proc`;
//! where there is none, nothing is told.

use std::fs;
use std::str::FromStr;

use prometheus::{Counter, IntGauge};

use super::maker::{Maker, whole};

/// How many ticks the kernel counts a second for programs: 100 on every platform that is built for.
const TICKS: f64 = 100.0;
/// Bytes in what `/proc/self/status` calls kB.
const KIB: i64 = 1024;

/// The process; read at the scrape.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    cpu: Counter,
    resident: IntGauge,
    virtual_memory: IntGauge,
    open_files: IntGauge,
    max_files: IntGauge,
    threads: IntGauge,
}

impl ProcessMetrics {
    /// Registers them, where they can be read.
    pub(super) fn new(make: &Maker) -> Result<Option<Self>, prometheus::Error> {
        let Some(started) = started() else { return Ok(None) };
        let start = make.fraction(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
        )?;
        start.set(started);
        Ok(Some(Self {
            cpu: make.kept(Counter::new(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
            )?)?,
            resident: make
                .gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            virtual_memory: make
                .gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")?,
            open_files: make.gauge("process_open_fds", "Number of open file descriptors.")?,
            max_files: make.gauge("process_max_fds", "Maximum number of open file descriptors.")?,
            threads: make.gauge("process_threads", "Number of OS threads in the process.")?,
        }))
    }

    /// To be called by one scrape at a time.
    pub(super) fn set(&self) {
        if let Some(used) = used() {
            self.cpu.inc_by((used - self.cpu.get()).max(0.0));
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kept = |gauge: &IntGauge, name: &str, unit: i64| {
            if let Some(value) = named::<i64>(&status, name) {
                gauge.set(value.saturating_mul(unit));
            }
        };
        kept(&self.resident, "VmRSS:", KIB);
        kept(&self.virtual_memory, "VmSize:", KIB);
        kept(&self.threads, "Threads:", 1);
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        // Without a number it is unlimited.
        self.max_files.set(named(&limits, "Max open files").unwrap_or(i64::MAX));
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder itself.
            self.open_files.set(whole(files.count()).saturating_sub(1));
        }
    }
}

/// The first number on the line that begins with `name`.
fn named<N: FromStr>(text: &str, name: &str) -> Option<N> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What stands behind the name of the program in `/proc/self/stat`, from the third field on
/// (proc(5)): the name itself may hold spaces and parentheses.
fn fields() -> Option<Vec<String>> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// Seconds that were computed, for us and by the kernel (fields 14 and 15).
fn used() -> Option<f64> {
    let fields = fields()?;
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// Since when we are running: field 22 counts from the start of the machine.
fn started() -> Option<f64> {
    let ticks: f64 = fields()?.get(19)?.parse().ok()?;
    let machine: f64 = named(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
    Some(machine + ticks / TICKS)
}
