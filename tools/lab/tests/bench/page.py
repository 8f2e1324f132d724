# SPDX-License-Identifier: GPL-2.0-or-later
"""One HTML page with all that was found, its plots inside, drawn by gnuplot; and the table for Documentation/."""

import html
import subprocess

from boots import FERRY, IN_TREE
from goals import ASKING, DOWNTIME, HEAD, PHASES, number

STYLE = """body { font: 15px/1.45 sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em .7em; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } .MISSED { color: #b00; font-weight: bold } .met { color: #070 }
svg { max-width: 100%; height: auto }"""
COLOURS = {"in-tree": "#888888", "ferry": "#1f77b4"}
NAMES = {"in-tree": IN_TREE, "ferry": FERRY}

INTRODUCTION = """<p>Ferry beside the kernel's own <code>mlx5_vfio_pci</code>, unmodified, in the same virtual machine on the
same model of the NIC, in turn. Everything is counts, and ratios <em>against the model</em>: it says nothing of hardware.</p>
<p><b>Counted</b> figures judge. They come from a clock that counts: an instruction of the machine's one processor takes a
nanosecond, and a firmware command what the model says, which moves 2000 MB/s. They repeat within 3 %, but for what depends on
how scattered free memory is. The processor copies words of eight bytes and has PCLMULQDQ, but not ERMS: each byte of a
<code>rep movsb</code> would count as an instruction. <b>Wall</b> figures are of the host's clock, under emulation; they
illustrate and judge nothing.</p>"""


