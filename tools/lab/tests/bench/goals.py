# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures say: medians, ratios of what was measured in turn, and the goals that they are held against."""

import statistics
from collections import defaultdict
from dataclasses import dataclass

from boots import FERRY, IN_TREE, MBPS

MIB = 1 << 20
JUDGED = 64                         # MiB of a VF's state in what has a goal, unless said
GROWN = 120                         # as bench/window.c has it
DOWNTIME = {"size": 4, "chunks": True}                      # what boots.py measures these with
TRACKING = {"size": 1, "chunks": True}
ASKING = {"size": 16}
TOOL = {"size": 8}
PHASES = ("SAVE in PRE_COPY", "an arc waits for a SAVE", "SAVE in STOP_COPY", "LOAD")   # as bench/asking.c

UNITS = {"ms": 1e6, "us": 1e3, "k": 1e3, "MiB": MIB, "": 1}


@dataclass
class Row:
    """A line of the result: a measure of both drivers, or of ferry alone."""
    name: str
    unit: str = ""
    in_tree: float = None
    ferry: float = None
    ratio: float = None             # ferry's to in-tree's
    low: float = None               # of the ratio, among boots and rounds
    high: float = None
    goal: float = None
    absolute: bool = False          # the goal is about ferry's own value

    @property
    def result(self):
        return self.ferry if self.absolute else self.ratio

    @property
    def verdict(self):
        if self.result is None:
            return "not measured"
        if self.goal is None:
            return ""
        return "met" if round(self.result, 2) <= self.goal else "MISSED"

    def shown(self):
        """The cells of a table, as text."""
        spread = f" ({self.low:.2f}-{self.high:.2f})" if self.low is not None and self.high - self.low > 0.005 else ""
        return (self.name + (f", {self.unit}" if self.unit else ""), number(self.in_tree), number(self.ferry),
                share(self.ratio) + spread,
                f"<= {self.goal:g}" + (f" {self.unit}".rstrip() if self.absolute else "") if self.goal is not None else "",
                self.verdict)


HEAD = ("measure", "in-tree", "ferry", "ratio", "goal", "")


def share(ratio):
    return "" if ratio is None else f"{ratio:.2f}" if ratio >= 0.005 else "< 0.01"


def number(value):
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


class Figures:
    """All figures of a run, asked for by what they are."""

    def __init__(self, figures, size=JUDGED):
        self.size = size            # MiB of a VF's state, where nothing else is said
        self._values = defaultdict(list)
        for f in figures:
            key = (f["clock"], f["measure"], f["at"], f["size"], f["chunks"])
            self._values[key].append((f["driver"], (f["boot"], f["round"]), f["value"]))

    def _of(self, measure, at=0, size=None, chunks=False, clock="counted"):
        return self._values[clock, measure, at, size or self.size, chunks]

    def of(self, driver, measure, **where):
        return [value for name, _, value in self._of(measure, **where) if name == driver]

    def median(self, driver, measure, **where):
        values = self.of(driver, measure, **where)
        return statistics.median(values) if values else None

    def ratios(self, measure, against=None, whose=IN_TREE, **where):
        """Of pairs that were measured one after the other. against: the other's measure, if it is another one."""
        theirs = {when: value for name, when, value in self._of(against or measure, **where) if name == whose}
        ours = {when: value for name, when, value in self._of(measure, **where) if name == FERRY}
        return [ours[when] / theirs[when] for when in sorted(ours) if theirs.get(when)]

    def ats(self, measure, clock="counted"):
        """What a measure was varied in."""
        return sorted({key[2] for key in self._values if key[:2] == (clock, measure)})

    def copy_per_mib(self):
        return next((statistics.median([v for _, _, v in values]) for key, values in self._values.items()
                     if key[:2] == ("counted", "copy_per_mib")), None)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else None


def pair(figures, name, unit, measure, goal=None, against=None, **where):
    ratios = figures.ratios(measure, against=against, **where)
    divisor = UNITS[unit]
    in_tree, ferry = (figures.median(driver, what, **where) for driver, what in
                      ((IN_TREE, against or measure), (FERRY, measure)))
    return Row(name, unit, None if in_tree is None else in_tree / divisor, None if ferry is None else ferry / divisor,
               statistics.median(ratios) if ratios else None, min(ratios, default=None), max(ratios, default=None), goal)


