//! What is said about operations.

use serde_json::{Value, json};

use super::director::{Event, PHASES};
use super::mix::Class;
use super::record::{POINT, Record, Seen};
use super::{CLIENTS, PER_SECOND, SEED};
use crate::report::plot::{Axis, Plot};
use crate::report::table::{Table, quantiles};
use crate::report::{Aim, Section, Target};

/// Each class and its name, in the order of the record.
const CLASSES: [(Class, &str); 3] = [
    (Class::Introspection, "introspection"),
    (Class::Exchange, "exchange"),
    (Class::Opaque, "opaque tokens"),
];

pub(super) fn section(record: &Record, events: &[Event]) -> Section {
    let failed = record.count(|seen| seen.failed);
    let wrong = record.count(|seen| seen.wrong);
    let unknowable = record.count(|seen| seen.unknowable);
    let asked = record.count(|seen| seen.latency.len());
    let mut text = format!(
        "Two replicas share the core, and a Redis with a replica under three sentinels; {CLIENTS} \
         clients keep a connection each, half of them to either replica as long as that is ready. \
         They offer {PER_SECOND:.0} requests per second in an open loop: introspections of tokens \
         known, new, revoked, signed by Entra with its new key, and issued a moment ago by whichever \
         replica; exchanges for JWTs; and, told apart, introspections and exchanges of opaque tokens, \
         which are kept in Redis. Latency counts from when a request was due, in ms. No request is \
         sent twice. An answer is wrong if it calls a good token inactive or a revoked one active, or \
         if it is of a configuration that was not yet, or no more, in force.\n\n{}\n",
        table(record, events)
    );
    text += &format!(
        "{asked} requests: {failed} failed, {wrong} answers were wrong. {unknowable} were answered \
         503 because only Redis knows the opaque token, or has to keep it, and could not be asked: \
         that is documented, counted only between the kill and 6 s after both replicas had found the \
         new master, and not a failure of this table. {told} answers said `Connection: close`, and \
         {connected} connections were opened in all.\n",
        told = record.told_to_close,
        connected = record.connected,
    );
    for words in &record.words {
        text += &format!("\n- {words}");
    }
    let target = Target {
        what: "failed or wrong answers while keys rotate, the configuration changes, a replica \
               restarts and Redis fails over",
        measured: (failed + wrong) as f64,
        aim: Aim::AtMost(0.0),
        unit: "",
    };
    Section {
        name: "operations",
        title: "Rotation, reload, restart and fail-over under load",
        text,
        data: data(record, events),
        targets: vec![target],
        plots: vec![plot(record, events)],
    }
}

fn table(record: &Record, events: &[Event]) -> Table {
    let mut table = Table::new(&[
        "what happened",
        "at s",
        "took s",
        "requests",
        "introspection p50",
        "p99",
        "slowest",
        "exchange p50",
        "p99",
        "slowest",
        "failed",
        "wrong",
        "503, unknowable",
    ]);
    for (event, phase) in events.iter().zip(&record.phases) {
        let sum = |of: fn(&Seen) -> u64| phase.iter().map(of).sum::<u64>().to_string();
        let mut cells = vec![
            event.what.to_owned(),
            format!("{:.1}", event.seconds),
            format!("{:.2}", event.took),
            sum(|seen| seen.latency.len()),
        ];
        for seen in phase.iter().take(2) {
            let at = |part| milliseconds(seen.latency.value_at_quantile(part));
            cells.extend([at(0.5), at(0.99), milliseconds(seen.latency.max())]);
        }
        cells.extend([sum(|seen| seen.failed), sum(|seen| seen.wrong)]);
        cells.push(sum(|seen| seen.unknowable));
        table.row(cells);
    }
    table
}

fn milliseconds(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1000.0)
}

/// The slowest answer of each quarter of a second, and where the events are.
fn plot(record: &Record, events: &[Event]) -> Plot {
    let mut curves = Vec::new();
    for (class, name) in CLASSES {
        let points = record.slowest.iter().enumerate().filter_map(|(number, slowest)| {
            let micros = *slowest.get(class as usize)?;
            let seconds = POINT.as_secs_f64() * number as f64;
            (micros > 0).then(|| (seconds, micros as f64 / 1000.0))
        });
        curves.push((name.to_owned(), points.collect()));
    }
    let at: Vec<_> = events.iter().map(|event| format!("{:.0}", event.seconds)).collect();
    Plot::Lines {
        name: "operations",
        title: format!("The slowest answer in each quarter second; events at {} s", at.join(", ")),
        x: Axis { label: "s", log: false },
        y: Axis { label: "ms", log: true },
        curves,
    }
}

fn data(record: &Record, events: &[Event]) -> Value {
    let phases: Vec<_> = record
        .phases
        .iter()
        .enumerate()
        .map(|(number, phase)| {
            let event = events.get(number);
            let classes = CLASSES.map(|(class, name)| {
                let told = phase.get(class as usize).map(|seen| {
                    json!({
                        "failed": seen.failed, "wrong": seen.wrong, "unknowable": seen.unknowable,
                        "micros": quantiles(&seen.latency),
                    })
                });
                (name.to_owned(), told.unwrap_or_default())
            });
            json!({
                "what": PHASES.get(number),
                "at_seconds": event.map(|event| event.seconds),
                "took_seconds": event.map(|event| event.took),
                "seen": serde_json::Map::from_iter(classes),
            })
        })
        .collect();
    json!({
        "per_second": PER_SECOND,
        "clients": CLIENTS,
        "seed": SEED,
        "phases": phases,
        "slowest_micros": record.slowest,
        "connected": record.connected,
        "told_to_close": record.told_to_close,
        "failures": record.words,
    })
}
