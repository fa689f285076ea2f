"""Cost against waiting time as one HTML page with nothing from elsewhere. Pure: points in, text out."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from infra.planning.plan import Point

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _PAD = 720, 360, 70, 44, 16
STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #8a97a5; --line: #d5dce3; --good: #0b7a75; --bad: #c8553d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #8b98a5; --line: #33404d; --good: #4fd1c5; --bad: #f08a70; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
svg { width: 100%; height: auto; } text { fill: var(--soft); font-size: 12px; } .name { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--line); } .frontier { fill: none; stroke: var(--good); stroke-width: 1.5; } .slo { stroke: var(--bad); stroke-dasharray: 4 4; }
.good { fill: var(--good); } .bad { fill: var(--bad); opacity: .55; } .chosen { fill: none; stroke: var(--ink); stroke-width: 2; }
.move { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 2 3; } .before { fill: var(--soft); } .after { fill: var(--ink); }
"""


@dataclass(frozen=True)
class Mark:
    """One side of a change; `label` is "before" or "after"."""

    label: str
    usd_per_month: Decimal
    wait_p95_s: float


@dataclass(frozen=True)
class Plot:
    """One endpoint's candidates; `slo_s` is the longest p95 of the wait that it promises; `marks`, from before to after."""

    name: str
    points: Sequence[Point]
    slo_s: float | None = None
    marks: Sequence[Mark] = ()


def page(title: str, plots: Sequence[Plot]) -> str:
    """The page's whole text."""
    said = html.escape(title)
    body = (
        "\n".join(_section(plot) for plot in plots)
        or "<p>No endpoint has traffic, so there is nothing to plot.</p>"
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{said}</title>\n<style>{STYLE}</style>\n'
        f"<h1>{said}</h1>\n{body}\n</html>\n"
    )


def _section(plot: Plot) -> str:
    return (
        f"<section><h2>{html.escape(plot.name)}</h2>\n{svg(plot)}\n<p>US dollars a month against the p95 of the wait. "
        "The line joins what no other candidate beats in both; the ring is the choice.</p></section>"
    )


def svg(plot: Plot) -> str:
    """One plot; both axes are logarithmic from the first step above zero."""
    shown: list[Point | Mark] = [*plot.points, *plot.marks]
    if not shown:
        return "<p>No candidate could be played.</p>"
    across = _Axis([float(point.usd_per_month) for point in shown], _LEFT, _WIDTH - _PAD)
    up = _Axis(
        [*(point.wait_p95_s for point in shown), *([plot.slo_s] if plot.slo_s else [])],
        _HEIGHT - _BOTTOM,
        _PAD,
    )
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(plot.name)}">']
    for value in across.ticks():
        x = across.at(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_PAD}" y2="{_HEIGHT - _BOTTOM}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">${value:,.0f}</text>'
        )
    for value in up.ticks():
        y = up.at(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _PAD}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g} s</text>')
    if plot.slo_s:
        y = up.at(plot.slo_s)
        parts.append(f'<line class="slo" x1="{_LEFT}" x2="{_WIDTH - _PAD}" y1="{y:.1f}" y2="{y:.1f}"/>')
    line = [point for point in plot.points if point.on_frontier]
    joined = " ".join(f"{across.at(float(p.usd_per_month)):.1f},{up.at(p.wait_p95_s):.1f}" for p in line)
    parts.append(f'<polyline class="frontier" points="{joined}"/>')
    for point in plot.points:
        x, y = across.at(float(point.usd_per_month)), up.at(point.wait_p95_s)
        said = html.escape(f"{point.candidate}: ${point.usd_per_month:,} a month, p95 {point.wait_p95_s:g} s")
        kind = "good" if point.meets_slo else "bad"
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{said}</title></circle>')
        if point.chosen:
            parts.append(
                f'<circle class="chosen" cx="{x:.1f}" cy="{y:.1f}" r="8"><title>{said}</title></circle>'
            )
            parts.append(
                f'<text class="name" x="{x + 12:.1f}" y="{y - 8:.1f}">{html.escape(point.candidate)}</text>'
            )
    return "\n".join([*parts, *_marks(plot.marks, across, up), "</svg>"])


def _marks(marks: Sequence[Mark], across: "_Axis", up: "_Axis") -> Iterator[str]:
    at = [(across.at(float(mark.usd_per_month)), up.at(mark.wait_p95_s)) for mark in marks]
    for (x, y), (to_x, to_y) in pairwise(at):
        yield f'<line class="move" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'
    for mark, (x, y) in zip(marks, at, strict=True):
        said = html.escape(f"{mark.label}: ${mark.usd_per_month:,} a month, p95 {mark.wait_p95_s:g} s")
        diamond = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 7:.1f} {x - 7:.1f},{y:.1f}"
        kind = "after" if mark.label == "after" else "before"
        yield f'<polygon class="{kind}" points="{diamond}"><title>{said}</title></polygon>'
        below = 20 if kind == "after" else -12
        yield f'<text class="name" x="{x:.1f}" y="{y + below:.1f}" text-anchor="middle">{html.escape(mark.label)}</text>'


class _Axis:
    """log(1 + value / step), so that zero has a place and large values leave room for small ones."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._start, self._end = start, end
        positive = sorted(value for value in values if value > 0)
        self._most = max(values, default=0.0) or 1.0
        self._step = max(positive[len(positive) // 10] if positive else 1.0, self._most / 10_000)

    def at(self, value: float) -> float:
        share = math.log1p(value / self._step) / math.log1p(self._most / self._step)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        found = [0.0]
        power = math.floor(math.log10(self._step))
        while 10**power <= self._most:
            for factor in (1, 2, 5):
                value = factor * 10.0**power
                if self._step <= value <= self._most and abs(self.at(value) - self.at(found[-1])) > 36:
                    found.append(value)
            power += 1
        return found
