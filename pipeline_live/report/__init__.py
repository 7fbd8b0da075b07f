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
) -> Report:
    """Measure a call and write its report beside it.

    Args:
        folder: Where the report goes, and where the page looks for ``call.wav``.
        source: The call; by default ``call.wav`` and ``timeline.jsonl`` in ``folder``.
        title: Headline of the picture and the page.

    Raises:
        UsageError: The call cannot be read or the folder cannot be written; the text says what to
            do.
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
        picture(source, measures, title).save(report.picture)
        report.page.write_text(page(source, measures, title, sound), encoding="utf-8")
        report.summary.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder}: the report cannot be written ({error.strerror or error}); "
            "give an existing folder that you may write to"
        ) from None
    return report
