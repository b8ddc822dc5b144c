"""Charts as SVG, of plain values: bars on a linear or a logarithmic scale, and lines over time.

Each has a background of its own and follows the reader's choice of light or dark colours. Text is
text, so that it can be searched and read aloud.
"""

import math
from xml.sax.saxutils import escape

WIDTH = 760
LABELS = 250  # left of the bars
ROW = 26
TOP = 58
BOTTOM = 44
RIGHT = 84  # for the figure behind the longest bar
PLOT_HEIGHT = 260
SERIES = ("ours", "other")

STYLE = """
  svg { --back: #ffffff; --text: #1f2328; --weak: #59636e; --grid: #d8dee4;
        --ours: #0969da; --other: #9aa4af; --mark: #1f2328 }
  @media (prefers-color-scheme: dark) {
    svg { --back: #0d1117; --text: #e6edf3; --weak: #9198a1; --grid: #30363d;
          --ours: #4493f8; --other: #6e7781; --mark: #e6edf3 }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--text) }
  .title { font-size: 16px; font-weight: 600 }
  .weak { fill: var(--weak); font-size: 12px }
  .back { fill: var(--back) }
  .grid { stroke: var(--grid) }
  .bar.ours { fill: var(--ours) }
  .bar.other { fill: var(--other) }
  .mark { stroke: var(--mark); stroke-width: 2 }
  .line { fill: none; stroke-width: 2 }
  .line.ours { stroke: var(--ours) }
  .line.other { stroke: var(--other) }
  .dashed { stroke-dasharray: 2 4 }
"""


def number(value):
    """With three digits that count, and commas for thousands."""
    if value >= 100:
        return f"{round(value):,}"
    return f"{value:.3g}"


def text(x, y, words, kind="", anchor="start"):
    attributes = (f' class="{kind}"' if kind else "") + (
        f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def document(title, subtitle, height, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" class="back"/>',
        text(16, 26, title, "title"), text(16, 45, subtitle, "weak"), *parts, "</svg>", ""])


class Linear:
    """From 0 to the largest value."""

    def __init__(self, values):
        step = 10 ** math.floor(math.log10(max(values)))
        self.step = step if max(values) >= 3 * step else step / 2
        self.most = math.ceil(max(values) / self.step) * self.step

    def part(self, value):
        return value / self.most

    def ticks(self):
        return [self.step * at for at in range(round(self.most / self.step) + 1)]


class Logarithmic:
    """From the power of ten below the least to that above the largest value."""

    def __init__(self, values):
        self.first = math.floor(math.log10(min(values)))
        self.last = max(math.ceil(math.log10(max(values))), self.first + 1)

    def part(self, value):
        return (math.log10(value) - self.first) / (self.last - self.first)

    def ticks(self):
        return [10.0 ** power for power in range(self.first, self.last + 1)]


def bars(title, subtitle, unit, rows, scale=Linear):
    """A row is (name, value, a larger one that is marked or None, whether it is ours)."""
    scale = scale([value for _, value, mark, _ in rows for value in (value, mark) if value])
    width, bottom = WIDTH - LABELS - RIGHT, TOP + len(rows) * ROW
    parts = []
    for tick in scale.ticks():
        x = LABELS + width * scale.part(tick)
        parts += [line(x, TOP, x, bottom + 4, "grid"),
                  text(x, bottom + 20, f"{number(tick)} {unit}", "weak", "middle")]
    for at, (name, value, mark, is_ours) in enumerate(rows):
        y, end = TOP + at * ROW + 4, width * scale.part(value)
        parts += [text(LABELS - 10, y + 14, name, anchor="end"),
                  f'<rect x="{LABELS}" y="{y}" width="{max(end, 1):.1f}" height="{ROW - 8}" '
                  f'rx="2" class="bar {SERIES[0] if is_ours else SERIES[1]}"/>']
        if mark:
            x = LABELS + width * scale.part(mark)
            parts += [line(LABELS + end, y + ROW / 2 - 4, x, y + ROW / 2 - 4, "grid"),
                      line(x, y, x, y + ROW - 8, "mark")]
            end = x - LABELS
        parts.append(text(LABELS + end + 8, y + 14, number(value)))
    return document(title, subtitle, bottom + BOTTOM, parts)


def lines(title, subtitle, unit, series, seconds):
    """{name: ([(second, value)], whether it is ours, whether it is dashed)}"""
    left, right, bottom = 76, 24, TOP + PLOT_HEIGHT
    scale = Logarithmic([value for points, _, _ in series.values() for _, value in points])
    width = WIDTH - left - right
    parts = []
    for tick in scale.ticks():
        y = bottom - PLOT_HEIGHT * scale.part(tick)
        parts += [line(left, y, WIDTH - right, y, "grid"),
                  text(left - 8, y + 4, f"{number(tick)} {unit}", "weak", "end")]
    for second in range(0, seconds + 1, max(1, seconds // 6)):
        parts.append(text(left + width * second / seconds, bottom + 18, f"{second} s", "weak",
                          "middle"))
    legend = left
    for name, (points, is_ours, is_dashed) in series.items():
        kind = f"line {SERIES[0] if is_ours else SERIES[1]}{' dashed' if is_dashed else ''}"
        path = " ".join(f"{left + width * (second + 0.5) / seconds:.1f},"
                        f"{bottom - PLOT_HEIGHT * scale.part(value):.1f}"
                        for second, value in points)
        parts += [f'<polyline points="{path}" class="{kind}"/>',
                  line(legend, bottom + 36, legend + 24, bottom + 36, kind),
                  text(legend + 30, bottom + 40, name, "weak")]
        legend += 50 + 6.5 * len(name)
    return document(title, subtitle, bottom + BOTTOM + 12, parts)
