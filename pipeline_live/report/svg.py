"""The rows of a call as SVG for the page; colours are the page's, by class names.

The drawing is complete without a script: a script only moves each row's ``playhead`` line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from pipeline_live.report.layout import (
    Mark,
    Peaks,
    Row,
    clock,
    envelope,
    label_of,
    marks_of,
    must_be_silent,
    reactions,
    rows_of,
)
from pipeline_live.report.measure import CallMeasures, InterruptionMeasure, Segment
from pipeline_live.report.reading import CallRecord

WIDTH = 1200
LANE_LEFT = 56
LANE_WIDTH = WIDTH - LANE_LEFT - 16
LANE_HEIGHT = 56
LANE_GAP = 16
LABEL_LINE = 22
LABEL_HEIGHT = 18
LABEL_PADDING = 7
# Browsers differ in fonts; each label is set to exactly this much per character.
LABEL_CHARACTER = 6.4
AXIS_HEIGHT = 24


def svg_rows(record: CallRecord, measures: CallMeasures) -> list[tuple[Row, str]]:
    """Draw a measured call as one SVG element per row."""
    rows = rows_of(measures.whole, LANE_LEFT, LANE_WIDTH)
    return [(row, _svg(record, measures, row)) for row in rows]


def _svg(record: CallRecord, measures: CallMeasures, row: Row) -> str:
    labels = [
        (one, label, len(label) * LABEL_CHARACTER + 2 * LABEL_PADDING)
        for number, one in enumerate(measures.interruptions, 1)
        for label in [label_of(number, one)]
    ]
    marks = marks_of(row, labels)
    user_top = (1 + max((mark.level for mark in marks), default=0)) * LABEL_LINE + 2
    bot_top = user_top + LANE_HEIGHT + LANE_GAP
    bottom = bot_top + LANE_HEIGHT
    bot = envelope(record, row, "bot", LANE_WIDTH)
    user = envelope(record, row, "user", LANE_WIDTH)
    parts = [
        *_lane(measures, row, user_top, "User"),
        *_lane(measures, row, bot_top, "Bot"),
        *_axis(row, user_top, bottom),
        *_bars(row, must_be_silent(measures), bot_top, "silent"),
        *_speech(row, user_top, user, measures.user, "user"),
        *_speech(row, bot_top, bot, measures.bot, "bot"),
        *_speech(row, bot_top, bot, measures.stale, "stale"),
        *_bars(row, reactions(measures), user_top + LANE_HEIGHT + 5, "reaction", 6),
        *(line for one in measures.interruptions for line in _onset(row, one, user_top)),
        # All lines before all labels: a line to a high label passes behind the lower ones.
        *(_cut(mark, user_top, bottom) for mark in marks),
        *(part for mark in marks for part in _label(mark, user_top)),
        f'<line class="playhead" x1="0" x2="0" y1="{user_top}" y2="{bottom}"/>',
    ]
    height = bottom + AXIS_HEIGHT
    return (
        f'<svg class="row" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(_spoken(row, marks))}">' + "".join(parts) + "</svg>"
    )


def _spoken(row: Row, marks: Sequence[Mark]) -> str:
    """What a screen reader says instead of the drawing."""
    said = f"Who spoke when, from {clock(row.start_ms)} to {clock(row.end_ms)}"
    texts = "; ".join(mark.text for mark in marks)
    return f"{said}. Interruptions: {texts or 'none'}"


def _rect(x0: float, x1: float, top: float, height: float, name: str) -> str:
    width = max(x1 - x0, 0.5)
    return (
        f'<rect class="{name}" x="{x0:.1f}" y="{top:g}" width="{width:.1f}" height="{height:g}"/>'
    )


def _bars(
    row: Row, segments: Sequence[Segment], top: float, name: str, height: float = LANE_HEIGHT
) -> Iterator[str]:
    for segment in row.cut(segments):
        yield _rect(row.x(segment.start_ms), row.x(segment.end_ms), top, height, name)


def _lane(measures: CallMeasures, row: Row, top: float, name: str) -> Iterator[str]:
    yield from _bars(row, [measures.whole], top, "lane")
    yield f'<text class="who" x="0" y="{top + LANE_HEIGHT / 2 + 5:g}">{name}</text>'


def _axis(row: Row, top: float, bottom: float) -> Iterator[str]:
    for tick in row.ticks():
        x = row.x(tick)
        yield f'<path class="tick" d="M{x:.1f} {top:g}V{bottom + 4:g}"/>'
        yield f'<text class="time" x="{x:.1f}" y="{bottom + 17:g}">{clock(tick)}</text>'


def _speech(
    row: Row, top: float, peaks: Peaks, segments: Sequence[Segment], name: str
) -> Iterator[str]:
    """A bar for each stretch of speech, and in it the waveform's envelope as one closed shape."""
    middle, half = top + LANE_HEIGHT / 2, LANE_HEIGHT / 2 - 3
    for segment in row.cut(segments):
        x0, x1 = row.x(segment.start_ms), row.x(segment.end_ms)
        yield _rect(x0, x1, top, LANE_HEIGHT, f"bar {name}")
        first = min(int(x0 - row.left), len(peaks) - 1)
        heights = [
            max(half * peak, 0.4) for peak in peaks[first : max(int(x1 - row.left), first + 1)]
        ]
        upper = [f"{row.left + first + i:g} {middle - h:.1f}" for i, h in enumerate(heights)]
        lower = [f"{row.left + first + i:g} {middle + h:.1f}" for i, h in enumerate(heights)]
        yield f'<path class="wave {name}" d="M{"L".join([*upper, *reversed(lower)])}Z"/>'


def _onset(row: Row, one: InterruptionMeasure, top: float) -> Iterator[str]:
    if one.reference_ms is None or not row.holds(one.reference_ms):
        return
    x, foot = row.x(one.reference_ms), top + LANE_HEIGHT + LANE_GAP - 2
    yield f'<path class="onset" d="M{x:.1f} {top:g}V{foot:g}"/>'
    yield f'<path class="arrow" d="M{x - 5:.1f} {foot:g}h10l-5 -11Z"/>'


def _label_top(mark: Mark, lanes_top: float) -> float:
    return lanes_top - (mark.level + 1) * LABEL_LINE


def _cut(mark: Mark, top: float, bottom: float) -> str:
    return f'<path class="cut" d="M{mark.x:.1f} {_label_top(mark, top):g}V{bottom:g}"/>'


def _label(mark: Mark, lanes_top: float) -> Iterator[str]:
    top, width = _label_top(mark, lanes_top), len(mark.text) * LABEL_CHARACTER
    right = mark.label_x + width + 2 * LABEL_PADDING
    yield _rect(mark.label_x, right, top, LABEL_HEIGHT, "label")
    yield (
        f'<text class="label" x="{mark.label_x + LABEL_PADDING:.1f}" y="{top + 13:g}" '
        f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs">{escape(mark.text)}</text>'
    )
