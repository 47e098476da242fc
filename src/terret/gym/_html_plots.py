"""Plots as inline SVG: bars with intervals, strips with one mark an episode, curves; every mark is a link."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import pairwise
from math import floor, log10

import msgspec

from terret.gym._ladder_report import number
from terret.gym._metrics_totals import METRICS, Figure

WIDTH = 340
"""Units of the view box, near the CSS pixels of one plot in both layouts, so that text keeps its size."""

_LEFT, _BAR = 34, 192
_ROW = 34


class Bar(msgspec.Struct, frozen=True):
    """One level's share; ``link`` goes to its episodes."""

    level: str
    figure: Figure
    link: str


class Dot(msgspec.Struct, frozen=True):
    """One episode; ``passed`` is ``None`` when it was not graded."""

    value: float
    passed: bool | None
    title: str
    link: str


class Strip(msgspec.Struct, frozen=True):
    """One level's episodes and their mean."""

    level: str
    figure: Figure
    dots: Sequence[Dot]
    link: str


class Point(msgspec.Struct, frozen=True):
    """One task of a sequence: its own value and the total with it."""

    name: str
    value: float
    total: float
    passed: bool
    title: str
    link: str


def bars(identity: str, title: str, hue: str, rows: Sequence[Bar]) -> str:
    """Shares from 0 to 100 % with their intervals, one row a level; ``hue`` is a class of the style sheet."""
    height = len(rows) * _ROW + 24
    parts = [
        f'<rect class="track" x="{_LEFT}" y="{i * _ROW + 6}" width="{_BAR}" height="20"/>' for i in range(len(rows))
    ]
    for index, row in enumerate(rows):
        parts += _bar(row, hue, index * _ROW + 6, title)
    base = len(rows) * _ROW
    for share in (0, 50, 100):
        x = _LEFT + _BAR * share / 100
        parts.append(f'<line class="tick" x1="{x:g}" y1="2" x2="{x:g}" y2="{base + 2}"/>')
        parts.append(f'<text class="axis" x="{x:g}" y="{base + 17}" text-anchor="middle">{share}%</text>')
    return _figure(identity, title, height, parts)


def strips(identity: str, title: str, rows: Sequence[Strip]) -> str:
    """Episodes along an axis from 0, one row a level, with the mean and its interval."""
    top = _nice(max((dot.value for row in rows for dot in row.dots), default=0.0))
    height = len(rows) * _ROW + 24
    right = WIDTH - 20
    parts: list[str] = []
    base = len(rows) * _ROW
    for share in (0, 0.5, 1):
        x = _LEFT + (right - _LEFT) * share
        parts.append(f'<line class="tick" x1="{x:g}" y1="2" x2="{x:g}" y2="{base + 2}"/>')
        parts.append(f'<text class="axis" x="{x:g}" y="{base + 17}" text-anchor="middle">{_short(top * share)}</text>')
    for index, row in enumerate(rows):
        parts += _strip(row, index * _ROW + 17, lambda value: _LEFT + (right - _LEFT) * value / top)
    return _figure(identity, title, height, parts)


def curve(identity: str, title: str, points: Sequence[Point]) -> str:
    """One bar a task for its own value and a line for the running total, along an axis from 0."""
    top = _nice(max((max(point.value, point.total) for point in points), default=0.0))
    base, right = 150, WIDTH - 12
    step = (right - _LEFT) / max(1, len(points))

    def height(value: float) -> float:
        return base - 140 * value / top

    parts: list[str] = []
    for share in (0, 0.5, 1):
        y = height(top * share)
        parts.append(f'<line class="tick" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis" x="0" y="{y + 4:.1f}">{_short(top * share)}</text>')
    middles = [_LEFT + step * (index + 0.5) for index in range(len(points))]
    for x, point in zip(middles, points, strict=True):
        y, wide = height(point.value), min(24.0, step * 0.6)
        parts.append(f'<a href="{escape(point.link)}"><title>{escape(point.title)}</title>')
        parts.append(
            f'<rect class="pass" x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{base - y:.1f}"/>'
        )
        parts.append(
            f'<text class="axis" x="{x:.1f}" y="{base + 15}" text-anchor="middle">{escape(point.name)}</text></a>'
        )
    heights = [height(point.total) for point in points]
    for (x, y), (to_x, to_y) in pairwise(zip(middles, heights, strict=True)):
        parts.append(f'<line class="mean" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>')
    for x, y, point in zip(middles, heights, points, strict=True):
        kind = "passed" if point.passed else "missed"
        parts.append(f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.4"/>')
    return _figure(identity, title, base + 24, parts)


def _bar(row: Bar, hue: str, y: float, title: str) -> Iterator[str]:
    figure = row.figure
    yield f'<a href="{escape(row.link)}"><text class="level" x="0" y="{y + 15}">{escape(row.level)}</text>'
    if figure.value is None:
        yield f'<text class="value" x="{_LEFT + _BAR + 8}" y="{y + 15}">none</text></a>'
        return
    counts = f"{figure.numerator:g}/{figure.denominator:g}"
    share = number(figure.value, "%")
    yield f"<title>{escape(title)} at {escape(row.level)}: {counts}, {share} %{_span(figure)}</title>"
    yield f'<rect class="{hue}" x="{_LEFT}" y="{y}" width="{_BAR * figure.value:.1f}" height="20"/>'
    if figure.low is not None and figure.high is not None:
        low, high = (_LEFT + _BAR * bound for bound in (figure.low, figure.high))
        middle = y + 10
        yield f'<line class="whisker" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>'
        for x in (low, high):
            yield f'<line class="whisker" x1="{x:.1f}" y1="{middle - 4}" x2="{x:.1f}" y2="{middle + 4}"/>'
    yield f'<text class="value" x="{_LEFT + _BAR + 14}" y="{y + 15}">{share}%'
    yield f'<tspan class="count" dx="5">{counts}</tspan></text></a>'


def _strip(row: Strip, y: float, place: Callable[[float], float]) -> Iterator[str]:
    figure = row.figure
    yield f'<a href="{escape(row.link)}"><text class="level" x="0" y="{y + 4}">{escape(row.level)}</text></a>'
    if figure.low is not None and figure.high is not None:
        low, high = place(figure.low), place(figure.high)
        yield f'<rect class="band" x="{low:.1f}" y="{y - 13}" width="{max(1.0, high - low):.1f}" height="26"/>'
    for index, dot in enumerate(row.dots):
        # Episodes of equal value must not hide one another.
        offset = (index * 5) % 17 - 8
        kind = "ungraded" if dot.passed is None else "passed" if dot.passed else "missed"
        yield (
            f'<a href="{escape(dot.link)}"><title>{escape(dot.title)}</title>'
            f'<circle class="dot {kind}" cx="{place(dot.value):.1f}" cy="{y + offset:.1f}" r="3.4"/></a>'
        )
    if figure.value is not None:
        x = place(figure.value)
        yield f'<line class="mean" x1="{x:.1f}" y1="{y - 13}" x2="{x:.1f}" y2="{y + 13}"/>'


def _figure(identity: str, title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<figure class="plot"><figcaption id="{identity}">{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="group" aria-labelledby="{identity}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _span(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    unit = METRICS[figure.name].unit
    return f", interval {number(figure.low, unit)} to {number(figure.high, unit)}"


def _nice(value: float) -> float:
    """The next round number whose half is round too; 1 for nothing."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** floor(log10(value))
    return next(step * unit for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if value <= step * unit * (1 + 1e-9))


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
