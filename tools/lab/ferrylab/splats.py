# SPDX-License-Identifier: GPL-2.0-only
"""Finds the kernel's reports of its own faults in a console log, and tells announced ones from the others.

A command announces a report by writing `lab: expect REGEX` to /dev/kmsg (guest/lab-expect does) before it comes.
Pure functions over text; called by run.py when a VM has ended.
"""

import re
from dataclasses import dataclass

STAMP = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[[^\]]*\])? ?")
EXPECT = re.compile(r"^lab: expect (.*)$")

STARTS = re.compile("|".join([
    r"WARNING: ",
    r"\bBUG: ",
    r"kernel BUG at ",
    r"\bOops\b",
    r"general protection fault",
    r"stack segment: ",
    r"divide error: ",
    r"invalid opcode: ",
    r"unable to handle ",
    r"KASAN: ",
    r"UBSAN: ",
    r"KFENCE: ",
    r"possible circular locking dependency",
    r"possible recursive locking",
    r"possible irq lock inversion",
    r"inconsistent lock state",
    r"irq-unsafe lock order",
    r"bad unlock balance",
    r"held lock freed",
    r"lock held when returning to user space",
    r"suspicious RCU usage",
    r"suspicious RCU context usage",
    r"sleeping function called from invalid context",
    r"scheduling while atomic",
    r"INFO: task .* blocked",
    r"INFO: rcu.* (?:detected|self-detected) .*stall",
    r"rcu: .*(?:self-detected stall|detected stalls)",
    r"soft lockup",
    r"hard LOCKUP",
    r"unregister_netdevice: waiting",
    r"list_(?:add|del) corruption",
    r"refcount_t: ",
    r"ODEBUG: ",
    # (not that it ran out of memory for its own books, as it does where a test makes allocations fail)
    r"DMA-API: (?!cacheline tracking ENOMEM).*(?:device driver|leak|cacheline|mapping error|overlapping)",
    r"DMAR:.*(?:fault|\bDMA Write\b|\bDMA Read\b)",
    r"lab: kmemleak: unreferenced object",
    r"lab: lockdep is off",
    r"lab: left behind: ",
    r"Kernel panic - ",
    r"Call Trace:",
]))

# Where a report that began ends: its own end mark, the rule under a lockdep or KASAN report, or the lab's next word.
ENDS = re.compile(r"---\[ end |lab: (?!kmemleak)")
LONGEST = 150
TRACE = re.compile(r"^( |=+$|-+$|$|\?|Call Trace|RIP|RSP|RAX|RDX|RBP|R1\d|R0\d|CR2|FS:|CS:|CPU:|Code:|Tainted|"
                   r"Hardware name|Modules linked in|Workqueue|Read of|Write of|Allocated by|Freed by|The buggy|"
                   r"Memory state|page:|page dumped|raw:|flags:|head:|which lock|but task|the existing|-> #|other info|"
                   r"Possible|Chain exists|stack backtrace|\d+ locks? held|#\d+:|</?(TASK|IRQ)|irq event|hardirqs|"
                   r"softirqs|Last potentially|Comm|in_atomic|preempt|INFO: lockdep|lab: kmemleak|>|fault reason|"
                   r"kasan|Disabling lock|task:|Not tainted)")


@dataclass
class Splat:
    lines: list
    announced: bool = False

    def text(self):
        return "\n".join(self.lines)


def examine(console):
    """The reports in CONSOLE and the announcements that nothing answered."""
    splats, waiting = [], []
    lines = [STAMP.sub("", line.rstrip("\r")) for line in console.split("\n")]
    number = 0
    while number < len(lines):
        announcement = EXPECT.match(lines[number])
        if announcement:
            waiting.append([announcement[1], False])
        elif STARTS.search(lines[number]):
            splat = Splat(_report(lines, number))
            _match(splat, waiting)
            splats.append(splat)
            number += len(splat.lines) - 1
        number += 1
    if splats:
        # lockdep switches itself off after any report; only without one is that a finding of its own.
        splats = [s for s in splats if "lab: lockdep is off" not in s.lines[0]] or splats
    return splats, [pattern for pattern, met in waiting if not met]


def unannounced(splats):
    return [splat for splat in splats if not splat.announced]


def _report(lines, start):
    """The lines that belong to the report which begins at START."""
    end = start + 1
    while end < len(lines) and end - start < LONGEST:
        line = lines[end]
        if ENDS.search(line):
            return lines[start:end + (not line.startswith("lab: "))]
        if not TRACE.match(line) and not STARTS.search(line):
            # A line of another kind: the report goes on only if more of it follows closely.
            ahead = lines[end + 1:end + 4]
            if not any(TRACE.match(near) and near.strip() for near in ahead):
                break
        end += 1
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    return lines[start:end]


def _match(splat, waiting):
    for expectation in waiting:
        if any(re.search(expectation[0], line) for line in splat.lines):
            expectation[1] = True
            splat.announced = True
