"""The rows of a call as SVG for the page; colours are the page's, by class names.

The drawing is complete without a script: a script only moves each row's ``playhead`` line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from pipeline_live.report.layout import (
    INTERRUPTED,
    Mark,
    Peaks,
    Row,
    clock,
    envelope,
    labels_of,
    levels_of,
    marks_of,
    must_be_silent,
    reactions,
    rows_of,
    waiting_ceiling_ms,
    waiting_levels,
)
from pipeline_live.report.measure import CallMeasures, InterruptionMeasure
from pipeline_live.report.reading import CallRecord
from pipeline_live.report.story import Segment

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
WAITING_HEIGHT = 30
WAITING_GAP = 8
HOLD_HEIGHT = 4
AXIS_HEIGHT = 24


def svg_rows(
    record: CallRecord, measures: CallMeasures, view: Segment | None = None
) -> list[tuple[Row, str]]:
    """Draw a measured call, or a stretch of it, as one SVG element per row."""
    rows = rows_of(view or measures.whole, LANE_LEFT, LANE_WIDTH)
    return [(row, _svg(record, measures, row)) for row in rows]


def _svg(record: CallRecord, measures: CallMeasures, row: Row) -> str:
    labels = labels_of(record, measures)
    marks = marks_of(row, [(label, _label_width(label.text)) for label in labels])
    user_top = levels_of(marks) * LABEL_LINE + 2
    bot_top = user_top + LANE_HEIGHT + LANE_GAP
    lanes_end = bot_top + LANE_HEIGHT
    ceiling_ms = waiting_ceiling_ms(record)
    bottom = lanes_end + (WAITING_GAP + WAITING_HEIGHT if ceiling_ms else 0)
    bot = envelope(record, row, "bot", LANE_WIDTH)
    user = envelope(record, row, "user", LANE_WIDTH)
    answers = [answer.span for answer in measures.answers]
    parts = [
        *_lane(measures, row, user_top, "User"),
        *_lane(measures, row, bot_top, "Bot"),
        *_axis(row, user_top, bottom),
        *(_waiting(record, row, bottom, ceiling_ms) if ceiling_ms else ()),
        *_bars(row, must_be_silent(measures), bot_top, "silent"),
        *_bars(row, answers, bot_top + LANE_HEIGHT / 2 - 1, "answer", 2),
        *_speech(row, user_top, user, measures.user, "user"),
        *_speech(row, bot_top, bot, measures.bot, "bot"),
        *_speech(row, bot_top, bot, measures.stale, "stale"),
        *_doubts(record, row, user_top, bot_top),
        *_bars(row, reactions(measures), user_top + LANE_HEIGHT + 5, "reaction", 6),
        *(line for one in measures.interruptions for line in _onset(row, one, user_top)),
        # All lines before all labels: a line to a high label passes behind the lower ones.
        *(_cut(mark, user_top, lanes_end) for mark in marks),
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
    cuts = "; ".join(mark.label.text for mark in marks if mark.label.kind == INTERRUPTED)
    others = "; ".join(mark.label.text for mark in marks if mark.label.kind != INTERRUPTED)
    return f"{said}. Interruptions: {cuts or 'none'}" + (f". Also: {others}" if others else "")


def _doubts(record: CallRecord, row: Row, user_top: float, bot_top: float) -> Iterator[str]:
    """Holds as brackets around the bot's lane, and where suspected speech was nothing."""
    holds = [hold.span for hold in record.story.holds]
    for top in (bot_top - HOLD_HEIGHT, bot_top + LANE_HEIGHT):
        yield from _bars(row, holds, top, "held", HOLD_HEIGHT)
    for at_ms in record.story.dismissed_ms:
        if row.holds(at_ms):
            x = row.x(at_ms)
            yield _rect(x - 1, x + 1, user_top + LANE_HEIGHT - 12, 12, "held")


def _waiting(record: CallRecord, row: Row, bottom: float, ceiling_ms: int) -> Iterator[str]:
    """How much received sound waits, and what of it was dropped on arrival."""
    top = bottom - WAITING_HEIGHT
    yield f'<text x="0" y="{top + 11:g}">Waiting</text>'
    yield f'<text x="0" y="{top + 25:g}">to {ceiling_ms / 1000:.1f} s</text>'
    levels = waiting_levels(record, row, LANE_WIDTH)
    if levels.any():
        tops = [f"{row.left + i:g} {bottom - WAITING_HEIGHT * h:.1f}" for i, h in enumerate(levels)]
        yield f'<path class="waiting" d="M{row.left:g} {bottom:g}L{"L".join(tops)}V{bottom:g}Z"/>'
    for arrival in record.story.arrivals:
        if arrival.dropped and row.holds(arrival.at_ms):
            x, height = row.x(arrival.at_ms), arrival.length_ms / ceiling_ms * WAITING_HEIGHT
            yield _rect(x, x + 1.5, bottom - max(4, height), max(4, height), "dropped")


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
        name = "time" if x < LANE_LEFT + LANE_WIDTH - 8 else "time last"
        yield f'<text class="{name}" x="{x:.1f}" y="{bottom + 17:g}">{row.tick_label(tick)}</text>'


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


def _label_top(level: int, lanes_top: float) -> float:
    return lanes_top - (level + 1) * LABEL_LINE


def _label_width(text: str) -> float:
    return len(text) * LABEL_CHARACTER + 2 * LABEL_PADDING


def _cut(mark: Mark, top: float, bottom: float) -> str:
    begin = top if mark.level is None else _label_top(mark.level, top)
    return f'<path class="at {mark.label.kind}" d="M{mark.x:.1f} {begin:g}V{bottom:g}"/>'


def _label(mark: Mark, lanes_top: float) -> Iterator[str]:
    if mark.level is None:
        return
    text, top = mark.label.text, _label_top(mark.level, lanes_top)
    right = mark.label_x + _label_width(text)
    yield _rect(mark.label_x, right, top, LABEL_HEIGHT, f"label {mark.label.kind}")
    yield (
        f'<text class="label" x="{mark.label_x + LABEL_PADDING:.1f}" y="{top + 13:g}" '
        f'textLength="{len(text) * LABEL_CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(text)}</text>"
    )
