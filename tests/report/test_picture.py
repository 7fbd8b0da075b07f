"""The picture shows what was measured, where it was."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from pipeline_live.report.layout import rows_of
from pipeline_live.report.measure import measure
from pipeline_live.report.picture import (
    ANSWER,
    BOT,
    BOT_BAR,
    CUT,
    DROPPED,
    FAULT,
    HELD,
    LANE_LEFT,
    LANE_WIDTH,
    LEGEND_HEIGHT,
    NEWS,
    REACTION,
    STAGE_HEAD,
    STAGE_LINE,
    STALE,
    STALE_BAR,
    USER,
    USER_BAR,
    WAITING,
    WIDTH,
    picture,
)

from .calls import Call, eventful, example


def drawn(call: Call, title: str = "A call") -> Image.Image:
    record = call.record()
    return picture(record, measure(record), title)


def columns_of(call: Call, colour: str) -> list[int]:
    """Columns in which a colour occurs, above the legend, which is drawn in all colours."""
    image, stages = drawn(call), len(measure(call.record()).stages)
    below = LEGEND_HEIGHT + (STAGE_HEAD + STAGE_LINE * stages + 16 if stages else 1)
    lanes = np.asarray(image)[: image.height - below]
    same = (lanes == ImageColor.getrgb(colour)).all(axis=2)
    return [int(x) for x in np.flatnonzero(same.any(axis=0))]


def test_sounds_are_drawn_at_their_time() -> None:
    call = example()
    image = drawn(call)
    (row,) = rows_of(measure(call.record()).whole, LANE_LEFT, LANE_WIDTH)
    assert (image.width, image.mode) == (WIDTH, "RGB")
    for colour, start_ms, end_ms in [
        (USER, 2000, 5600),
        (BOT, 500, 11_000),
        (STALE, 5500, 5640),
        (CUT, 2180, None),
        (REACTION, 2000, 8050),
    ]:
        columns = columns_of(call, colour)
        assert abs(columns[0] - row.x(start_ms)) <= 8, colour
        if end_ms is not None:
            assert abs(columns[-1] - row.x(end_ms)) <= 8, colour


def test_a_clean_call_shows_no_stale_sound() -> None:
    call = Call().reply(100, 1).bot(100, 1000).interrupted(1000)
    assert columns_of(call, STALE) == columns_of(call, STALE_BAR) == []


def test_holds_waits_faults_and_sound_on_its_way_are_drawn_at_their_time() -> None:
    call = eventful()
    (row,) = rows_of(measure(call.record()).whole, LANE_LEFT, LANE_WIDTH)
    for colour, start_ms, end_ms in [
        (HELD, 3000, 3240),
        (ANSWER, 1500, 2000),
        (WAITING, 2000, 5000),
        (DROPPED, 5100, 5100),
        (FAULT, 6000, None),
        (NEWS, 6500, None),
    ]:
        columns = columns_of(call, colour)
        assert abs(columns[0] - row.x(start_ms)) <= 8, colour
        if end_ms is not None:
            assert abs(columns[-1] - row.x(end_ms)) <= 8, colour


def test_a_call_without_sound_is_drawn_as_bars() -> None:
    record = eventful().silent_record()
    image = np.asarray(picture(record, measure(record), "A call"))
    for colour in (USER_BAR, BOT_BAR, WAITING, HELD, FAULT):
        assert (image == ImageColor.getrgb(colour)).all(axis=2).any(), colour


def test_a_long_call_is_wrapped() -> None:
    one_row = drawn(Call(duration_ms=40_000))
    three_rows = drawn(Call(duration_ms=41_000))
    assert three_rows.width == one_row.width
    assert three_rows.height > 2 * one_row.height - 160


def test_crowded_labels_get_lines_of_their_own() -> None:
    crowd = Call()
    for number in range(5):
        crowd.interrupted(5000 + 10 * number, number, source="server")
    assert drawn(crowd).height == drawn(Call()).height + 4 * 26


@pytest.mark.parametrize("title", ["", "x" * 500, "two\nlines", "日本語 \ud800"])
def test_any_title_and_source_can_be_drawn(title: str) -> None:
    assert drawn(Call(duration_ms=50).interrupted(10, source=title), title).width == WIDTH
