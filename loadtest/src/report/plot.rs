//! Plots as SVG.

use std::fmt::Write as _;

use anyhow::ensure;
use hdrhistogram::Histogram;

/// The colours of curves, told apart also without seeing red from green (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const WIDTH: f64 = 720.0;
/// Of the plot, without the names of its curves.
const HEIGHT: f64 = 400.0;
/// Of a line of text.
const LINE: f64 = 16.0;
/// Around the curves: left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (70.0, 40.0, 20.0, 50.0);
/// The highest quantile that is drawn is that of one in this many.
const RAREST: f64 = 100_000.0;

/// A picture in a section.
pub(crate) enum Plot {
    /// Quantiles of latencies in microseconds; a name for each curve.
    Latency { name: &'static str, title: String, curves: Vec<(String, Histogram<u64>)> },
    /// Points that are joined by lines.
    Lines {
        name: &'static str,
        title: String,
        x: Axis,
        y: Axis,
        curves: Vec<(String, Vec<(f64, f64)>)>,
    },
}

/// What is along one side.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    /// Ten times as much is as far everywhere; then nothing may be 0.
    pub(crate) log: bool,
}

impl Plot {
    /// Of its file, without the ending: one of a kind in the report.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Latency { name, .. } | Self::Lines { name, .. } => name,
        }
    }

    pub(crate) fn title(&self) -> &str {
        match self {
            Self::Latency { title, .. } | Self::Lines { title, .. } => title,
        }
    }

    pub(crate) fn svg(&self) -> anyhow::Result<String> {
        match self {
            Self::Latency { title, curves, .. } => {
                let x = Axis {
                    label: "of all answers, this part or less is slower: one in",
                    log: true,
                };
                let y = Axis { label: "µs", log: true };
                let curves: Vec<_> = curves
                    .iter()
                    .map(|(name, latency)| (name.clone(), quantiles(latency)))
                    .collect();
                draw(title, x, y, &curves)
            }
            Self::Lines { title, x, y, curves, .. } => draw(title, *x, *y, curves),
        }
    }
}

/// Latency by how rare it is: 1 in 1, 1 in 10, 1 in 100, as far as there are samples enough.
fn quantiles(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
    let rarest = (latency.len() as f64).clamp(1.0, RAREST);
    let steps = 120;
    (0..=steps)
        .map(|step| {
            let one_in = rarest.powf(f64::from(step) / f64::from(steps));
            (one_in, latency.value_at_quantile(1.0 - 1.0 / one_in).max(1) as f64)
        })
        .collect()
}

/// From numbers to places.
struct Scale {
    axis: Axis,
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    fn new(
        axis: Axis,
        numbers: impl Iterator<Item = f64> + Clone,
        (start, end): (f64, f64),
    ) -> anyhow::Result<Self> {
        let (mut from, mut to) = numbers
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
                (low.min(number), high.max(number))
            });
        ensure!(from.is_finite() && to.is_finite(), "{}: nothing to plot", axis.label);
        if axis.log {
            ensure!(from > 0.0, "{}: nothing may be 0", axis.label);
            (from, to) = (10_f64.powf(from.log10().floor()), 10_f64.powf(to.log10().ceil()));
            to = to.max(from * 10.0);
        } else {
            from = from.min(0.0);
            to = step(to - from) * ((to - from) / step(to - from)).ceil() + from;
        }
        Ok(Self { axis, from, to: if to > from { to } else { from + 1.0 }, start, end })
    }

    fn place(&self, number: f64) -> f64 {
        let along = if self.axis.log {
            (number / self.from).log10() / (self.to / self.from).log10()
        } else {
            (number - self.from) / (self.to - self.from)
        };
        self.start + along * (self.end - self.start)
    }

    /// Where a line of the grid is.
    fn ticks(&self) -> Vec<f64> {
        let next = |tick: f64| {
            if self.axis.log { tick * 10.0 } else { tick + step(self.to - self.from) }
        };
        let end = self.to * (1.0 + 1e-9);
        std::iter::successors(Some(self.from), |tick| Some(next(*tick)))
            .take_while(|tick| *tick <= end)
            .collect()
    }
}

/// A round distance that divides `range` into four to ten.
fn step(range: f64) -> f64 {
    if range <= 0.0 {
        return 1.0;
    }
    let size = 10_f64.powf(range.log10().floor());
    match range / size {
        parts if parts < 2.0 => size / 5.0,
        parts if parts < 5.0 => size / 2.0,
        _ => size,
    }
}