def held(row, goal):
    """The same with a goal for ferry's own value."""
    row.goal, row.absolute = goal, True
    return row


def own(name, unit, values, goal):
    """Something about ferry alone."""
    return Row(name, unit, ferry=max(values) / UNITS[unit] if values else None, goal=goal, absolute=True)


def to_loop(figures, command, target, text, goal):
    """The ferry tool's own part, on an FD of ferry's, to a plain loop that does the same; so not beside the other driver."""
    ours, theirs = f"{command}_to_{target}_per_mib", f"loop_to_{target}_per_mib"
    own_time, ratios = figures.median(FERRY, ours, **TOOL), figures.ratios(ours, theirs, whose=FERRY, **TOOL)
    return Row(f"ferry {command} {text}, a MiB more, to a plain loop", "k", ferry=own_time / 1e3 if ratios else None,
               ratio=statistics.median(ratios) if ratios else None, low=min(ratios, default=None), high=max(ratios, default=None),
               goal=goal)


def to_bound(figures):
    """The window of an image in one piece cannot be shorter than its SAVE and one copy."""
    copy = figures.copy_per_mib()
    result = []
    for driver in (IN_TREE, FERRY):
        window, size = (figures.median(driver, measure, at=100) for measure in ("window", "window_bytes"))
        result.append(window / (size * 1000 / MBPS + copy * size / MIB) if window and size and copy else None)
    return Row("stop window to (SAVE + one copy), all dirty", ferry=result[1], in_tree=result[0], goal=1.05, absolute=True)


def counters(figures, at):
    """0 in the window: each of four counters."""
    return [value for name in ("allocations", "maps", "unmaps", "frees") for chunks in (False, True)
            for size in (1, 4, 64, 256) for value in figures.of(FERRY, f"window_{name}", at=at, size=size, chunks=chunks)]