def write(path, figures, rows, more, wall, about):
    parts = [f"<!DOCTYPE html><meta charset=utf-8><title>make bench</title><style>{STYLE}</style><h1>make bench</h1>",
             f"<p>{html.escape(about)}</p>", INTRODUCTION,
             "<h2>Goals</h2>", table(HEAD, [row.shown() for row in rows]), ratios(rows),
             windows(figures), sizes_table(more), downtimes(figures), asking(figures)]
    if wall:
        parts += ["<h2>Wall clock: ferry to in-tree, paired</h2>",
                  table(("measure", "pairs", "25 %", "50 %", "99 %"), [wall_cells(row) for row in wall]), percentiles(wall)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")


def wall_cells(row):
    return (row[0], str(row[1]), *(number(value) for value in row[2:]))


def table(head, lines):
    def cells(tag, line):
        return "<tr>" + "".join(f"<{tag}{mark(cell)}>{html.escape(cell)}</{tag}>" for cell in line) + "</tr>"

    def mark(cell):
        return f' class="{cell}"' if cell in ("met", "MISSED") else ""

    return "<table>" + cells("th", head) + "".join(cells("td", line) for line in lines) + "</table>"


# Plots

def plot(title, script, width=900, height=420):
    """An <svg>, of what gnuplot draws; without its head, which is not for the middle of a page."""
    setup = f"set terminal svg size {width},{height} dynamic font 'sans-serif,13' background '#ffffff'\n" \
            f"set title {quoted(title)}\nset style fill solid 0.8\nset grid ytics lc rgb '#dddddd'\n"
    drawn = subprocess.run(["gnuplot"], input=setup + script, capture_output=True, text=True, check=True).stdout
    return drawn[drawn.index("<svg"):]


def quoted(text):
    return '"' + text.replace("\\", "").replace('"', "'") + '"'


def block(name, lines):
    return f"${name} << EOD\n" + "".join(" ".join(map(str, line)) + "\n" for line in lines) + "EOD\n"


def across(count, extra=""):
    """The frame of bars that go across the page, with their names at the left."""
    return f"set yrange [{count - 0.5}:-0.5]\nset ytics noenhanced font ',11'\nunset grid\nset grid xtics lc rgb '#dddddd'\n" \
           "set arrow 1 from first 1, graph 0 to first 1, graph 1 nohead lc rgb '#888888'\n" + extra


def bars(name, column, low, high, colour, title, start=0):
    return f"${name} using {column}:0:({start}):{column}:($0{low:+}):($0{high:+}):ytic(1) with boxxyerror lc rgb '{colour}' " \
           f"title {quoted(title)}"


def ratios(rows):
    judged = [row for row in rows if row.goal and not row.absolute and row.ratio]
    if not judged:
        return ""
    lines = [(quoted(row.name), row.ratio, row.low, row.high, row.goal) for row in judged]
    return plot("ferry to in-tree, counted: less is better",
                block("r", lines) + across(len(lines), "set xrange [0:*]\nset key outside bottom center horizontal\n") +
                f"plot {bars('r', 2, -0.3, 0.3, COLOURS['ferry'], 'ratio')}, "
                "$r using 2:0:3:4 with xerrorbars lc rgb '#333333' ps 0 title 'spread', "
                "$r using 5:0 with points pt 13 ps 1.2 lc rgb '#d62728' title 'goal'\n", height=120 + 24 * len(lines))


def lines_plot(title, xlabel, ylabel, series, extra=""):
    """series: (title, colour, dash, [(x, y)])."""
    series = [one for one in series if one[3]]
    if not series:
        return ""
    data = "".join(block(f"d{i}", one[3]) for i, one in enumerate(series))
    curves = ", ".join(f"$d{i} using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb '{one[1]}' dt {one[2]} title {quoted(one[0])}"
                       for i, one in enumerate(series))
    return plot(title, f"{data}set xlabel {quoted(xlabel)}\nset ylabel {quoted(ylabel)}\nset key left top\nset yrange [0:*]\n"
                       f"{extra}plot {curves}\n")


def of_both(figures, measure, ats, divisor, variants):
    return [(f"{name}{text}", COLOURS[name], dash,
             [(at, value / divisor) for at in ats
              for value in [figures.median(NAMES[name], measure, at=at, **where)] if value is not None])
            for name in ("in-tree", "ferry") for text, dash, where in variants]


def windows(figures):
    series = of_both(figures, "window", (0, 10, 50, 100), 1e6,
                     (("", 1, {}), (", in chunks", 2, {"chunks": True})))
    return "<h2>The stop window</h2>" + lines_plot(f"stop window, {figures.size} MiB, counted", "% of the state dirty", "ms", series)


def downtimes(figures):
    ats = figures.ats("downtime")
    drawn = lines_plot("whole downtime through sockets, 4 MiB each, all dirty, counted", "VFs", "ms",
                       of_both(figures, "downtime", ats, 1e6, (("", 1, DOWNTIME),)), "set logscale x 2\n")
    return "<h2>Many VFs</h2>" + drawn if drawn else ""


def asking(figures):
    lines = []
    for measure, text in (("ask_get_state", "GET_STATE"), ("ask_data_size", "MIG_DATA_SIZE"),
                          ("ask_precopy_info", "PRECOPY_INFO")):
        for at in figures.ats(measure):
            values = [figures.median(NAMES[name], measure, at=at, **ASKING) for name in ("in-tree", "ferry")]
            if None not in values:
                lines.append((quoted(f"{text}, {PHASES[at]}"), *(max(value, 1) / 1e3 for value in values)))
    if not lines:
        return ""
    drawn = plot("us until an answer, counted", block("a", lines) +
                 across(len(lines), "unset arrow 1\nset logscale x\nset xrange [0.5:*]\n"
                        "set key outside bottom center horizontal\n") +
                 f"plot {bars('a', 2, -0.35, 0, COLOURS['in-tree'], 'in-tree', 0.5)}, "
                 f"{bars('a', 3, 0, 0.35, COLOURS['ferry'], 'ferry', 0.5)}\n", height=120 + 30 * len(lines))
    return "<h2>Questions while the firmware works</h2>" + drawn


def percentiles(wall):
    lines = [(quoted(row[0]), row[3], row[2], row[4]) for row in wall]
    return plot("wall clock, ferry to in-tree: 25th, 50th and 99th percentile", block("w", lines) +
                across(len(lines), "set logscale x 2\nunset key\n") +
                f"plot $w using 2:0:3:4:ytic(1) with xerrorbars pt 7 lw 2 lc rgb '{COLOURS['ferry']}'\n",
                height=100 + 24 * len(lines))


def sizes_table(more):
    return table(HEAD[:4], [row.shown()[:4] for row in more]) if more else ""


def rst(path, rows):
    """The table of Documentation/performance.rst."""
    def bold(text):
        return f"**{text}**" if text == "MISSED" else text

    with open(path, "w", encoding="utf-8") as file:
        file.write(".. csv-table::\n   :header-rows: 1\n   :widths: 44 10 10 18 12 10\n\n")
        for line in (HEAD, *(row.shown() for row in rows)):
            file.write("   " + ", ".join(f'"{bold(cell)}"' for cell in line) + "\n")
