"""The measures in words: a table for a terminal, and the same as data for JSON."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from pipeline_live.report.measure import CallMeasures, InterruptionMeasure
from pipeline_live.report.speech import AUDIBLE_DBFS

WIDTH = 100
ELLIPSIS = "…"
NOTHING = "-"
SOURCE_WIDTH = 16
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

HEADER = (
    ("", "what", "at", "to silence", "stale", "heard"),
    ("#", "interrupted", "(s)", "(ms)", "(ms)", "(s)"),
)
WORDS_HEADER = ("heard", "words")

DEFINITIONS = (
    (
        "to silence",
        "from the true onset of the user's speech (or Stop's request) to the last audible sample "
        "of the reply as recorded at the sink (or as told by whoever plays it, where nothing was "
        "recorded there), stale sound included; 0 when the bot was silent already, "
        f'"{NOTHING}" when no onset is known',
    ),
    (
        "stale",
        "sound of the dead reply later than the sink's chunk, device buffer and 10 ms allow and "
        f"before the next reply; must be 0 (audible means {AUDIBLE_DBFS} dBFS or more); "
        f'"{NOTHING}" when nothing was recorded at the sink',
    ),
    ("heard", "how much of the reply was played, as the ledger counts it, and its words"),
)
FOOTNOTE = "\n".join(
    textwrap.fill(f"{term}: {meaning}", WIDTH, subsequent_indent="  ")
    for term, meaning in DEFINITIONS
)


def summary(measures: CallMeasures) -> list[dict[str, Any]]:
    """One dict per interruption, in order, ready for JSON; ``number`` counts from 1."""
    return [{"number": n, **asdict(one)} for n, one in enumerate(measures.interruptions, 1)]


def totals(measures: CallMeasures) -> dict[str, Any]:
    """The call in numbers, ready for JSON; durations in milliseconds, None where unknown."""
    known = _times_to_silence(measures)
    known_stale = all(one.stale_ms is not None for one in measures.interruptions)
    return {
        "duration_ms": measures.whole.duration_ms,
        "user_speech_ms": sum(segment.duration_ms for segment in measures.user),
        "bot_speech_ms": sum(segment.duration_ms for segment in measures.bot),
        "interruptions": len(measures.interruptions),
        "time_to_silence_median_ms": round(median(known)) if known else None,
        "time_to_silence_worst_ms": max(known, default=None),
        "stale_ms": sum(one.stale_ms or 0 for one in measures.interruptions)
        if known_stale
        else None,
    }


def stages(measures: CallMeasures) -> list[dict[str, Any]]:
    """What took how long, ready for JSON; all in milliseconds."""
    return [
        {
            "stage": stage.name,
            "count": len(stage.times_ms),
            "median_ms": stage.median_ms,
            "worst_ms": stage.worst_ms,
            "times_ms": list(stage.times_ms),
        }
        for stage in measures.stages
    ]


def stages_table(measures: CallMeasures) -> str:
    """The stages for a terminal, no final newline; empty when nothing took any time."""
    if not measures.stages:
        return ""
    rows = [("stage", "count", "median (ms)", "worst (ms)")]
    rows += [
        (stage.name, str(len(stage.times_ms)), str(stage.median_ms), str(stage.worst_ms))
        for stage in measures.stages
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def headline(measures: CallMeasures) -> str:
    """The totals as one line, for the picture's and the page's head."""
    numbers = totals(measures)
    count = numbers["interruptions"]
    parts = [
        f"{numbers['duration_ms'] / 1000:.1f} s",
        f"user spoke {numbers['user_speech_ms'] / 1000:.1f} s",
        f"bot was heard {numbers['bot_speech_ms'] / 1000:.1f} s",
        f"{count} interruption{'' if count == 1 else 's'}",
    ]
    if numbers["time_to_silence_median_ms"] is not None:
        middle, worst = numbers["time_to_silence_median_ms"], numbers["time_to_silence_worst_ms"]
        parts.append(f"time to silence {middle} ms median, {worst} ms worst")
    if numbers["stale_ms"] is not None and count:
        parts.append(f"stale {numbers['stale_ms']} ms")
    if not measures.measured:
        parts.append("told by the timeline, not measured at the sink")
    return " · ".join(parts)


def _times_to_silence(measures: CallMeasures) -> list[int]:
    times = (one.time_to_silence_ms for one in measures.interruptions)
    return [time for time in times if time is not None]


def table(measures: CallMeasures) -> str:
    """The printed table with its definitions, at most `WIDTH` columns wide, no final newline."""
    rows = [cells(n, one) for n, one in enumerate(measures.interruptions, 1)]
    if not rows:
        return "no interruption in this call"
    lines = [*HEADER, *rows]
    widths = [max(map(display_width, column)) for column in zip(*lines, strict=True)]
    room = WIDTH - sum(widths) - 2 * len(widths)
    words = [*WORDS_HEADER, *(shorten(one.heard_text, room) for one in measures.interruptions)]
    body = [_aligned(line, widths, text) for line, text in zip(lines, words, strict=True)]
    rule = "-" * max(map(display_width, body))
    head = len(HEADER)
    return "\n".join([*body[:head], rule, *body[head:], "", FOOTNOTE])


def cells(number: int, one: InterruptionMeasure) -> tuple[str, ...]:
    """The table's cells of one interruption, in the order of `HEADER`."""
    quiet = one.time_to_silence_ms
    return (
        str(number),
        source_label(one),
        f"{one.at_ms / 1000:.2f}",
        NOTHING if quiet is None else str(quiet),
        NOTHING if one.stale_ms is None else str(one.stale_ms),
        f"{one.heard_ms / 1000:.2f}",
    )


def source_label(one: InterruptionMeasure) -> str:
    """Who confirmed an interruption, for people."""
    return shorten(one.source.replace("_", " "), SOURCE_WIDTH)


def _aligned(row: Sequence[str], widths: Sequence[int], words: str) -> str:
    """One line: the second column is text and leans left, numbers lean right."""
    padded = [
        cell + " " * (width - display_width(cell))
        if column == 1
        else " " * (width - display_width(cell)) + cell
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join([*padded, words]).rstrip()


def shorten(text: str, width: int) -> str:
    """``text`` on one line, its middle replaced by an ellipsis where it needs more than ``width``.

    How a heard text ends says where the user cut in, and how it begins which reply it was; so the
    middle goes.
    """
    text = " ".join(printable(text).split())
    if display_width(text) <= width:
        return text
    room = max(width - 1, 0)
    head = _fitting(text, (room + 1) // 2).rstrip()
    tail = _fitting(text[::-1], room - display_width(head))[::-1].lstrip()
    return (head + ELLIPSIS + tail)[: max(width, 0)]


def printable(text: str) -> str:
    """``text`` without what could drive a terminal, hide, or not be encoded."""
    return "".join(c if c.isprintable() else _stand_in(c) for c in text)


def _stand_in(character: str) -> str:
    match unicodedata.category(character):
        case "Cf":  # invisible formats, among them those that turn a line's direction
            return ""
        case "Cc" | "Zs" | "Zl" | "Zp":  # controls, line breaks and odd spaces
            return " "
        case _:  # unassigned, private, lone surrogates
            return REPLACEMENT


def _fitting(text: str, width: int) -> str:
    """The longest beginning of ``text`` that takes at most ``width`` columns."""
    used = 0
    for index, character in enumerate(text):
        used += display_width(character)
        if used > width:
            return text[:index]
    return text


def display_width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining ones none."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
