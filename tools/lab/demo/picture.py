# SPDX-License-Identifier: GPL-2.0-or-later
"""What came to the guest's peer while the guest moved, as a picture: two rows of bars over time, the moves behind them."""

from xml.sax.saxutils import escape

WIDTH, ROW, LEFT, TOP = 900, 90, 70, 50
COLOURS = {"tcp": "#2b6cb0", "udp": "#2f855a"}
NAMES = {"tcp": "TCP, bytes", "udp": "UDP, packets"}


def draw(facts):
    seen = facts["seen"]
    start, slice_s = seen["start"], seen["slice_ms"] / 1000
    # Time begins with the first byte: what was before is the guest's boot.
    first = min(int((seen[row]["first"] - start) / slice_s) for row in NAMES)
    count = max(len(seen[row]["slices"]) for row in NAMES) - first
    scale = (WIDTH - LEFT - 20) / max(count, 1)

    def x(at):
        return LEFT + ((at - start) / slice_s - first) * scale

    height = TOP + 2 * (ROW + 40) + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="15">What came from the guest, {seen["slice_ms"]} ms a bar; grey: '
           'its VF stands still</text>']
    for number, move in enumerate(facts["moves"], 1):
        left, right = x(move["stopped"]), x(move["runs"])
        out.append(f'<rect x="{left:.1f}" y="{TOP - 12}" width="{max(right - left, 1):.1f}" '
                   f'height="{2 * (ROW + 40)}" fill="#ddd"/>')
        out.append(f'<text x="{left:.1f}" y="{TOP - 16}">move {number}: '
                   f'{(move["runs"] - move["stopped"]) * 1000:.0f} ms</text>')
    for number, row in enumerate(NAMES):
        bottom = TOP + ROW + number * (ROW + 40)
        bars = seen[row]["slices"][first:]
        most = max(bars, default=0) or 1
        out.append(f'<text x="4" y="{bottom - ROW + 10}">{escape(NAMES[row])}</text>')
        out.append(f'<line x1="{LEFT}" y1="{bottom}" x2="{WIDTH - 20}" y2="{bottom}" stroke="black"/>')
        lines = "".join(f"M{LEFT + (i + .5) * scale:.1f} {bottom}V{bottom - ROW * value / most:.0f}"
                        for i, value in enumerate(bars) if value)
        out.append(f'<path d="{lines}" stroke="{COLOURS[row]}" stroke-width="{max(scale * .8, .5):.2f}"/>')
        step = max(1, round(count * slice_s / 10))
        out.extend(f'<text x="{LEFT + s / slice_s * scale:.1f}" y="{bottom + 15}">{s} s</text>'
                   for s in range(0, int(count * slice_s) + 1, step))
    return "\n".join([*out, "</svg>"]) + "\n"
