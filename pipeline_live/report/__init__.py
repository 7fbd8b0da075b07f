"""What a call looked like: a table, a picture, a page to listen with, and numbers.

::

    report = write_report("recordings/monday")   # a folder with call.wav and timeline.jsonl
    print(report.table)

The folder then also holds ``picture.png``, ``index.html`` and ``summary.json``.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline_live.errors import UsageError
from pipeline_live.report.measure import CallMeasures, InterruptionMeasure, measure
from pipeline_live.report.page import page
from pipeline_live.report.picture import picture
from pipeline_live.report.reading import CallRecord, read_call
from pipeline_live.report.story import Segment
from pipeline_live.report.table import stages, stages_table, summary, table, totals

__all__ = [
    "SOUND_NAME",
    "TIMELINE_NAME",
    "CallFiles",
    "CallMeasures",
    "CallRecord",
    "InterruptionMeasure",
    "Report",
    "Segment",
    "measure",
    "read_call",
    "stages_table",
    "summary",
    "table",
    "write_report",
]

SOUND_NAME = "call.wav"
TIMELINE_NAME = "timeline.jsonl"


@dataclass(frozen=True, slots=True)
class CallFiles:
    """Where a call lies when not under the usual names in the report's folder.

    Attributes:
        wav: The recording; None when there is none.
        timeline: The timeline.
    """

    wav: Path | None
    timeline: Path


@dataclass(frozen=True, slots=True)
class Report:
    """A written report.

    Attributes:
        measures: What was measured.
        table: The printed table.
        picture: The PNG.
        page: The page that plays the call.
        summary: The numbers as JSON.
    """

    measures: CallMeasures
    table: str
    picture: Path
    page: Path
    summary: Path


def write_report(
    folder: Path | str,
    source: CallRecord | CallFiles | None = None,
    *,
    title: str = "Recorded call",
    from_s: int | None = None,
    to_s: int | None = None,
) -> Report:
    """Measure a call and write its report beside it.

    Args:
        folder: Where the report goes, and where the page looks for ``call.wav``.
        source: The call; by default ``call.wav`` and ``timeline.jsonl`` in ``folder``.
        title: Headline of the picture and the page.
        from_s: Call time in seconds at which the drawing begins; by default the call's beginning.
            The numbers are those of the whole call in any case.
        to_s: Where the drawing ends; by default the call's end.

    Raises:
        UsageError: The call cannot be read, nothing of it lies in the stretch to draw, or the
            folder cannot be written; the text says what to do.
    """
    folder = Path(folder)
    if source is None:
        source = CallFiles(folder / SOUND_NAME, folder / TIMELINE_NAME)
    sound = SOUND_NAME
    if isinstance(source, CallFiles):
        if source.wav is not None:
            sound = Path(os.path.relpath(source.wav, folder)).as_posix()
        source = read_call(source.wav, source.timeline)
    measures = measure(source)
    view = _view(measures.whole, from_s, to_s)
    report = Report(
        measures=measures,
        table=table(measures),
        picture=folder / "picture.png",
        page=folder / "index.html",
        summary=folder / "summary.json",
    )
    numbers = {
        "title": title,
        **totals(measures),
        "stages": stages(measures),
        "details": summary(measures),
    }
    try:
        picture(source, measures, title, view).save(report.picture)
        report.page.write_text(page(source, measures, title, sound, view), encoding="utf-8")
        report.summary.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder}: the report cannot be written ({error.strerror or error}); "
            "give an existing folder that you may write to"
        ) from None
    return report


def _view(whole: Segment, from_s: int | None, to_s: int | None) -> Segment:
    start_ms = whole.start_ms if from_s is None else max(from_s * 1000, whole.start_ms)
    end_ms = whole.end_ms if to_s is None else min(to_s * 1000, whole.end_ms)
    if (from_s is not None or to_s is not None) and start_ms >= end_ms:
        raise UsageError(
            f"nothing of the call lies there: it lasts from {whole.start_ms / 1000:.1f} s to "
            f"{whole.end_ms / 1000:.1f} s; choose other seconds with --from and --to"
        )
    return Segment(start_ms, end_ms)
