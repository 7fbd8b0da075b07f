"""Where things go in a drawing of a call; pure geometry, shared by the picture and the page.

A short call is one row; a long one is wrapped into rows of whole seconds, like lines of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_live.report.measure import CallMeasures, InterruptionMeasure, Segment
from pipeline_live.report.reading import CallRecord
from pipeline_live.report.table import source_label

# A call up to this long fits one row.
ONE_ROW_MS = 40_000
# Longer calls get the first row length that needs no more than MOST_ROWS.
ROW_LENGTHS_MS = (20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000)
MOST_ROWS = 30
# The first tick distance that gives at most MOST_TICKS.
TICKS_MS = (1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 300_000, 600_000)
MOST_TICKS = 20
# Speech covers five orders of magnitude; this power shows soft words without flattening loud ones.
ENVELOPE_POWER = 0.6
# Labels keep this much air, in units of the drawing.
LABEL_GAP = 8.0

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
        """Moments to label on the axis: whole seconds at a readable distance."""
        length = self.end_ms - self.start_ms
        step = next((s for s in TICKS_MS if length <= s * MOST_TICKS), TICKS_MS[-1])
        first = -(-self.start_ms // step) * step
        return tuple(range(first, self.end_ms + 1, step))


def rows_of(whole: Segment, left: float, width: float) -> tuple[Row, ...]:
    """Wrap the recorded stretch of a call into rows of whole seconds and the same length."""
    start = whole.start_ms // 1000 * 1000
    end = max(-(-whole.end_ms // 1000) * 1000, start + 1000)
    length = _row_length(end - start)
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
class Mark:
    """An interruption in a row: where it is, and where its label goes.

    Attributes:
        number: Counted from 1, as in the table.
        x: Place of the vertical line.
        label_x: Left edge of the label.
        level: Line of labels, 0 the one next to the lanes.
        text: The label.
    """

    number: int
    x: float
    label_x: float
    level: int
    text: str


def label_of(number: int, one: InterruptionMeasure) -> str:
    """What the drawing says about an interruption."""
    quiet = one.time_to_silence_ms
    parts = [f"{number}", source_label(one)]
    parts += [f"{quiet} ms"] if quiet is not None else []
    parts += [f"{one.stale_ms} ms stale"] if one.stale_ms else []
    return " · ".join(parts)


def marks_of(
    row: Row, interruptions: Sequence[tuple[InterruptionMeasure, str, float]]
) -> tuple[Mark, ...]:
    """Place the labels of a row without overlaps, on as few lines as a greedy choice gives.

    Args:
        row: The row.
        interruptions: All of the call, in order, with the label's text and its width as drawn.
    """
    here = [(n, *entry) for n, entry in enumerate(interruptions, 1) if row.holds(entry[0].at_ms)]
    right_edges: list[float] = []
    marks = []
    for number, one, text, width in here:
        x = row.x(one.at_ms)
        label_x = max(row.left, min(x, row.left + row.width - width))
        level = _free_level(right_edges, label_x)
        right_edges[level:] = [label_x + width + LABEL_GAP, *right_edges[level + 1 :]]
        marks.append(Mark(number, x, label_x, level, text))
    return tuple(marks)


def _free_level(right_edges: Sequence[float], label_x: float) -> int:
    free = (level for level, edge in enumerate(right_edges) if edge <= label_x)
    return next(free, len(right_edges))


def envelope(record: CallRecord, row: Row, channel: str, columns: int) -> Peaks:
    """Height of the waveform in each of ``columns`` columns of a row, 0..1.

    Args:
        record: The call.
        row: The row.
        channel: ``user`` or ``bot``.
        columns: How many columns the lane has.
    """
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
