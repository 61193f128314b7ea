//! The audit trail of a service in this process: every record is looked at when it ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tessera::config::{AuditFile, AuditSink};

use super::watch;

/// A folder in memory, where it costs nothing that each record is brought to the disk.
const MEMORY: &str = "/dev/shm";

/// A file of records, removed at the end.
pub(super) struct Trail(PathBuf);

impl Trail {
    pub(super) fn new() -> Self {
        static BEGUN: AtomicU32 = AtomicU32::new(0);
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new(MEMORY);
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self(folder.join(format!("tessera-trail-{}-{number}.jsonl", std::process::id())))
    }

    pub(super) fn sink(&self) -> AuditSink {
        AuditSink::File(AuditFile { path: self.0.clone(), rotate: u64::MAX, keep: None })
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        let records = std::fs::read(&self.0).unwrap_or_default();
        drop(std::fs::remove_file(&self.0));
        assert!(thread::panicking() || !records.is_empty(), "that it started is on record");
        watch::said("the audit trail", &String::from_utf8_lossy(&records));
    }
}