fn draw(
    title: &str,
    x: Axis,
    y: Axis,
    curves: &[(String, Vec<(f64, f64)>)],
) -> anyhow::Result<String> {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let (left, top, right, bottom) = MARGIN;
    let across = Scale::new(x, points().map(|(x, _)| *x), (left, WIDTH - right))?;
    let up = Scale::new(y, points().map(|(_, y)| *y), (HEIGHT - bottom, top))?;
    // The names of the curves stand below, where none of them can be.
    let height = HEIGHT + LINE * curves.len() as f64 + LINE / 2.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{left}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    grid(&mut svg, &across, &up)?;
    for (number, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS.get(number % COLOURS.len()).copied().unwrap_or("#000");
        curve(&mut svg, points, colour, |(x, y)| (across.place(x), up.place(y)))?;
        let below = HEIGHT + LINE * (number as f64 + 0.75);
        let name = escaped(name);
        writeln!(svg, "<text x=\"{left}\" y=\"{below}\" fill=\"{colour}\">{name}</text>")?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn curve(
    svg: &mut String,
    points: &[(f64, f64)],
    colour: &str,
    place: impl Fn((f64, f64)) -> (f64, f64),
) -> anyhow::Result<()> {
    write!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"")?;
    for point in points {
        let (x, y) = place(*point);
        write!(svg, "{x:.1},{y:.1} ")?;
    }
    svg.push_str("\"/>\n");
    Ok(())
}

fn grid(svg: &mut String, across: &Scale, up: &Scale) -> anyhow::Result<()> {
    let (left, top, right, bottom) = MARGIN;
    let (east, south) = (WIDTH - right, HEIGHT - bottom);
    for tick in across.ticks() {
        let x = across.place(tick);
        writeln!(svg, "<path d=\"M{x:.1} {top}V{south}\" stroke=\"#ddd\"/>")?;
        let y = south + 16.0;
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            short(tick)
        )?;
    }
    for tick in up.ticks() {
        let y = up.place(tick);
        writeln!(svg, "<path d=\"M{left} {y:.1}H{east}\" stroke=\"#ddd\"/>")?;
        let (x, y) = (left - 6.0, y + 4.0);
        writeln!(svg, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", short(tick))?;
    }
    let (middle, below) = (f64::midpoint(left, east), HEIGHT - 12.0);
    let label = escaped(across.axis.label);
    writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{label}</text>")?;
    let (middle, label) = (f64::midpoint(top, south), escaped(up.axis.label));
    writeln!(
        svg,
        "<text transform=\"translate(16 {middle}) rotate(-90)\" text-anchor=\"middle\">{label}</text>"
    )?;
    Ok(())
}

/// 1000000 as 1M.
fn short(number: f64) -> String {
    let (number, unit) = match number.abs() {
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e4 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let rounded = (number * 1000.0).round() / 1000.0;
    format!("{rounded}{unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stay_within_the_picture() {
        let x = Axis { label: "tokens", log: true };
        let y = Axis { label: "a & b", log: false };
        let points = vec![(1.0, 120_000.0), (1000.0, 110_000.0), (1e6, 90_000.0)];
        let svg = draw("A < B", x, y, &[("one".to_owned(), points)]).unwrap();
        assert!(svg.contains("A &lt; B") && svg.contains("a &amp; b"), "{svg}");
        assert!(svg.contains(">1M<") && svg.contains(">100k<"), "{svg}");
        let line = svg.lines().find(|line| line.starts_with("<polyline")).unwrap();
        let line = line.split("points=\"").nth(1).unwrap().trim_end_matches("\"/>");
        for point in line.split_whitespace() {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((MARGIN.0..=WIDTH - MARGIN.2).contains(&x), "{point}");
            assert!((MARGIN.1..=HEIGHT - MARGIN.3).contains(&y), "{point}");
        }
    }

    #[test]
    fn latencies_are_drawn_as_far_as_there_are_samples() {
        let mut latency = Histogram::new(3).unwrap();
        for micros in 1..=1000 {
            latency.record(micros).unwrap();
        }
        let points = quantiles(&latency);
        let (first, last) = (points[0], points[points.len() - 1]);
        assert_eq!(first, (1.0, 1.0));
        assert!((last.0 - 1000.0).abs() < 1e-6 && last.1 >= 999.0, "{last:?}");
    }
}
