"""A dashboard as a page: an imitation of how Grafana shows panels, drawn from the queries that they have."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

Series: TypeAlias = Sequence[tuple[str, Sequence[tuple[float, float]]]]
"""Lines by their legend, as points of time and value."""
Ask: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[Any]]

WIDTH, ROW, GAP = 1200, 34, 8
LAST_ROW = 14
"""Panels that begin further down the board are not on the picture."""
_COLOURS = ("#73bf69", "#5794f2", "#f2cc0c", "#f2495c", "#b877d9", "#ff9830", "#8ab8ff", "#96d98d")
_BY_NAME = {"Deployed": "#73bf69", "Failed": "#f2495c", "Deploying": "#5794f2", "Queued": "#f2cc0c"}
_STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 13px "Liberation Sans", sans-serif; position: relative }
.panel { position: absolute; background: #181b1f; border: 1px solid #2c2f36; border-radius: 3px; overflow: hidden }
.title { padding: 6px 10px 0; font-weight: 500 } .big { text-align: center; font-size: 38px; margin-top: 8px; font-weight: 500 }
.row { position: absolute; font-weight: 500; padding: 8px 2px } .legend { position: absolute; bottom: 4px; left: 10px; font-size: 11px }
.legend i { display: inline-block; width: 12px; height: 3px; margin: 0 4px 3px 10px } h1 { font-size: 15px; margin: 0; padding: 10px 12px }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What time is shown, in seconds."""

    begin: float
    end: float
    step: float = 1.0

    def fill(self, expr: str) -> str:
        """The expression without Grafana's variables."""
        expr = expr.replace("$__rate_interval", "10s").replace("$__range", f"{int(self.end - self.begin)}s")
        return re.sub(r"\$\{?\w+(?::\w+)?\}?", ".*", expr)


async def page(board: Mapping[str, Any], ask: Ask, span: Span) -> tuple[str, int]:
    """The first rows of a board on a page, and how high that is."""
    shown = [
        each
        for each in board["panels"]
        if each["gridPos"]["y"] < LAST_ROW and each["gridPos"]["y"] + each["gridPos"]["h"] <= LAST_ROW
    ]
    drawn = [await _panel(each, ask, span) for each in shown]
    height = 40 + ROW * max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in shown)
    head = f"<h1>{escape(board['title'])}</h1>"
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style><body>{head}{"".join(drawn)}</body>', height


async def _panel(panel: Mapping[str, Any], ask: Ask, span: Span) -> str:
    place, unit = panel["gridPos"], WIDTH / 24
    left, top = place["x"] * unit + GAP / 2, 40 + place["y"] * ROW
    width, height = place["w"] * unit - GAP, place["h"] * ROW - GAP
    where = f"left: {left}px; top: {top}px; width: {width}px; height: {height}px"
    if panel["type"] == "row":
        return f'<div class="row" style="{where}">⌄ {escape(panel["title"])}</div>'
    series = [line for target in panel["targets"] for line in await _ask(target, ask, span)]
    draw = {"stat": _stat, "timeseries": _lines}.get(panel["type"])
    if draw is None:
        raise ValueError(f"no idea how Grafana shows a {panel['type']}")
    inner = draw(series, width, height - 26, span)
    return f'<div class="panel" style="{where}"><div class="title">{escape(panel["title"])}</div>{inner}</div>'


async def _ask(target: Mapping[str, Any], ask: Ask, span: Span) -> Series:
    asked = {"query": span.fill(target["expr"]), "start": str(span.begin), "end": str(span.end), "step": str(span.step)}
    found = (await ask("query_range", asked))["result"]
    return [(_legend(target, each["metric"]), [(at, float(value)) for at, value in each["values"]]) for each in found]


def _legend(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""), target.get("legendFormat") or "")


def _stat(series: Series, width: float, height: float, span: Span) -> str:
    value = series[0][1][-1][1] if series else 0.0
    return (
        f'<div class="big" style="color: {_COLOURS[0]}">{value:,.0f}</div>{_lines(series, width, 40, span, bare=True)}'
    )


def _lines(series: Series, width: float, height: float, span: Span, *, bare: bool = False) -> str:
    top = _ceiling(max((value for _, points in series for _, value in points), default=0.0))
    left, low = (0.0, height - 4) if bare else (38.0, height - 40)

    def spot(at: float, value: float) -> str:
        x = left + (at - span.begin) / (span.end - span.begin) * (width - left - 12)
        return f"{x:.1f},{low - value / top * (low - 8):.1f}"

    drawn = "" if bare else _grid(top, left, low, width)
    legend = ""
    for at, (name, points) in enumerate(series):
        colour = _BY_NAME.get(name, _COLOURS[at % len(_COLOURS)])
        for run in _runs(points, 2 * span.step):
            line = " ".join(spot(*point) for point in run)
            drawn += f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        legend += f'<i style="background: {colour}"></i>{escape(name)}' if name else ""
    shown = "" if bare else f'<div class="legend">{legend}</div>'
    return f'<svg width="{width}" height="{height}">{drawn}</svg>{shown}'


def _runs(points: Sequence[tuple[float, float]], gap: float) -> list[list[tuple[float, float]]]:
    """The points as lines without gaps: where there is nothing, nothing is drawn."""
    found: list[list[tuple[float, float]]] = []
    for point in points:
        if found and point[0] - found[-1][-1][0] <= gap:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def _ceiling(value: float) -> float:
    """A round number above."""
    unit = 10.0 ** max(len(str(int(value))) - 1, 0)
    return next(top for top in (1 * unit, 1.6 * unit, 2 * unit, 4 * unit, 6 * unit, 8 * unit, 10 * unit) if top > value)


def _grid(top: float, left: float, low: float, width: float) -> str:
    found = ""
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = low - part * (low - 8)
        found += f'<line x1="{left}" x2="{width - 12}" y1="{y:.1f}" y2="{y:.1f}" stroke="#2c2f36"/>'
        found += f'<text x="{left - 6}" y="{y + 4:.1f}" fill="#8e8e99" font-size="11" text-anchor="end">{top * part:.4g}</text>'
    return found
