//! The report: for people as Markdown with plots, for machines as JSON beside it.

pub(crate) mod page;
pub(crate) mod plot;
pub(crate) mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::plan::Plan;
use page::figure;
use plot::Plot;
use table::Table;

/// What shows the most important figures.
const PAGE: &str = "docs/performance.md";

/// What one scenario found.
pub(crate) struct Section {
    /// As on the command line, and in report.json.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Markdown: tables, and a few plain sentences about what was done.
    pub(crate) text: String,
    /// Every number, of every run.
    pub(crate) data: Value,
    /// Shown together at the head of the report.
    pub(crate) targets: Vec<Target>,
    pub(crate) plots: Vec<Plot>,
}

/// What a number is to be.
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) measured: f64,
    pub(crate) aim: Aim,
    /// `""` for a ratio.
    pub(crate) unit: &'static str,
}

#[derive(Clone, Copy)]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// What became of a scenario.
pub(crate) struct Outcome<'o> {
    pub(crate) name: &'o str,
    pub(crate) found: anyhow::Result<Section>,
    pub(crate) took: Duration,
}

/// Everything that was measured.
pub(crate) struct Report<'r> {
    pub(crate) plan: &'r Plan,
    pub(crate) facts: &'r [(&'static str, String)],
    pub(crate) outcomes: Vec<Outcome<'r>>,
}

impl Target {
    pub(crate) fn is_met(&self) -> bool {
        match self.aim {
            Aim::AtLeast(least) => self.measured >= least,
            Aim::AtMost(most) => self.measured <= most,
        }
    }

    fn row(&self) -> [String; 4] {
        let with_unit = |number: f64| format!("{} {}", figure(number), self.unit).trim().to_owned();
        let aim = match self.aim {
            Aim::AtLeast(least) => format!("≥ {}", with_unit(least)),
            Aim::AtMost(most) => format!("≤ {}", with_unit(most)),
        };
        let met = if self.is_met() { "yes" } else { "**no**" };
        [self.what.to_owned(), with_unit(self.measured), aim, met.to_owned()]
    }

    fn json(&self) -> Value {
        let (bound, aim) = match self.aim {
            Aim::AtLeast(least) => ("at_least", least),
            Aim::AtMost(most) => ("at_most", most),
        };
        let Self { what, measured, unit, .. } = self;
        json!({ "what": what, "measured": measured, bound: aim, "unit": unit, "met": self.is_met() })
    }
}

/// Puts the figures of the report in the repository into the page there.
pub(crate) fn renew_page() -> anyhow::Result<()> {
    let report = serde_json::from_slice(&fs::read("loadtest/report.json")?)?;
    let page = fs::read_to_string(PAGE)?;
    Ok(fs::write(PAGE, page::renewed(&page, &report).map_err(anyhow::Error::msg)?)?)
}

impl Report<'_> {
    /// Writes both forms and the plots, and the figures of the page, and prints the Markdown.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let out = self.plan.report();
        let folder = out.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let text = self.markdown();
        fs::write(&out, &text).with_context(|| out.display().to_string())?;
        let machine = serde_json::to_string_pretty(&self.json())?;
        fs::write(out.with_extension("json"), machine + "\n")?;
        self.plots(&folder.join("plots"))?;
        println!("{text}");
        if self.plan.is_published() { renew_page() } else { Ok(()) }
    }

    /// The plots of this run, and no older ones.
    fn plots(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        for plot in self.sections().flat_map(|section| &section.plots) {
            fs::write(folder.join(format!("{}.svg", plot.name())), plot.svg()?)?;
        }
        Ok(())
    }

    fn sections(&self) -> impl Iterator<Item = &Section> {
        self.outcomes.iter().filter_map(|outcome| outcome.found.as_ref().ok())
    }

    fn markdown(&self) -> String {
        let mut text = String::from("# Load test\n\n");
        if self.plan.quick {
            text.push_str("**A smoke run: all works, and the numbers mean nothing.**\n\n");
        }
        let mut targets = Table::new(&["target", "measured", "aim", "met"]);
        for target in self.sections().flat_map(|section| &section.targets) {
            targets.row(target.row());
        }
        text.push_str(&targets.to_string());
        for Outcome { name, found, .. } in &self.outcomes {
            if let Err(error) = found {
                // Writing to a string cannot fail.
                let _ = write!(text, "\n**{name} failed:** {error:#}\n");
            }
        }
        text.push_str("\n## Measured on\n\n");
        let mut facts = Table::new(&["", ""]);
        for (name, value) in self.facts {
            facts.row([(*name).to_owned(), value.clone()]);
        }
        text.push_str(&facts.to_string());
        for section in self.sections() {
            let _ = write!(text, "\n## {}\n\n{}\n", section.title, section.text.trim_end());
            for plot in &section.plots {
                let _ = write!(text, "\n![{}](plots/{}.svg)\n", plot.title(), plot.name());
            }
        }
        text
    }

    fn json(&self) -> Value {
        let facts = self.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let targets: Vec<_> =
            self.sections().flat_map(|section| section.targets.iter().map(Target::json)).collect();
        let scenarios = self.outcomes.iter().map(|Outcome { name, found, took }| {
            let seconds = took.as_secs();
            let told = match found {
                Ok(section) => {
                    json!({ "title": section.title, "took_seconds": seconds, "found": section.data })
                }
                Err(error) => json!({ "took_seconds": seconds, "failed": format!("{error:#}") }),
            };
            let name = found.as_ref().map_or(*name, |section| section.name);
            (name.to_owned(), told)
        });
        json!({
            "smoke": self.plan.quick,
            "facts": facts.collect::<Map<_, _>>(),
            "targets": targets,
            "scenarios": scenarios.collect::<Map<_, _>>(),
        })
    }
}
