"""A PNG of the call: the user above, the bot below, interruptions across both.

Everything is drawn at twice its size and reduced, which smooths edges that Pillow draws jagged.
Each row is an image of its own, so a long call needs memory for one enlarged row, not for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from pipeline_live.report.layout import (
    INTERRUPTED,
    Mark,
    Peaks,
    Row,
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
from pipeline_live.report.story import Kind, Segment
from pipeline_live.report.table import headline, shorten

WIDTH = 1600
SCALE = 2
MARGIN = 32
LANE_LEFT = 96
LANE_WIDTH = WIDTH - LANE_LEFT - MARGIN
LANE_HEIGHT = 76
# Between the lanes there is room for the bar of time to silence.
LANE_GAP = 20
LABEL_LINE = 26
LABEL_HEIGHT = 21
WAITING_HEIGHT = 36
WAITING_GAP = 10
HOLD_HEIGHT = 5
AXIS_HEIGHT = 30
ROW_GAP = 16
HEAD_HEIGHT = 90
LEGEND_HEIGHT = 82
STAGE_HEAD = 36
STAGE_LINE = 26

PAPER = "#ffffff"
INK = "#1e293b"
SOFT_INK = "#64748b"
LANE = "#f5f7fa"
GRID = "#e2e8f0"
USER, USER_BAR = "#1d63c9", "#d5e4fa"
BOT, BOT_BAR = "#0f8a6c", "#cfeee4"
CUT = "#6d28d9"
REACTION = "#e08700"
STALE, STALE_BAR = "#c81e1e", "#fbd0d0"
HATCH = "#c3c9d4"
HELD = "#b7791f"
ANSWER = "#7b8794"
WAITING = "#a9b8cc"
DROPPED = "#c084fc"
FAULT = "#b42318"
ALARM = "#92600a"
NEWS = "#475569"
COLOURS = {INTERRUPTED: CUT, Kind.ALARM: ALARM, Kind.FAULT: FAULT, Kind.NEWS: NEWS}
"""Of labels, by their kind."""

Box = tuple[float, float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size * SCALE)


class Sheet:
    """A white sheet to draw on, in units of the final picture."""

    def __init__(self, height: float) -> None:
        size = (WIDTH * SCALE, round(height * SCALE))
        self._image = Image.new("RGB", size, PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def box(self, box: Box, fill: str, radius: float = 0) -> None:
        """A filled rectangle with round corners, at least a pixel wide."""
        x0, y0, x1, y1 = (value * SCALE for value in box)
        x1 = max(x1, x0 + SCALE)
        radius = min(radius * SCALE, (x1 - x0) / 2)
        self._draw.rounded_rectangle((x0, y0, x1 - 1, y1 - 1), radius, fill)

    def line(self, points: Sequence[tuple[float, float]], fill: str, width: float = 1) -> None:
        """A straight or broken line."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, fill, round(width * SCALE))

    def polygon(self, points: Sequence[tuple[float, float]], fill: str) -> None:
        """A filled shape."""
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill)

    def text(self, x: float, y: float, text: str, fill: str, size: int, anchor: str = "lm") -> None:
        """A line of text; ``anchor`` as in Pillow, by default the left end, middle height."""
        self._draw.text((x * SCALE, y * SCALE), text, fill, _font(size), anchor)

    def hatch(self, box: Box) -> None:
        """Thin diagonal lines inside a rectangle: nothing may sound here."""
        x0, y0, x1, y1 = box
        step, height = 9, y1 - y0
        count = int((x1 - x0 + height) // step) + 1
        # Lines on one fixed grid, so that neighbouring patches fit together.
        first = int((x0 - height) // step)
        for index in range(first, first + count + 1):
            foot = index * step
            a, b = max(foot, x0), min(foot + height, x1)
            if a < b:
                self.line([(a, y1 - (a - foot)), (b, y1 - (b - foot))], HATCH)

    def finished(self) -> Image.Image:
        """The sheet at its final size."""
        return self._image.reduce(SCALE)


def picture(
    record: CallRecord, measures: CallMeasures, title: str, view: Segment | None = None
) -> Image.Image:
    """Draw a measured call.

    Args:
        record: The call, for its waveforms.
        measures: What `measure` says about it.
        title: The headline.
        view: The stretch to draw, in whole seconds; all of the call by default.

    Returns:
        An RGB image, `WIDTH` pixels wide; its height depends on the call's length.
    """
    rows = rows_of(view or measures.whole, LANE_LEFT, LANE_WIDTH)
    parts = [
        _head(measures, title),
        *(_row(record, measures, row) for row in rows),
        _legend(),
        _stages(measures),
    ]
    whole = Image.new("RGB", (WIDTH, sum(part.height for part in parts)), PAPER)
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole


def _head(measures: CallMeasures, title: str) -> Image.Image:
    sheet = Sheet(HEAD_HEIGHT)
    sheet.text(MARGIN, 34, shorten(title, 90), INK, 28)
    sheet.text(MARGIN, 68, headline(measures), SOFT_INK, 17)
    return sheet.finished()


def _row(record: CallRecord, measures: CallMeasures, row: Row) -> Image.Image:
    labels = labels_of(record, measures)
    marks = marks_of(row, [(label, _label_width(label.text)) for label in labels])
    user_top = ROW_GAP + levels_of(marks) * LABEL_LINE
    bot_top = user_top + LANE_HEIGHT + LANE_GAP
    axis_top = bot_top + LANE_HEIGHT
    ceiling_ms = waiting_ceiling_ms(record)
    if ceiling_ms:
        axis_top += WAITING_GAP + WAITING_HEIGHT
    sheet = Sheet(axis_top + AXIS_HEIGHT)
    _lane_background(sheet, measures, row, user_top, "User")
    _lane_background(sheet, measures, row, bot_top, "Bot")
    _axis(sheet, row, user_top, axis_top)
    if ceiling_ms:
        _waiting(sheet, record, row, axis_top, ceiling_ms)
    for segment in row.cut(must_be_silent(measures)):
        sheet.hatch(_bar(row, segment, bot_top))
    for segment in row.cut([answer.span for answer in measures.answers]):
        _answer(sheet, row, segment, bot_top + LANE_HEIGHT / 2)
    _speech(sheet, row, user_top, _peaks(record, row, "user"), measures.user, (USER_BAR, USER))
    bot = _peaks(record, row, "bot")
    _speech(sheet, row, bot_top, bot, measures.bot, (BOT_BAR, BOT))
    _speech(sheet, row, bot_top, bot, measures.stale, (STALE_BAR, STALE))
    _doubts(sheet, record, row, user_top, bot_top)
    for segment in row.cut(reactions(measures)):
        top = user_top + LANE_HEIGHT + LANE_GAP / 2 - 4
        sheet.box((row.x(segment.start_ms), top, row.x(segment.end_ms), top + 8), REACTION)
    for one in measures.interruptions:
        _onset(sheet, row, one, user_top)
    # All lines before all labels: a line to a high label passes behind the lower ones.
    for mark in marks:
        top = user_top if mark.level is None else _label_top(mark.level, user_top) + 4
        sheet.line([(mark.x, top), (mark.x, bot_top + LANE_HEIGHT)], COLOURS[mark.label.kind], 1.5)
    for mark in marks:
        if mark.level is not None:
            _label(sheet, mark, _label_top(mark.level, user_top))
    return sheet.finished()


def _doubts(sheet: Sheet, record: CallRecord, row: Row, user_top: float, bot_top: float) -> None:
    """Holds as brackets around the bot's lane, and where suspected speech was nothing."""
    for segment in row.cut([hold.span for hold in record.story.holds]):
        x0, _, x1, _ = _bar(row, segment, bot_top)
        for top in (bot_top - HOLD_HEIGHT, bot_top + LANE_HEIGHT):
            sheet.box((x0, top, x1, top + HOLD_HEIGHT), HELD)
    for at_ms in record.story.dismissed_ms:
        if row.holds(at_ms):
            x, foot = row.x(at_ms), user_top + LANE_HEIGHT
            sheet.line([(x, foot - 14), (x, foot)], HELD, 2.5)


def _answer(sheet: Sheet, row: Row, segment: Segment, y: float) -> None:
    """A thin line from the end of the user's speech to the answer."""
    x0, x1 = row.x(segment.start_ms), row.x(segment.end_ms)
    sheet.box((x0, y - 1, x1, y + 1), ANSWER)
    sheet.box((x0, y - 6, x0 + 2, y + 6), ANSWER)


def _waiting(sheet: Sheet, record: CallRecord, row: Row, bottom: float, ceiling_ms: int) -> None:
    """How much received sound waits, and what of it was dropped on arrival."""
    top = bottom - WAITING_HEIGHT
    sheet.text(MARGIN, top + 9, "Waiting", SOFT_INK, 14)
    sheet.text(MARGIN, top + 26, f"to {ceiling_ms / 1000:.1f} s", SOFT_INK, 13)
    for column, level in enumerate(waiting_levels(record, row, LANE_WIDTH)):
        if level > 0:
            left = LANE_LEFT + column
            sheet.box((left, bottom - max(1, level * WAITING_HEIGHT), left + 1, bottom), WAITING)
    for arrival in record.story.arrivals:
        if arrival.dropped and row.holds(arrival.at_ms):
            x, height = row.x(arrival.at_ms), arrival.length_ms / ceiling_ms * WAITING_HEIGHT
            sheet.box((x, bottom - max(4, height), x + 1.5, bottom), DROPPED)


def _lane_background(sheet: Sheet, measures: CallMeasures, row: Row, top: float, name: str) -> None:
    for segment in row.cut([measures.whole]):
        sheet.box(_bar(row, segment, top), LANE)
    sheet.text(MARGIN, top + LANE_HEIGHT / 2, name, INK, 18)


def _axis(sheet: Sheet, row: Row, top: float, bottom: float) -> None:
    for tick in row.ticks():
        x = row.x(tick)
        sheet.line([(x, top), (x, bottom + 6)], GRID)
        sheet.text(x, bottom + 18, row.tick_label(tick), SOFT_INK, 14, "mm")


def _bar(row: Row, segment: Segment, top: float) -> Box:
    return (row.x(segment.start_ms), top, row.x(segment.end_ms), top + LANE_HEIGHT)


def _peaks(record: CallRecord, row: Row, channel: str) -> Peaks:
    return envelope(record, row, channel, LANE_WIDTH)


def _speech(
    sheet: Sheet,
    row: Row,
    top: float,
    peaks: Peaks,
    segments: Sequence[Segment],
    colours: tuple[str, str],
) -> None:
    """Bars where there is speech, and in each the waveform's envelope, one line per pixel."""
    bar, wave = colours
    middle, half = top + LANE_HEIGHT / 2, LANE_HEIGHT / 2 - 4
    for segment in row.cut(segments):
        box = _bar(row, segment, top)
        sheet.box(box, bar, radius=4)
        first, last = round(box[0] - LANE_LEFT), round(box[2] - LANE_LEFT)
        for column in range(first, max(last, first + 1)):
            height = half * peaks[min(column, LANE_WIDTH - 1)]
            x = LANE_LEFT + column
            sheet.box((x, middle - height, x + 1, middle + height + 0.5), wave)


def _onset(sheet: Sheet, row: Row, one: InterruptionMeasure, top: float) -> None:
    """A small triangle pointing at the moment from which time to silence counts."""
    if one.reference_ms is None or not row.holds(one.reference_ms):
        return
    x, foot = row.x(one.reference_ms), top + LANE_HEIGHT + LANE_GAP - 2
    sheet.line([(x, top), (x, foot)], REACTION, 1.5)
    sheet.polygon([(x - 6, foot), (x + 6, foot), (x, foot - 14)], REACTION)


def _label_top(level: int, lanes_top: float) -> float:
    return lanes_top - (level + 1) * LABEL_LINE


def _label(sheet: Sheet, mark: Mark, top: float) -> None:
    text, colour = mark.label.text, COLOURS[mark.label.kind]
    sheet.box((mark.label_x, top, mark.label_x + _label_width(text), top + LABEL_HEIGHT), colour, 4)
    sheet.text(mark.label_x + 8, top + LABEL_HEIGHT / 2, text, PAPER, 14)


def _label_width(text: str) -> float:
    return _font(14).getlength(text) / SCALE + 16


def _legend() -> Image.Image:
    entries = (
        (USER, "user speaks"),
        (BOT, "bot is heard"),
        (CUT, "interruption decided"),
        (REACTION, "onset or Stop, and time to silence"),
        (HELD, "held, or suspected and dismissed"),
        (HATCH, "bot must be silent"),
        (STALE, "stale sound"),
        (ANSWER, "the user waits for the answer"),
        (WAITING, "received, not played yet"),
        (DROPPED, "dropped: of a dead reply"),
        (FAULT, "fault"),
    )
    sheet = Sheet(LEGEND_HEIGHT)
    x, y = float(LANE_LEFT), 18
    for colour, text in entries:
        width = 30 + _font(15).getlength(text) / SCALE + 30
        if x + width > WIDTH - MARGIN + 30:
            x, y = float(LANE_LEFT), y + 26
        if colour == HATCH:
            sheet.hatch((x, y, x + 22, y + 14))
        else:
            sheet.box((x, y, x + 22, y + 14), colour, radius=3)
        sheet.text(x + 30, y + 7, text, INK, 15)
        x += width
    return sheet.finished()


def _stages(measures: CallMeasures) -> Image.Image:
    """Each stage on a line: a dot for each time, and the middle and the worst in numbers."""
    longest = max((stage.worst_ms for stage in measures.stages), default=0)
    sheet = Sheet(STAGE_HEAD + STAGE_LINE * len(measures.stages) + 16 if measures.stages else 1)
    if not measures.stages:
        return sheet.finished()
    sheet.text(MARGIN, 16, "How long each stage took", INK, 18)
    left, width = MARGIN + 190, WIDTH - 2 * MARGIN - 190 - 330
    for number, stage in enumerate(measures.stages):
        y = STAGE_HEAD + number * STAGE_LINE + STAGE_LINE / 2
        sheet.text(MARGIN, y, stage.name, INK, 15)
        sheet.box((left, y - 0.5, left + width, y + 0.5), GRID)
        for time_ms in stage.times_ms:
            x = left + width * time_ms / max(longest, 1)
            sheet.box((x - 4, y - 4, x + 4, y + 4), REACTION, radius=4)
        numbers = f"{stage.median_ms} ms median, {stage.worst_ms} ms worst of {len(stage.times_ms)}"
        sheet.text(left + width + 24, y, numbers, SOFT_INK, 15)
    return sheet.finished()
