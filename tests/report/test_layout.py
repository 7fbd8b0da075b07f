"""Geometry: rows hold every moment once, and labels never lie on each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.report.layout import (
    INTERRUPTED,
    LABEL_GAP,
    MOST_LEVELS,
    MOST_ROWS,
    MOST_TICKS,
    Label,
    Row,
    clock,
    envelope,
    label_of,
    labels_of,
    levels_of,
    marks_of,
    must_be_silent,
    reactions,
    rows_of,
    waiting_ceiling_ms,
    waiting_levels,
)
from pipeline_live.report.measure import InterruptionMeasure, measure
from pipeline_live.report.story import Segment

from .calls import Call, example


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        (Segment(0, 40_000), [(0, 40_000)]),
        (Segment(120, 9_500), [(0, 10_000)]),
        (Segment(-1500, 300), [(-2000, 1000)]),
        (Segment(5000, 5000), [(5000, 6000)]),
        (Segment(0, 40_001), [(0, 14_000), (14_000, 28_000), (28_000, 42_000)]),
    ],
)
def test_rows(whole: Segment, expected: list[tuple[int, int]]) -> None:
    assert [(row.start_ms, row.end_ms) for row in rows_of(whole, 0, 100)] == expected


@given(
    start=st.integers(-10_000, 10**13),
    duration=st.integers(1, 24 * 3_600_000),
    share=st.floats(0, 1, exclude_max=True),
)
def test_every_moment_belongs_to_one_row_of_few(start: int, duration: int, share: float) -> None:
    rows = rows_of(Segment(start, start + duration), 50, 1000)
    assert len(rows) <= MOST_ROWS
    moment = start + int(duration * share)
    (row,) = [row for row in rows if row.holds(moment)]
    assert 50 <= row.x(moment) <= 1050
    assert len(row.ticks()) <= MOST_TICKS + 1 or row.end_ms - row.start_ms > MOST_TICKS * 600_000


def test_a_row_cuts_what_sticks_out_and_drops_the_rest() -> None:
    row = Row(1000, 2000, left=10, width=100)
    segments = [Segment(0, 1000), Segment(500, 1200), Segment(1900, 5000), Segment(1500, 1400)]
    assert row.cut(segments) == (Segment(1000, 1200), Segment(1900, 2000))
    assert [row.holds(t) for t in (999, 1000, 1999, 2000)] == [False, True, True, False]
    assert [row.x(t) for t in (0, 1000, 1500, 2000, 9000)] == [10, 10, 60, 110, 110]


@pytest.mark.parametrize(
    ("length_ms", "labels"),
    [
        (2000, ["0:05.0", "0:05.1", "0:05.2"]),
        (10_000, ["0:05.0", "0:05.5", "0:06.0"]),
        (20_000, ["0:05", "0:06", "0:07"]),
        (40_000, ["0:06", "0:08", "0:10"]),
    ],
)
def test_a_short_row_has_finer_ticks(length_ms: int, labels: list[str]) -> None:
    row = Row(5000, 5000 + length_ms, left=0, width=100)
    assert [row.tick_label(tick) for tick in row.ticks()][:3] == labels


def interruption(at_ms: int) -> InterruptionMeasure:
    call = Call(duration_ms=10).interrupted(at_ms, source="server").record()
    return measure(call).interruptions[0]


@given(
    moments=st.lists(st.integers(0, 19_999), max_size=12).map(sorted),
    width=st.floats(20, 400),
)
def test_labels_stay_in_the_row_and_never_overlap(moments: list[int], width: float) -> None:
    row = Row(0, 20_000, left=50, width=1000)
    labels = [Label(t, INTERRUPTED, "label") for t in moments]
    marks = marks_of(row, [(label, width) for label in labels])
    assert [mark.label for mark in marks] == labels
    assert levels_of(marks) == 1 + max((mark.level or 0 for mark in marks), default=0)
    for index, mark in enumerate(marks):
        assert row.left <= mark.label_x
        assert mark.label_x + width <= row.left + row.width + 1e-6
        assert mark.label_x <= mark.x <= mark.label_x + width + 1e-6
        for other in marks[:index]:
            if other.level == mark.level:
                assert abs(other.label_x - mark.label_x) >= width + LABEL_GAP - 1e-6


def test_labels_far_apart_share_a_line_and_other_rows_are_left_out() -> None:
    row = Row(20_000, 40_000, left=0, width=1000)
    entries = [(Label(t, "news", "x"), 100.0) for t in (5000, 21_000, 21_500, 30_000)]
    assert [(mark.label.at_ms, mark.level) for mark in marks_of(row, entries)] == [
        (21_000, 0),
        (21_500, 1),
        (30_000, 0),
    ]


def test_a_crowd_of_events_leaves_the_interruption_its_label() -> None:
    row = Row(0, 20_000, left=0, width=1000)
    crowd = [(Label(1000 + n, "fault", "x"), 100.0) for n in range(30)]
    marks = marks_of(row, [*crowd, (Label(1030, INTERRUPTED, "1"), 100.0)])
    assert len(marks) == 31
    assert sum(mark.level is None for mark in marks) == 30 - MOST_LEVELS
    assert marks[-1].level == MOST_LEVELS


def test_what_waits_is_drawn_at_its_height_until_it_is_flushed() -> None:
    call = Call().reply(1000, 1).arrives(1000, 1, 4000).arrives(2010, 1, 4000)
    call.plays(1000, 1, 2000).flush(3000, 1)
    record = call.record()
    assert waiting_ceiling_ms(record) == 7000
    levels = waiting_levels(record, Row(0, 4000, 0, 8), columns=8)
    assert levels.round(2).tolist() == [0, 0, 0.57, 0.5, 1.0, 0.93, 0, 0]
    assert waiting_ceiling_ms(Call().record()) == 0


def test_labels_say_who_how_fast_and_how_stale() -> None:
    record = example().record()
    labels = labels_of(record, measure(record))
    assert [label.text for label in labels] == [
        "1 · local speech · 230 ms",
        "2 · server · 840 ms · 140 ms stale",
        "3 · stop · 50 ms",
    ]
    assert label_of(4, interruption(5)) == "4 · server"


def test_stretches_of_silence_owed_and_of_reaction() -> None:
    measures = measure(example().record())
    assert must_be_silent(measures) == (
        Segment(2180, 4000),
        Segment(5050, 7000),
        Segment(8010, 9000),
    )
    assert reactions(measures) == (Segment(2000, 2230), Segment(4800, 5640), Segment(8000, 8050))


def test_the_envelope_follows_the_loudest_sample_and_is_zero_outside() -> None:
    record = (
        Call(duration_ms=2000, start_ms=1000).bot(1500, 2000).bot(2000, 2500, peak=800).record()
    )
    heights = envelope(record, Row(0, 4000, 0, 8), "bot", columns=8)
    assert heights.shape == (8,)
    assert heights[3] == 1.0
    assert 0 < heights[4] < 0.5
    assert not np.delete(heights, [3, 4]).any()
    assert not envelope(record, Row(0, 4000, 0, 8), "user", columns=8).any()


@pytest.mark.parametrize(
    ("t_ms", "decimals", "expected"),
    [(0, 0, "0:00"), (65_300, 0, "1:05"), (65_347, 2, "1:05.34"), (-1500, 1, "-0:01.5")],
)
def test_clock(t_ms: int, decimals: int, expected: str) -> None:
    assert clock(t_ms, decimals) == expected
