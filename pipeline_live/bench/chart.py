"""A PNG of the results: each trial's time to silence, or to the answer, as a dot."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

from pipeline_live.bench.judge import Outcome
from pipeline_live.bench.results import NoiseFigures, compare, in_noise, measures
from pipeline_live.bench.scenarios import Act, Scenario, Side
from pipeline_live.report.picture import (
    BOT,
    GRID,
    INK,
    LANE,
    MARGIN,
    REACTION,
    SOFT_INK,
    WIDTH,
    Sheet,
)
from pipeline_live.report.table import shorten

LEFT, RIGHT = 510, WIDTH - 250
TOP, LANE_HEIGHT, GAP = 130, 34, 26
LEAST_MS, MOST_MS = 20, 20_000
TICKS_MS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
COLOURS = {Side.OURS: BOT, Side.STOCK: REACTION}
_DOT = 7


def chart(scenarios: Sequence[Scenario], outcomes: Sequence[Outcome], subtitle: str) -> Image.Image:
    """Draw the results.

    Args:
        scenarios: What was tried, in order.
        outcomes: What came of it.
        subtitle: Under which conditions.
    """
    dotted = [scenario for scenario in scenarios if scenario.act is not Act.NOISE]
    noise = in_noise(scenarios, outcomes)
    bottom = TOP + len(dotted) * (2 * LANE_HEIGHT + GAP)
    sheet = Sheet(bottom + 60 + 30 * len(noise) + 50)
    sheet.text(MARGIN, 34, "Time to silence after a barge-in, and to the answer", INK, 28)
    sheet.text(MARGIN, 68, shorten(subtitle, 170), SOFT_INK, 17)
    if dotted:
        _axis(sheet, TOP - 12, bottom - GAP + 8)
    top = TOP
    for scenario in dotted:
        _scenario(sheet, scenario, outcomes, top)
        top += 2 * LANE_HEIGHT + GAP
    top = bottom + 40
    for one in noise:
        sheet.text(MARGIN, top, _in_words(one), INK, 16)
        top += 30
    legend = (
        "dot: one call · bar: median · hollow: not silenced, the reply was said to its end · "
        "n, median and p95 at the right"
    )
    sheet.text(MARGIN, top + 12, legend, SOFT_INK, 15)
    return sheet.finished()


def x_of(duration_ms: float) -> float:
    """Horizontal place of a duration on the logarithmic axis, kept inside it."""
    kept = min(max(duration_ms, LEAST_MS), MOST_MS)
    share = math.log(kept / LEAST_MS) / math.log(MOST_MS / LEAST_MS)
    return LEFT + share * (RIGHT - LEFT)


def _axis(sheet: Sheet, top: float, bottom: float) -> None:
    for tick in TICKS_MS:
        x = x_of(tick)
        sheet.line([(x, top), (x, bottom)], GRID)
        label = f"{tick} ms" if tick < 1000 else f"{tick // 1000} s"
        sheet.text(x, top - 12, label, SOFT_INK, 14, "mm")


def _scenario(sheet: Sheet, scenario: Scenario, outcomes: Sequence[Outcome], top: float) -> None:
    sheet.text(MARGIN, top + LANE_HEIGHT / 2, scenario.name, INK, 18)
    sheet.text(MARGIN, top + 1.5 * LANE_HEIGHT, scenario.title, SOFT_INK, 14)
    main = measures(scenario)[0]
    row = compare([scenario], outcomes)[0]
    for index, side in enumerate(Side):
        middle = top + (index + 0.5) * LANE_HEIGHT
        sheet.box((LEFT - 10, middle - 13, RIGHT + 10, middle + 13), LANE, radius=4)
        sheet.text(LEFT - 20, middle, side, COLOURS[side], 15, "rm")
        these = [one for one in outcomes if one.side is side and one.scenario == scenario.name]
        found = row.ours if side is Side.OURS else row.stock
        if found.median is None or found.p95 is None:
            continue
        x = x_of(found.median)
        sheet.box((x - 2, middle - 14, x + 2, middle + 14), INK)
        for one in these:
            hollow = main.bounded and not one.silenced
            _dot(sheet, main.of(one), middle, COLOURS[side], hollow=hollow)
        unsilenced = row.ours_unsilenced if side is Side.OURS else row.stock_unsilenced
        bound = ">" if unsilenced else ""  # the font has no "≥"
        text = f"n {found.count} · {bound}{found.median:.0f} · {bound}{found.p95:.0f} ms"
        sheet.text(RIGHT + 24, middle, text, INK, 15)


def _dot(
    sheet: Sheet, duration_ms: int | None, middle: float, colour: str, *, hollow: bool
) -> None:
    if duration_ms is None:
        return
    x = x_of(duration_ms)
    sheet.box((x - _DOT, middle - _DOT, x + _DOT, middle + _DOT), colour, _DOT)
    if hollow:
        inner = _DOT - 3
        sheet.box((x - inner, middle - inner, x + inner, middle + inner), LANE, inner)


def _in_words(one: NoiseFigures) -> str:
    return (
        f"{one.side} in {one.noise_ms / 1000:.0f} s of noise: {one.holds} false holds, "
        f"{one.interruptions} false interruptions, {one.went_on} of {one.calls} replies went on"
    )
