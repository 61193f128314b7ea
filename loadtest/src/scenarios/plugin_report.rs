//! The section about Tyk's plugin.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::load::closed::Measured;
use crate::report::plot::Plot;
use crate::report::table::{Spread, quantiles, together};
use crate::report::{Aim, Section, Target};

/// Decisions per second from memory, on one core, over one connection.
const AIM: f64 = 25_000.0;

/// How calls come.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) body_bytes: usize,
    pub(crate) connections: usize,
    /// Over all connections.
    pub(crate) at_once: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, connections, at_once, .. } = self;
        let connections = match connections {
            1 => "one connection".to_owned(),
            several => format!("{several} connections"),
        };
        let at_once = match at_once {
            1 => "one by one".to_owned(),
            several => format!("{several} at once"),
        };
        write!(f, "{name}, {connections}, {at_once}")
    }
}

/// One run.
pub(crate) struct Timed {
    pub(crate) measured: Measured,
    /// Of the server's core, for each call.
    pub(crate) cpu_micros: f64,
    /// The part of the time in which the generator waited.
    pub(crate) waited: f64,
}

/// Several runs of one shape.
pub(crate) struct Shaped {
    pub(crate) shape: Shape,
    pub(crate) message_bytes: usize,
    pub(crate) bare: Vec<Timed>,
    pub(crate) decided: Vec<Timed>,
}

impl Shaped {
    fn ratio(&self) -> f64 {
        spread(&self.decided).median / spread(&self.bare).median
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) token_bytes: usize,
    pub(crate) runs: usize,
    pub(crate) seconds: u64,
    pub(crate) shapes: Vec<Shaped>,
    pub(crate) exchanged: Timed,
}

impl Report {
    pub(crate) fn section(&self) -> anyhow::Result<Section> {
        let rate = self.shapes.first().map_or(f64::NAN, |first| spread(&first.decided).median);
        let target = Target {
            what: "decisions for Tyk per second of one core, over one connection",
            measured: rate,
            aim: Aim::AtLeast(AIM),
            unit: "",
        };
        Ok(Section {
            name: "plugin",
            title: "Tyk's plugin",
            text: self.markdown()?,
            data: self.json(),
            targets: vec![target],
            plots: vec![self.plot()?],
        })
    }

    fn markdown(&self) -> anyhow::Result<String> {
        let mut text = String::from("| messages | |\n|---|---|\n");
        let message = |shaped: &Shaped| (shaped.shape.name, shaped.message_bytes);
        let mut messages: Vec<_> = self.shapes.iter().map(message).collect();
        messages.dedup();
        for (name, bytes) in messages {
            let token = self.token_bytes;
            writeln!(text, "| message | {name}: {bytes} bytes, of which {token} are the token |")?;
        }
        writeln!(
            text,
            "| runs | {} of {} s each, in turns with the bare plugin; closed loop |\n",
            self.runs, self.seconds
        )?;
        text.push_str("| ÷ bare plugin | ratio |\n|---|---|\n");
        for shaped in &self.shapes {
            writeln!(text, "| {} | {:.2} |", shaped.shape, shaped.ratio())?;
        }
        text.push_str(
            "\n| per second | median | lowest | highest | core µs each | p50 µs | p99 µs | p99.9 µs \
             | generator waited |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for (name, runs) in self.rows() {
            row(&mut text, &name, runs)?;
        }
        Ok(text)
    }

    fn rows(&self) -> Vec<(String, &[Timed])> {
        let mut rows: Vec<(_, &[Timed])> = Vec::new();
        for Shaped { shape, bare, decided, .. } in &self.shapes {
            rows.push((format!("bare plugin: {shape}"), bare));
            rows.push((format!("tessera: {shape}"), decided));
        }
        if let Some(Shaped { shape, .. }) = self.shapes.first() {
            let exchanged = std::slice::from_ref(&self.exchanged);
            rows.push((format!("tessera, and the token swapped: {shape}"), exchanged));
        }
        rows
    }

    fn json(&self) -> Value {
        let shaped = |shaped: &Shaped| {
            json!({
                "calls": shaped.shape.to_string(),
                "message_bytes": shaped.message_bytes,
                "bare": json_of(&shaped.bare),
                "tessera": json_of(&shaped.decided),
                "ratio": shaped.ratio(),
            })
        };
        json!({
            "token_bytes": self.token_bytes,
            "shapes": self.shapes.iter().map(shaped).collect::<Vec<_>>(),
            "swapped": json_of(std::slice::from_ref(&self.exchanged)),
        })
    }

    /// Latencies of calls that have the core for themselves, and at saturation.
    fn plot(&self) -> anyhow::Result<Plot> {
        let drawn = self
            .shapes
            .iter()
            .filter(|one| one.shape.body_bytes == 0 && one.shape.connections == 1);
        let curve = |(who, runs, shape): (&str, &[Timed], Shape)| {
            let how = if shape.at_once == 1 {
                "one by one".to_owned()
            } else {
                format!("{} at once", shape.at_once)
            };
            anyhow::Ok((format!("{who}, {how}"), together(runs.iter().map(|run| &run.measured))?))
        };
        let curves = drawn.flat_map(|one| {
            [("bare plugin", &*one.bare, one.shape), ("tessera", &*one.decided, one.shape)]
        });
        Ok(Plot::Latency {
            name: "plugin",
            title: "Calls of Tyk's plugin over one connection".to_owned(),
            curves: curves.map(curve).collect::<Result<_, _>>()?,
        })
    }
}

/// Several runs, for machines.
fn json_of(runs: &[Timed]) -> Value {
    let each = |value: fn(&Timed) -> f64| runs.iter().map(value).collect::<Vec<_>>();
    json!({
        "per_second": each(|run| run.measured.per_second),
        "core_micros": each(|run| run.cpu_micros),
        "generator_waited": each(|run| run.waited),
        "micros": runs.iter().map(|run| quantiles(&run.measured.latency)).collect::<Vec<_>>(),
    })
}

fn spread(runs: &[Timed]) -> Spread {
    Spread::of_runs(runs.iter().map(|run| &run.measured))
}

fn row(text: &mut String, name: &str, runs: &[Timed]) -> anyhow::Result<()> {
    let Spread { lowest, median, highest } = spread(runs);
    let core = Spread::of(runs.iter().map(|run| run.cpu_micros)).median;
    let waited = Spread::of(runs.iter().map(|run| run.waited)).median * 100.0;
    let latency = together(runs.iter().map(|run| &run.measured))?;
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|at| latency.value_at_quantile(at));
    writeln!(
        text,
        "| {name} | {median:.0} | {lowest:.0} | {highest:.0} | {core:.1} | {p50} | {p99} | {p999} \
         | {waited:.0} % |"
    )?;
    Ok(())
}
