//! What is said about a soak.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Soak;
use super::director::{Event, PHASES};
use super::kinds::SHARES;
use super::record::{Record, Seen};
use super::replica::{Logs, Taken};
use super::rude::Rude;
use super::samples::Samples;
use super::stage::REPLICAS;
use crate::report::table::{Table, quantiles};

/// The replica that is never restarted: its memory is looked at over the whole time.
const OLDEST: usize = 0;
/// How much more memory at the end is flat: an allocator is not exact to the page.
const FLAT: f64 = 1.05;
/// Of the time: when caches are full, and how long memory is looked at there and at the end.
const PARTS: u64 = 6;

/// All of it.
pub(super) struct Found<'f> {
    pub(super) plan: &'f Soak,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) record: Record,
    pub(super) rude: Rude,
    pub(super) events: Vec<Event>,
    pub(super) samples: Samples,
    pub(super) logs: Arc<Logs>,
    pub(super) took: Duration,
    /// Revocations that were told to the other replicas only later.
    pub(super) here_only: i64,
}

/// What must hold, and whether it does.
struct Claim {
    what: &'static str,
    measured: String,
    holds: bool,
}

fn of(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn megabytes(kib: u64) -> String {
    format!("{:.1} MB", kib as f64 / 1024.0)
}

impl Found<'_> {
    /// Fails if a claim does not hold; the report is written in any case.
    pub(super) fn write(&self, out: &Path) -> anyhow::Result<()> {
        let claims = self.claims();
        let text = self.markdown(&claims);
        if let Some(folder) = out.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(out, &text).with_context(|| out.display().to_string())?;
        let machine = serde_json::to_string(&self.json(&claims))?;
        fs::write(out.with_extension("json"), machine + "\n")?;
        println!("{text}");
        let broken: Vec<_> = claims.iter().filter(|one| !one.holds).map(|one| one.what).collect();
        ensure!(broken.is_empty(), "{}", broken.join("; "));
        Ok(())
    }

    /// Seconds of the first look and of the last one, when caches were full.
    fn spans(&self) -> [(u64, u64); 2] {
        let (all, part) = (self.took.as_secs(), self.took.as_secs() / PARTS);
        [(2 * part, 3 * part), (all - part, all)]
    }

    fn claims(&self) -> Vec<Claim> {
        let none =
            |what, count: u64| Claim { what, measured: count.to_string(), holds: count == 0 };
        let [full, end] = self.spans();
        let memory = |span| self.samples.median(OLDEST, span, |taken| taken.resident_kib);
        let open = |span| self.samples.highest(OLDEST, span, |taken| taken.descriptors);
        let (before, after) = (memory(full), memory(end));
        let (first, last) = (open(full), open(end));
        let trouble = self.events.iter().filter(|event| event.trouble.is_some()).count();
        vec![
            none("wrong answers", self.record.count(|seen| seen.wrong)),
            none("failed answers", self.record.count(|seen| seen.failed)),
            none("good answers to rude clients", self.rude.answered),
            none("panics", of(&self.logs.panics)),
            none(
                "log lines or records with something of a secret or a token",
                of(&self.logs.leaks),
            ),
            none("things that went wrong and did not mend by themselves", trouble as u64),
            Claim {
                what: "memory of the replica that was never restarted: flat",
                measured: format!("{}, then {}", megabytes(before), megabytes(after)),
                holds: after as f64 <= before as f64 * FLAT,
            },
            Claim {
                what: "its open descriptors, at most: flat",
                measured: format!("{first}, then {last}"),
                holds: last as f64 <= first as f64 * FLAT + 5.0,
            },
        ]
    }

    fn markdown(&self, claims: &[Claim]) -> String {
        let asked = self.record.count(|seen| seen.latency.len());
        let Soak { rate, minutes, .. } = self.plan;
        let mut claimed = Table::new(&["", "measured", "holds"]);
        for Claim { what, measured, holds } in claims {
            claimed.row([*what, measured, if *holds { "yes" } else { "**no**" }]);
        }
        let mut facts = Table::new(&["", ""]);
        for (name, value) in &self.facts {
            facts.row([*name, value]);
        }
        let [full, end] = self.spans();
        let mut text = format!(
            "# Soak\n\n`make soak`: {minutes} minutes of {rate:.0} requests per second on three \
             replicas of a release build that share a Redis under three sentinels, while one thing \
             after the other goes wrong. Every answer is held against what is true of its token at \
             that moment, whose revocation must hold at the replica that took it at once and at the \
             others within 5 s. No request is sent twice.\n\n{claimed}\n\
             {asked} requests over {connected} connections. {unknowable} were answered 503 because \
             what knows the answer was away, as documented; {broken} got no answer from a replica \
             that had been killed or frozen. {rude} rude clients hung up in the middle, said \
             nothing, or said nonsense. {here} revocations were told to the other replicas only \
             when Redis was back. {lines} lines of log, {warnings} of them warnings and {errors} \
             errors; {records} audit records.\n\n\
             Memory and descriptors are looked at each second: the middle value (the highest, for \
             descriptors) of seconds {full:?}, when caches are full, and of {end:?}.\n",
            connected = self.record.connected,
            unknowable = self.record.count(|seen| seen.unknowable),
            broken = self.record.count(|seen| seen.broken),
            rude = self.rude.count,
            here = self.here_only,
            lines = of(&self.logs.lines),
            warnings = of(&self.logs.warnings),
            errors = of(&self.logs.errors),
            records = of(&self.logs.records),
        );
        let kinds = SHARES.iter().map(|(kind, _)| format!("{kind:?}"));
        let kinds = table("request", kinds.zip(&self.record.kinds), &self.events);
        let phases = PHASES.iter().map(|name| (*name).to_owned());
        let phases = table("while", phases.zip(&self.record.phases), &self.events);
        text += &format!("\n## What went wrong\n\n{phases}\n## What was asked\n\n{kinds}\n");
        text += &format!("## What replicas took\n\n{}\n## Measured on\n\n{facts}", self.taken());
        let troubles = self.events.iter().filter_map(|event| {
            let what = PHASES.get(event.phase)?;
            Some(format!("{:.0} s, {what}: {}", event.seconds, event.trouble.as_ref()?))
        });
        for words in self.record.words.iter().cloned().chain(troubles).chain(self.logs.words()) {
            text += &format!("\n- {words}");
        }
        text
    }

    /// Memory, descriptors and processor time, by tenths of the time.
    fn taken(&self) -> Table {
        let mut table = Table::new(&[
            "minutes",
            "replica",
            "resident, middle",
            "resident, most",
            "descriptors, most",
            "threads, most",
            "of a core",
        ]);
        let part = (self.took.as_secs() / PARTS).max(1);
        for number in 0..PARTS {
            let span = (number * part, (number + 1) * part);
            for place in 0..REPLICAS {
                let most = |of: fn(&Taken) -> u64| self.samples.highest(place, span, of);
                let resident = |taken: &Taken| taken.resident_kib;
                table.row([
                    format!("{} to {}", span.0 / 60, span.1 / 60),
                    place.to_string(),
                    megabytes(self.samples.median(place, span, resident)),
                    megabytes(most(resident)),
                    most(|taken| taken.descriptors).to_string(),
                    most(|taken| taken.threads).to_string(),
                    format!("{:.1} %", self.samples.core(place, span) * 100.0),
                ]);
            }
        }
        table
    }

    fn json(&self, claims: &[Claim]) -> Value {
        let told = |seen: &Seen| {
            json!({
                "failed": seen.failed, "wrong": seen.wrong, "unknowable": seen.unknowable,
                "broken": seen.broken, "micros": quantiles(&seen.latency),
            })
        };
        let kinds = SHARES.iter().zip(&self.record.kinds);
        let kinds = kinds.map(|((kind, _), seen)| (format!("{kind:?}"), told(seen)));
        let phases = PHASES.iter().zip(&self.record.phases);
        let phases = phases.map(|(name, seen)| ((*name).to_owned(), told(seen)));
        let events: Vec<_> = self
            .events
            .iter()
            .map(|Event { phase, seconds, took, trouble }| {
                json!({
                    "what": PHASES.get(*phase), "at_seconds": seconds, "took_seconds": took,
                    "trouble": trouble,
                })
            })
            .collect();
        // One of ten is enough to draw it.
        let samples = self.samples.0.iter().filter(|one| one.second % 10 == 0).map(|one| {
            let Taken { resident_kib, descriptors, threads, ticks } = one.taken;
            json!([
                one.second,
                one.place,
                one.incarnation,
                resident_kib,
                descriptors,
                threads,
                ticks
            ])
        });
        let claims = claims
            .iter()
            .map(|one| json!({ "what": one.what, "measured": one.measured, "holds": one.holds }));
        json!({
            "facts": self.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>(),
            "seconds": self.took.as_secs(),
            "per_second": self.plan.rate,
            "claims": claims.collect::<Vec<_>>(),
            "kinds": kinds.collect::<serde_json::Map<_, _>>(),
            "phases": phases.collect::<serde_json::Map<_, _>>(),
            "events": events,
            "samples": ["second", "place", "process", "resident_kib", "descriptors", "threads", "ticks"],
            "sampled": samples.collect::<Vec<_>>(),
            "words": self.record.words,
            "log": self.logs.words(),
        })
    }
}

fn table<'s>(
    what: &str,
    rows: impl Iterator<Item = (String, &'s Seen)>,
    events: &[Event],
) -> Table {
    let mut table = Table::new(&[
        what,
        "times",
        "requests",
        "p50 ms",
        "p99 ms",
        "slowest ms",
        "503, unknowable",
        "no answer",
        "failed",
        "wrong",
    ]);
    for (name, seen) in rows {
        let times = events.iter().filter(|event| PHASES.get(event.phase) == Some(&&*name)).count();
        let at = |part| format!("{:.2}", seen.latency.value_at_quantile(part) as f64 / 1000.0);
        table.row([
            name,
            if times == 0 { String::new() } else { times.to_string() },
            seen.latency.len().to_string(),
            at(0.5),
            at(0.99),
            at(1.0),
            seen.unknowable.to_string(),
            seen.broken.to_string(),
            seen.failed.to_string(),
            seen.wrong.to_string(),
        ]);
    }
    table
}
