#!/usr/bin/env python3
"""Draws helm/tessera/files/dashboard.json with what a Prometheus answers: no Grafana is needed.

    draw.py PROMETHEUS_URL OUT.png [MINUTES]     needs matplotlib

Every panel's own query is asked, with its variables filled in; places, titles, units, limits and stacking come from the
dashboard. What Grafana alone can do (hovering, choosing) is not drawn.
"""

import json
import math
import pathlib
import sys
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as dates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator  # noqa: E402

DASHBOARD = pathlib.Path(__file__).parents[2] / "helm/tessera/files/dashboard.json"
INK, FAINT, PAGE, PANEL = "#d8d9da", "#8e9196", "#111217", "#181b1f"
COLOURS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#c8f2c2", "#fff899", "#ffa6b0"]
NAMED = {"green": "#56a64b", "orange": "#ff9830", "red": "#e02f44", "transparent": None}
WIDTH, LINE = 80, 34  # pixels of one column, and of one line, of Grafana's grid


class Prometheus:
    def __init__(self, url, minutes):
        self.url, self.end, self.minutes = url, int(time.time()), minutes
        self.step = max(1, minutes * 60 // 240)

    def ask(self, path, **fields):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(fields)}") as answer:
            return json.load(answer)["data"]["result"]

    def fill(self, query):
        for name, value in (("namespace", ".*"), ("job", "tessera"), ("instance", ".*"), ("__rate_interval", "20s")):
            query = query.replace("$" + name, value)
        return query

    def range(self, query):
        begin = self.end - 60 * self.minutes
        return self.ask("query_range", query=self.fill(query), start=begin, end=self.end, step=self.step)

    def instant(self, query):
        return self.ask("query", query=self.fill(query), time=self.end)


def legend(target, labels):
    text = target["legendFormat"]
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    # A tenant's id is long; its beginning tells it apart.
    return " ".join(word[:8] + "…" if len(word) == 36 and word.count("-") == 4 else word for word in text.split())


def human(value, unit, digits=None):
    """As Grafana writes a value of this unit."""
    if value is None or math.isnan(value):
        return "–"
    if unit == "percentunit":
        return f"{value * 100:.{2 if digits is None else digits}f} %".replace(".00 %", " %")
    if unit == "s":
        size = abs(value)
        for scale, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if size >= scale:
                return f"{value / scale:.3g} {name}"
        return "0 s" if size == 0 else f"{value * 1e6:.2g} µs"
    if unit == "bytes":
        for scale, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
            if abs(value) >= scale:
                return f"{value / scale:.3g} {name}"
        return f"{value:.0f} B"
    suffix = {"reqps": " /s", "ops": " /s"}.get(unit, "")
    if abs(value) >= 10000:
        return f"{value / 1000:.4g} k{suffix}"
    return (f"{value:.{digits}f}" if digits is not None else f"{value:.3g}") + suffix


def colour_of(thresholds, value):
    found = None
    for step in thresholds["steps"]:
        if step["value"] is None or value >= step["value"]:
            found = step["color"]
    return NAMED.get(found, found)


class Page:
    def __init__(self, panels):
        self.lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
        self.size = (24 * WIDTH, self.lines * LINE)
        self.figure = plt.figure(figsize=(self.size[0] / 100, self.size[1] / 100), dpi=100, facecolor=PAGE)

    def place(self, panel, left=10, right=10, top=28, bottom=8):
        """The axes of a panel, within its frame, by pixels."""
        grid = panel["gridPos"]
        x, y = grid["x"] * WIDTH + left, grid["y"] * LINE + top
        w, h = grid["w"] * WIDTH - left - right, grid["h"] * LINE - top - bottom
        width, height = self.size
        return self.figure.add_axes((x / width, 1 - (y + h) / height, w / width, h / height), facecolor=PANEL)

    def frame(self, panel):
        axes = self.place(panel, 4, 4, 3, 3)
        axes.set_xticks([]), axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#26282e")
        axes.annotate(panel["title"], (0, 1), (8, -6), "axes fraction", "offset points", color=INK, fontsize=9, weight="bold",
                      va="top")


def draw_row(page, panel):
    axes = page.place(panel, 4, 4, 2, 2)
    axes.axis("off")
    axes.text(0, 0.45, panel["title"], color=INK, fontsize=12, weight="bold", va="center")


def draw_stat(page, panel, prometheus):
    page.frame(panel)
    defaults, shown = panel["fieldConfig"]["defaults"], []
    for target in panel["targets"]:
        for series in prometheus.instant(target["expr"]):
            shown.append((legend(target, series["metric"]), float(series["value"][1])))
    axes = page.place(panel, 8, 8, 26, 8)
    axes.axis("off")
    if not shown:
        axes.text(0.5, 0.5, defaults["noValue"], color=FAINT, fontsize=14, ha="center", va="center")
    for index, (name, value) in enumerate(shown):
        x = (index + 0.5) / len(shown)
        coloured = panel["options"]["colorMode"] == "background"
        fill = colour_of(defaults["thresholds"], value) if coloured else None
        if fill:
            axes.add_patch(Rectangle((index / len(shown), 0), 1 / len(shown) - 0.01, 1, color=fill, lw=0))
        text = human(value, defaults["unit"], defaults.get("decimals"))
        wide = 22 if len(shown) == 1 else (16 if len(shown) == 2 else 13)
        axes.text(x, 0.55, text, color="white" if fill else "#73bf69", fontsize=wide, ha="center", va="center", weight="bold")
        if panel["options"]["textMode"] == "value_and_name":
            axes.text(x, 0.14, name, color="white", fontsize=8, ha="center", va="center")
    axes.set_xlim(0, 1), axes.set_ylim(0, 1)


