//! The figures in docs/performance.md: made of the report, never typed. `make bench` writes them, and
//! tests/suite/performance.rs, which reads this file too, holds that they are those of the report.

use std::fmt::Write as _;

use serde_json::Value;

/// How much of a core is planned for: the latency that is promised is that at half of the peak.
const PLANNED: f64 = 0.5;
/// Requests per second for which cores are told.
const RATES: [f64; 6] = [1e3, 5e3, 10e3, 25e3, 50e3, 100e3];
/// Cached tokens for which memory is told.
const CACHED: [f64; 4] = [1e3, 10e3, 100e3, 1e6];
/// What a request can be, and where the report has the microseconds of a core that it took, for
/// each run.
const KINDS: [(&str, &str); 5] = [
    ("introspection, token seen before", "/scenarios/cached/found/cached"),
    ("introspection, token new", "/scenarios/cold/found/cold"),
    ("exchange for a JWT, token seen before", "/scenarios/exchange/found/warm_jwt"),
    ("exchange for a JWT, token new", "/scenarios/exchange/found/cold_jwt"),
    ("Tyk's plugin, token seen before", "/scenarios/plugin/found/shapes/0/tessera"),
];

/// `page` with the figures of `report` between its marks; else what is missing.
pub(crate) fn renewed(page: &str, report: &Value) -> Result<String, String> {
    let mut page = page.to_owned();
    for (name, figures) in [
        ("targets", targets(report)),
        ("measured on", machine(report)),
        ("each", each(report)),
        ("cores", cores(report)),
        ("memory", memory(report)),
    ] {
        // Nothing stands in for what was not measured.
        let figures = figures.unwrap_or_else(|missing| format!("Not measured: {missing}.\n"));
        page = put(&page, name, &figures)?;
    }
    Ok(page)
}

/// Puts `figures` between the marks called `name`.
fn put(page: &str, name: &str, figures: &str) -> Result<String, String> {
    let begins = format!("<!-- figures: {name} -->\n");
    let (before, rest) = page.split_once(&begins).ok_or_else(|| format!("no mark for {name}"))?;
    let (_, after) = rest.split_once("<!-- end -->").ok_or_else(|| format!("no end for {name}"))?;
    Ok(format!("{before}{begins}\n{figures}\n<!-- end -->{after}"))
}

fn targets(report: &Value) -> Result<String, String> {
    let mut table = String::from("| target | measured | aim | met |\n|---|---|---|---|\n");
    let targets = at(report, "/targets")?.as_array().ok_or("no targets")?;
    for target in targets {
        let text = |name: &str| target.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| target.get(name).and_then(Value::as_f64);
        let with_unit = |number| format!("{} {}", figure(number), text("unit")).trim().to_owned();
        let aim = match (number("at_least"), number("at_most")) {
            (Some(least), _) => format!("≥ {}", with_unit(least)),
            (None, Some(most)) => format!("≤ {}", with_unit(most)),
            (None, None) => return Err(format!("no aim of {}", text("what"))),
        };
        let measured =
            number("measured").ok_or_else(|| format!("no number of {}", text("what")))?;
        let met = if target.get("met") == Some(&Value::Bool(true)) { "yes" } else { "**no**" };
        let what = text("what");
        line(&mut table, &[what.to_owned(), with_unit(measured), aim, met.to_owned()]);
    }
    Ok(table)
}

fn machine(report: &Value) -> Result<String, String> {
    let facts = at(report, "/facts")?.as_object().ok_or("no facts")?;
    let mut table = String::from("| measured on | |\n|---|---|\n");
    for (name, value) in facts {
        line(&mut table, &[name.clone(), value.as_str().unwrap_or_default().to_owned()]);
    }
    Ok(table)
}

/// What a request costs, and what half of a core can do of it.
fn each(report: &Value) -> Result<String, String> {
    let mut table =
        String::from("| request | µs of a core | per second, on half of a core |\n|---|---|---|\n");
    for (name, path) in KINDS {
        let micros = micros(report, path)?;
        let rate = format!("{:.0}", PLANNED * 1e6 / micros);
        line(&mut table, &[name.to_owned(), format!("{micros:.1}"), rate]);
    }
    Ok(table)
}

fn cores(report: &Value) -> Result<String, String> {
    let [known, new, exchanged, _, plugin] = KINDS;
    let (known, new) = (micros(report, known.1)?, micros(report, new.1)?);
    let columns = [
        ("introspection, all tokens seen before", known),
        ("one of ten is new", 0.9 * known + 0.1 * new),
        ("all are new", new),
        ("exchange, seen before", micros(report, exchanged.1)?),
        ("Tyk's plugin, seen before", micros(report, plugin.1)?),
    ];
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let mut table = format!("| requests per second | {} |\n|---|", names.join(" | "));
    table += &"---|".repeat(columns.len());
    table.push('\n');
    for rate in RATES {
        let cores = columns.iter().map(|(_, micros)| {
            // Up to the next tenth.
            format!("{:.1}", (rate * micros / 1e6 / PLANNED * 10.0).ceil() / 10.0)
        });
        line(&mut table, &[vec![format!("{rate:.0}")], cores.collect()].concat());
    }
    Ok(table)
}

fn memory(report: &Value) -> Result<String, String> {
    let find = |name: &str| {
        let path = format!("/scenarios/growth/found/cached_tokens/{name}");
        at(report, &path)?.as_f64().ok_or_else(|| format!("no number at {path}"))
    };
    let (idle, answer, beside) = (find("idle_bytes")?, find("answer_bytes")?, find("bytes_each")?);
    let mut table = format!(
        "An answer of {answer:.0} bytes takes {:.0} bytes of memory, and tessera without any \
         {:.0} MB.\n\n| answers in memory | MB |\n|---|---|\n",
        answer + beside,
        idle / 1e6
    );
    for count in CACHED {
        let bytes = idle + count * (answer + beside);
        line(&mut table, &[format!("{count:.0}"), format!("{:.0}", bytes / 1e6)]);
    }
    Ok(table)
}

/// The median over the runs of what is measured at `path`.
fn micros(report: &Value, path: &str) -> Result<f64, String> {
    let path = format!("{path}/core_micros");
    let runs = at(report, &path)?.as_array().ok_or_else(|| format!("no runs at {path}"))?;
    let mut runs: Vec<f64> = runs.iter().filter_map(Value::as_f64).collect();
    runs.sort_by(f64::total_cmp);
    runs.get(runs.len() / 2).copied().ok_or_else(|| format!("no run at {path}"))
}

fn at<'r>(report: &'r Value, path: &str) -> Result<&'r Value, String> {
    report.pointer(path).ok_or_else(|| format!("the report has no {path}"))
}

/// With as many digits as say something.
pub(crate) fn figure(number: f64) -> String {
    let digits = match number.abs() {
        0.0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.digits$}")
}

fn line(table: &mut String, cells: &[String]) {
    // Writing to a string cannot fail.
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}
