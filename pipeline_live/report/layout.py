"""Where things go in a drawing of a call; pure geometry, shared by the picture and the page.

A short call is one row; a long one is wrapped into rows of whole seconds, like lines of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_live.report.measure import CallMeasures, InterruptionMeasure
from pipeline_live.report.reading import CallRecord
from pipeline_live.report.story import Segment
from pipeline_live.report.table import shorten, source_label

# A call up to this long fits one row.
ONE_ROW_MS = 40_000
# Longer calls get the first row length that needs no more than MOST_ROWS.
ROW_LENGTHS_MS = (20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000)
MOST_ROWS = 30
# The first tick distance that gives at most MOST_TICKS.
TICKS_MS = (100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 300_000, 600_000)
MOST_TICKS = 20
# Speech covers five orders of magnitude; this power shows soft words without flattening loud ones.
ENVELOPE_POWER = 0.6
# Labels keep this much air, in units of the drawing.
LABEL_GAP = 8.0
# Events get no more lines of labels than this; interruptions always get one.
MOST_LEVELS = 8
LONGEST_LABEL = 44
INTERRUPTED = "cut"

Peaks = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the drawing: a stretch of call time on a horizontal axis.

    Attributes:
        start_ms: Call time at ``left``.
        end_ms: Call time at ``left + width``.
        left: Where the lane begins, in units of the drawing.
        width: How wide the lane is.
    """

    start_ms: int
    end_ms: int
    left: float
    width: float

    def x(self, t_ms: float) -> float:
        """Horizontal place of the moment ``t_ms``, kept inside the lane."""
        share = (t_ms - self.start_ms) / (self.end_ms - self.start_ms)
        return self.left + self.width * min(max(share, 0.0), 1.0)

    def holds(self, t_ms: int) -> bool:
        """Whether the moment belongs to this row and not to a neighbour."""
        return self.start_ms <= t_ms < self.end_ms

    def cut(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """The parts of ``segments`` inside this row."""
        cut = (
            Segment(max(segment.start_ms, self.start_ms), min(segment.end_ms, self.end_ms))
            for segment in segments
        )
        return tuple(segment for segment in cut if segment.duration_ms > 0)

    def ticks(self) -> tuple[int, ...]:
        """Moments to label on the axis: round ones at a readable distance."""
        step = self._tick_ms()
        first = -(-self.start_ms // step) * step
        return tuple(range(first, self.end_ms + 1, step))

    def tick_label(self, tick: int) -> str:
        """How a moment of `ticks` is written."""
        return clock(tick, decimals=0 if self._tick_ms() % 1000 == 0 else 1)

    def _tick_ms(self) -> int:
        length = self.end_ms - self.start_ms
        return next((s for s in TICKS_MS if length <= s * MOST_TICKS), TICKS_MS[-1])


def rows_of(whole: Segment, left: float, width: float) -> tuple[Row, ...]:
    """Wrap the recorded stretch of a call into rows of whole seconds and the same length."""
    start = whole.start_ms // 1000 * 1000
    end = max(-(-whole.end_ms // 1000) * 1000, start + 1000)
    length = _row_length(end - start)
    # As many rows as that takes, but all of the same length and the last one full.
    rows = -(-(end - start) // length)
    length = -(-(end - start) // (rows * 1000)) * 1000
    return tuple(Row(at, at + length, left, width) for at in range(start, end, length))


def _row_length(duration_ms: int) -> int:
    if duration_ms <= ONE_ROW_MS:
        return duration_ms
    fitting = (length for length in ROW_LENGTHS_MS if duration_ms <= length * MOST_ROWS)
    return next(fitting, ROW_LENGTHS_MS[-1])


def must_be_silent(measures: CallMeasures) -> tuple[Segment, ...]:
    """Where a dead reply must not sound: from each interruption to the next reply."""
    return tuple(Segment(one.at_ms, one.until_ms) for one in measures.interruptions)


def reactions(measures: CallMeasures) -> tuple[Segment, ...]:
    """Where a user who wanted silence still heard the bot: time to silence as a stretch."""
    return tuple(
        Segment(one.reference_ms, one.reference_ms + one.time_to_silence_ms)
        for one in measures.interruptions
        if one.reference_ms is not None and one.time_to_silence_ms is not None
    )


@dataclass(frozen=True, slots=True)
class Label:
    """A moment with a text.

    Attributes:
        at_ms: The moment.
        kind: ``cut`` for an interruption, else the event's kind.
        text: The text, short enough to be drawn.
    """

    at_ms: int
    kind: str
    text: str


def labels_of(record: CallRecord, measures: CallMeasures) -> tuple[Label, ...]:
    """All labels of a call in order of time: its interruptions, numbered, and its events."""
    cuts = [
        Label(one.at_ms, INTERRUPTED, label_of(number, one))
        for number, one in enumerate(measures.interruptions, 1)
    ]
    events = [
        Label(event.at_ms, event.kind, shorten(event.text, LONGEST_LABEL))
        for event in record.story.events
    ]
    return tuple(sorted([*cuts, *events], key=lambda label: label.at_ms))


def label_of(number: int, one: InterruptionMeasure) -> str:
    """What the drawing says about an interruption."""
    quiet = one.time_to_silence_ms
    parts = [f"{number}", source_label(one)]
    parts += [f"{quiet} ms"] if quiet is not None else []
    parts += [f"{one.stale_ms} ms stale"] if one.stale_ms else []
    return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Mark:
    """A label in a row: where its moment is, and where its text goes.

    Attributes:
        label: The label.
        x: Place of the vertical line.
        label_x: Left edge of the text.
        level: Line of labels, 0 the one next to the lanes; None where a crowd leaves no room and
            only the vertical line is drawn.
    """

    label: Label
    x: float
    label_x: float
    level: int | None


def marks_of(row: Row, labels: Sequence[tuple[Label, float]]) -> tuple[Mark, ...]:
    """Place the labels of a row without overlaps, on as few lines as a greedy choice gives.

    Args:
        row: The row.
        labels: All of the call, in order, with their widths as drawn.
    """
    right_edges: list[float] = []
    marks = []
    for label, width in labels:
        if not row.holds(label.at_ms):
            continue
        x = row.x(label.at_ms)
        label_x = max(row.left, min(x, row.left + row.width - width))
        level = _free_level(right_edges, label_x)
        if label.kind != INTERRUPTED and level >= MOST_LEVELS:
            marks.append(Mark(label, x, label_x, None))
            continue
        right_edges[level:] = [label_x + width + LABEL_GAP, *right_edges[level + 1 :]]
        marks.append(Mark(label, x, label_x, level))
    return tuple(marks)


def levels_of(marks: Sequence[Mark]) -> int:
    """How many lines of labels a row needs; room for one is kept in any case."""
    return 1 + max((mark.level or 0 for mark in marks), default=0)


def _free_level(right_edges: Sequence[float], label_x: float) -> int:
    free = (level for level, edge in enumerate(right_edges) if edge <= label_x)
    return next(free, len(right_edges))


def waiting_ceiling_ms(record: CallRecord) -> int:
    """The most sound that ever waited; 0 when none did and there is nothing to draw."""
    return max((waiting for _, waiting in record.story.waiting), default=0)


def waiting_levels(record: CallRecord, row: Row, columns: int) -> Peaks:
    """How much sound waits in each of ``columns`` columns of a row, 0..1 of the ceiling."""
    steps = record.story.waiting
    moments = np.array([at_ms for at_ms, _ in steps], dtype=np.float64)
    amounts = np.array([0, *(waiting for _, waiting in steps)], dtype=np.float64)
    edges = np.linspace(row.start_ms, row.end_ms, columns + 1)
    # From the state at a column's left edge to the last change before its right edge.
    firsts = np.searchsorted(moments, edges[:-1], side="right")
    lasts = np.searchsorted(moments, edges[1:], side="left")
    most = [amounts[a : max(b, a) + 1].max() for a, b in zip(firsts, lasts, strict=True)]
    return np.asarray(np.array(most) / max(waiting_ceiling_ms(record), 1))


def envelope(record: CallRecord, row: Row, channel: str, columns: int) -> Peaks:
    """Height of the waveform in each of ``columns`` columns of a row, 0..1.

    Args:
        record: The call.
        row: The row.
        channel: ``user`` or ``bot``.
        columns: How many columns the lane has.
    """
    if record.sound is None:
        return np.zeros(columns)
    samples = record.sound.user if channel == "user" else record.sound.bot
    # The loudest sample sets the scale for all rows; magnitude via int32 since -(-32768) overflows.
    highest = max(int(samples.max()), -int(samples.min()), 1)
    times = np.linspace(row.start_ms, row.end_ms, columns + 1)
    edges = [record.to_sample(round(t)) for t in times]
    peaks = [_peak(samples[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return np.asarray((np.array(peaks, dtype=np.float64) / highest) ** ENVELOPE_POWER)


def _peak(samples: npt.NDArray[np.int16]) -> int:
    return max(int(samples.max()), -int(samples.min())) if samples.size else 0


def clock(t_ms: int, decimals: int = 0) -> str:
    """A moment for people: ``0:07``, ``1:05.3``, ``-0:01``."""
    sign, t_ms = ("-", -t_ms) if t_ms < 0 else ("", t_ms)
    minutes, rest = divmod(t_ms, 60_000)
    whole, fraction = divmod(rest, 1000)
    tail = f".{fraction:03d}"[: decimals + 1] if decimals else ""
    return f"{sign}{minutes}:{whole:02d}{tail}"