def points(series):
    """Moments in days, as matplotlib counts them, and values."""
    return [moment / 86400 for moment, _ in series["values"]], [float(value) for _, value in series["values"]]


def found(panel, prometheus):
    for target in panel["targets"]:
        for series in prometheus.range(target["expr"]):
            moments, values = points(series)
            if not all(map(math.isnan, values)):
                yield legend(target, series["metric"]), moments, values


def time_axis(axes, prometheus):
    end = prometheus.end / 86400
    axes.set_xlim(end - prometheus.minutes / 1440, end)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: dates.num2date(value).strftime("%H:%M")))
    axes.tick_params(colors=FAINT, labelsize=7, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_lines(page, panel, prometheus):
    page.frame(panel)
    axes = page.place(panel, 64, 14, 28, 44)
    defaults = panel["fieldConfig"]["defaults"]
    custom, unit = defaults["custom"], defaults["unit"]
    log = custom["scaleDistribution"]["type"] == "log"
    series = sorted(found(panel, prometheus), key=lambda one: one[0])
    if custom["stacking"]["mode"] == "normal" and series:
        moments = sorted({moment for _, times, _ in series for moment in times})
        tables = [dict(zip(times, values)) for _, times, values in series]
        heights = [[0 if math.isnan(table.get(moment, 0)) else table.get(moment, 0) for moment in moments] for table in tables]
        colours = [COLOURS[index % len(COLOURS)] for index in range(len(series))]
        axes.stackplot(moments, heights, colors=colours, alpha=0.75, labels=[one[0] for one in series], linewidth=0)
    else:
        for index, (name, moments, values) in enumerate(series):
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(moments, values, color=colour, lw=1.2, label=name)
    if log and series:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if "min" in defaults:
            low, high = axes.get_ylim()
            axes.set_ylim(0, defaults.get("max", max(high, low + 1e-9)) * 1.02)
    low, high = axes.get_ylim()
    if custom["thresholdsStyle"]["mode"] == "line":
        for step in defaults["thresholds"]["steps"]:
            if step["value"] is not None and NAMED.get(step["color"]) and low <= step["value"] <= high:
                axes.axhline(step["value"], color=NAMED[step["color"]], lw=0.9, ls="--")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value, unit)))
    axes.grid(color="#2a2d33", lw=0.6)
    time_axis(axes, prometheus)
    if series:
        columns = max(1, min(len(series), panel["gridPos"]["w"] // 2))
        # Two lines of names have room, and what was nothing all the time needs none.
        lines, names = axes.get_legend_handles_labels()
        told = [(line, one[0]) for line, one in zip(lines, series) if len(series) < 7 or any(one[2])][: 2 * columns]
        lines, names = [line for line, _ in told], [name for _, name in told]
        axes.legend(lines, names, loc="upper left", bbox_to_anchor=(-0.06, -0.09), ncol=columns, fontsize=6.5, frameon=False,
                    handlelength=1, columnspacing=1, labelcolor=INK)
    else:
        axes.text(0.5, 0.5, "nothing, which is good" if "> 0" in panel["targets"][0]["expr"] else "no data", color=FAINT, ha="center",
                  va="center", transform=axes.transAxes)


def draw_states(page, panel, prometheus):
    page.frame(panel)
    axes = page.place(panel, 120, 14, 30, 26)
    steps, width = panel["fieldConfig"]["defaults"]["thresholds"], prometheus.step / 86400
    names = []
    for line, (name, moments, values) in enumerate(found(panel, prometheus)):
        names.append(name)
        for moment, value in zip(moments, values):
            axes.add_patch(Rectangle((moment, line + 0.1), width * 1.05, 0.8, color=colour_of(steps, value), lw=0))
    axes.set_ylim(max(len(names), 1), 0)
    axes.set_yticks([line + 0.5 for line in range(len(names))], names)
    time_axis(axes, prometheus)


def draw_table(page, panel, prometheus):
    page.frame(panel)
    axes = page.place(panel, 14, 14, 34, 8)
    axes.axis("off")
    left_out = set()
    for step in panel.get("transformations", []):
        left_out |= {name for name, out in step["options"].get("excludeByName", {}).items() if out}
    rows = prometheus.instant(panel["targets"][0]["expr"])
    columns = sorted({name for row in rows for name in row["metric"]} - left_out)
    if "Value" not in left_out and rows:
        columns.append("running for")
    for index, name in enumerate(columns):
        axes.text(index / len(columns), 1, name, color=FAINT, fontsize=8, va="top", transform=axes.transAxes)
        for line, row in enumerate(rows[:8]):
            text = human(float(row["value"][1]), "s") if name == "running for" else row["metric"].get(name, "")
            axes.text(index / len(columns), 0.86 - line * 0.12, text, color=INK, fontsize=8, va="top", transform=axes.transAxes)
    if not rows:
        axes.text(0.5, 0.5, "none", color=FAINT, ha="center", va="center", transform=axes.transAxes)


DRAWN = {"stat": draw_stat, "timeseries": draw_lines, "state-timeline": draw_states, "table": draw_table}


def main():
    url, out = sys.argv[1:3]
    prometheus = Prometheus(url, int(sys.argv[3]) if len(sys.argv) > 3 else 15)
    panels = json.loads(DASHBOARD.read_text())["panels"]
    page = Page(panels)
    for panel in panels:
        if panel["type"] == "row":
            draw_row(page, panel)
        else:
            DRAWN[panel["type"]](page, panel, prometheus)
    page.figure.savefig(out, facecolor=PAGE)
    print(f"{out}: {len(panels)} panels, {prometheus.minutes} minutes")


if __name__ == "__main__":
    main()