def judged(figures):
    """The table of goals."""
    f = figures
    rows = [
        to_bound(f),
        pair(f, "stop window, all dirty", "ms", "window", 0.92, at=100),
        pair(f, "stop window, half dirty", "ms", "window", at=50),
        pair(f, "stop window, 10 % dirty", "ms", "window", at=10),
        pair(f, "stop window, nothing dirty", "ms", "window", 1.0, at=0),
        pair(f, "stop window, state grown by 20 %", "ms", "window", 0.60, at=GROWN),
        pair(f, "stop window in chunks, all dirty", "ms", "window", 1.0, at=100, chunks=True),
        pair(f, "stop window in chunks, half dirty", "ms", "window", 1.0, at=50, chunks=True),
        pair(f, "stop window in chunks, nothing dirty", "ms", "window", 1.0, at=0, chunks=True),
        pair(f, "read() of a MiB, instructions", "k", "read_per_mib", 0.70, at=1024),
        pair(f, "read() of a MiB, calls of 64 KiB", "k", "read_per_mib", at=64),
        pair(f, "write() of a MiB, memory there", "k", "write_per_mib", 0.70),
        pair(f, "write() of a MiB, first image", "k", "first_write_per_mib", 0.60),
        pair(f, "MiB to a socket, read() + write()", "k", "socket_per_mib"),
        pair(f, "MiB to a socket, splice to in-tree's read() + write()", "k", "splice_per_mib", 0.50, "socket_per_mib"),
        pair(f, "PRE_COPY to PRE_COPY_P2P, all dirty", "us", "pause", at=100),
        pair(f, "PRE_COPY to PRE_COPY_P2P, state grown", "us", "pause", at=GROWN),
        pair(f, "SET PRE_COPY", "ms", "set_precopy", 0.25, at=100),
        pair(f, "STOP_COPY to STOP", "ms", "stop", at=100),
        pair(f, "STOP_COPY to RUNNING", "ms", "stop_and_run", at=100),
        pair(f, "RESUMING to RUNNING, 2 images", "ms", "resume_stop_run", 0.10),
        pair(f, "write() of 2 images until the last LOAD", "ms", "receive"),
        pair(f, "write() of 2 images in chunks until the last LOAD", "ms", "receive", 0.85, chunks=True),
        pair(f, "memory of a source", "MiB", "memory_source_bytes"),
        pair(f, "memory of a target", "MiB", "memory_target_bytes"),
        held(pair(f, "memory of a source in chunks", "MiB", "memory_source_bytes", chunks=True), 18),
        own("allocations, maps, unmaps, frees in the window", "",
            [v for at in (0, 10, 50, 100) for v in counters(f, at)], 0),
        own("allocations, maps, unmaps, frees, state grown", "", counters(f, GROWN), 0),
        pair(f, "commands in the window, all dirty", "", "window_commands", 1.0, at=100),
        pair(f, "commands in the window in chunks", "", "window_commands", 1.0, at=100, chunks=True),
        pair(f, "commands in the window, grown", "", "window_commands", 1.0, at=GROWN),
    ]
    for vfs in f.ats("downtime"):
        rows.append(pair(f, f"downtime of {vfs} VF{'s' if vfs > 1 else ''} through sockets", "ms", "downtime",
                         0.60 if vfs == 16 else None, at=vfs, **DOWNTIME))
    for name, text in (("get_state", "GET_STATE"), ("data_size", "MIG_DATA_SIZE"), ("precopy_info", "PRECOPY_INFO"),
                       ("fdinfo", "fdinfo"), ("debugfs", "debugfs")):
        for phase in f.ats(f"ask_{name}"):
            rows.append(held(pair(f, f"{text}, {PHASES[phase]}", "us", f"ask_{name}", at=phase, **ASKING), 1000))
    # rates of 0.9 and 0.8 of the loop's are 1.11 and 1.25 of its time
    rows += [to_loop(f, "save", "file", "to a file", 1.11), to_loop(f, "save", "pipe", "to a pipe", 1.11),
             to_loop(f, "send", "tcp", "by TCP", 1.25), to_loop(f, "send", "tls", "in TLS", 1.25)]
    if f.of(FERRY, "log_start", **TRACKING):
        rows += [pair(f, "dirty tracking: START", "us", "log_start", 1.0, **TRACKING),
                 pair(f, "dirty tracking: REPORT of a GiB", "us", "log_report_per_gib", 0.7, **TRACKING),
                 pair(f, "dirty tracking: REPORT, a dirty page, alone", "k", "log_report_per_page", 0.7, **TRACKING),
                 pair(f, "dirty tracking: REPORT, a dirty page, among others", "k", "log_report_per_neighbour", 0.7, **TRACKING),
                 pair(f, "dirty tracking: STOP", "us", "log_stop", 1.0, **TRACKING)]
    return [row for row in rows if row.result is not None]


def sizes(figures):
    """How the window goes with the size of the state."""
    return [row for chunks in (False, True) for size in (1, 64, 256) for row in
            [pair(figures, f"stop window{' in chunks' if chunks else ''}, {size} MiB, all dirty", "ms", "window", at=100, size=size,
                  chunks=chunks)] if row.ratio is not None]


WALL = (("window", "stop window", (0, 10, 50, 100, GROWN)), ("downtime", "downtime", (1, 2, 4, 8, 16)),
        ("ask_get_state", "GET_STATE", (0, 1, 2, 3)), ("ask_data_size", "MIG_DATA_SIZE", (0, 1, 2, 3)),
        ("ask_precopy_info", "PRECOPY_INFO", (0,)))


def wall(figures):
    """Percentiles of paired ratios on the host's clock: (name, pairs, 25th, 50th, 99th)."""
    rows = []
    for measure, text, ats in WALL:
        for at in ats:
            for size, chunks in ((figures.size, False), (figures.size, True), (DOWNTIME["size"], True), (ASKING["size"], False)):
                ratios = figures.ratios(measure, at=at, size=size, chunks=chunks, clock="wall")
                if ratios:
                    rows.append((f"{text}{', in chunks' if chunks and measure == 'window' else ''}, {said(measure, at)}",
                                 len(ratios), *(percentile(ratios, p) for p in (25, 50, 99))))
    return rows


def said(measure, at):
    if measure == "window":
        return "grown by 20 %" if at == GROWN else f"{at} % dirty"
    return f"{at} VF{'s' if at > 1 else ''}" if measure == "downtime" else PHASES[at]
