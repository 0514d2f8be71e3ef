"""Write the results of `make benchmarks` into README.md, and draw a chart of each area.

`python -m benchmarks.page` does so again from `results.json`, without measuring.
"""

from __future__ import annotations

import html
import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
RESULTS, README = FOLDER / "results.json", FOLDER / "README.md"
_BEGIN, _END = "<!-- by make benchmarks -->\n", "<!-- end -->"

_ROW, _TOP, _LEFT, _SCALE = 22, 46, 330, 110  # pixels; the scale is that of a factor of ten
_TICKS = (0.01, 0.1, 1, 10)
_OURS, _OTHERS, _MISSED = "#205493", "#aeb0b5", "#d55e00"


class Row(NamedTuple):
    """The median cost of a contestant, and of the baseline in the same runs.

    Attributes
    ----------
    what, baseline
        What was measured, and what it is compared with.
    measure
        "CPU" or "time".
    seconds, of_baseline
        The two costs.
    runs
        The number of runs.
    bound
        The largest ratio that exportstats may have, or None.
    is_ours
        Whether this is exportstats, and not another contestant.
    """

    what: str
    baseline: str
    measure: str
    seconds: float
    of_baseline: float
    runs: int
    bound: float | None = None
    is_ours: bool = True

    @property
    def ratio(self) -> float:
        """The cost, divided by that of the baseline."""
        return self.seconds / self.of_baseline


def read() -> dict[str, Any]:
    """Return the last results."""
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    areas = results["areas"]
    return results | {"areas": {area: [Row(**row) for row in areas[area]] for area in areas}}


def verdict(row: Row) -> str:
    """Say whether a row keeps its bound."""
    if row.bound is None:
        return ""
    return "kept" if row.ratio <= row.bound else "**missed**"


def readme(results: dict[str, Any]) -> str:
    """Return the README with the tables of these results."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    minutes, load, machine = (results[name] for name in ("minutes", "load", "machine"))
    lines = [
        f"{results['date']}, in {minutes} minutes, on a machine whose load was {load} before:",
        f"{machine}, {versions}.",
        "",
    ]
    for area, rows in results["areas"].items():
        lines += [f"### {area}", "", f"![The ratios of this table]({chart_of(area)})", ""]
        lines += ["| | baseline | measure | s | baseline s | ratio | runs | bound | |"]
        lines += ["|---|---|---|--:|--:|--:|--:|--:|---|"]
        for row in rows:
            cells = [row.what, row.baseline, row.measure]
            cells += [f"{row.seconds:.2f}", f"{row.of_baseline:.2f}", f"{row.ratio:.2f}"]
            cells += [f"{row.runs}", f"{row.bound or '-'}", verdict(row)]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    before, _, rest = README.read_text(encoding="utf-8").partition(_BEGIN)
    return "\n".join([before + _BEGIN, *lines, _END + rest.partition(_END)[2]])


def chart_of(area: str) -> str:
    """Return the name of the chart of an area."""
    return f"charts/{re.sub('[^a-z]+', '_', area.lower())}.svg"


def draw(area: str, rows: list[Row]) -> str:
    """Draw the ratios on a logarithmic scale, from 1, which is the baseline."""
    width, height = _LEFT + 4 * _SCALE + 20, _TOP + _ROW * len(rows) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="16" font-weight="bold">{html.escape(area)}</text>',
        f'<text x="{_LEFT}" y="16" fill="#555">times the baseline (bound |, missed orange)</text>',
    ]
    for tick in _TICKS:
        colour = "#555" if tick == 1 else "#ddd"
        lines += [
            f'<path d="M{_x(tick)} {_TOP - 8}V{height - 4}" stroke="{colour}"/>',
            f'<text x="{_x(tick)}" y="{_TOP - 12}" text-anchor="middle">{tick:g}</text>',
        ]
    for number, row in enumerate(rows):
        top, at, colour = _TOP + _ROW * number, _x(row.ratio), _OURS if row.is_ours else _OTHERS
        if verdict(row) == "**missed**":
            colour = _MISSED
        left, length = min(at, _x(1)), abs(at - _x(1))
        lines += [
            f'<text x="8" y="{top + 13}">{html.escape(row.what)}</text>',
            f'<rect x="{left}" y="{top + 3}" width="{length}" height="14" fill="{colour}"/>',
        ]
        if row.bound is not None:
            lines.append(
                f'<path d="M{_x(row.bound)} {top + 1}v18" stroke="#000" stroke-width="2"/>'
            )
        lines.append(
            f'<text x="{width - 8}" y="{top + 14}" text-anchor="end">{row.ratio:.2f}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _x(ratio: float) -> int:
    return round(_LEFT + _SCALE * (2 + math.log10(ratio)))


def write(results: dict[str, Any]) -> None:
    """Write README.md and the charts."""
    README.write_text(readme(results), encoding="utf-8")
    for area, rows in results["areas"].items():
        path = FOLDER / chart_of(area)
        path.parent.mkdir(exist_ok=True)
        path.write_text(draw(area, rows), encoding="utf-8")


if __name__ == "__main__":
    write(read())
