"""``pipeline-live show``: a timeline in, a picture and a page out."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from pipeline_live.errors import UsageError
from pipeline_live.report import (
    SOUND_NAME,
    TIMELINE_NAME,
    CallFiles,
    Report,
    stages_table,
    write_report,
)

EMPTY_WAV_BYTES = 44
"""A recording of nothing, as a call leaves it in which nobody made a sound."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pipeline-live show`` to ``parser``."""
    parser.add_argument(
        "timeline",
        type=Path,
        metavar="TIMELINE",
        help="a timeline, the folder of a call, or a folder of such folders (the latest is shown)",
    )
    parser.add_argument(
        "--sound",
        type=Path,
        metavar="FILE.wav",
        help="the call's recording (default: the one beside the timeline, if there is one)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for what it writes (default: the call's)"
    )
    for name, what in (("from", "begins"), ("to", "ends")):
        parser.add_argument(
            f"--{name}",
            type=int,
            dest=f"{name}_s",
            metavar="SECONDS",
            help=f"call time at which the drawing {what} (default: that of the call)",
        )
    parser.add_argument("--title", help="headline (default: the name of the call's folder or file)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> int:
    """Draw the call, print its table, say where things are.

    Raises:
        UsageError: A file that is missing or broken, or a place that cannot be written.
    """
    timeline = _timeline_of(args.timeline)
    sound = args.sound or _sound_beside(timeline)
    folder: Path = args.out or timeline.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another with --out"
        ) from None
    title = args.title or f"Call {_name_of(timeline)}"
    report = write_report(
        folder, CallFiles(sound, timeline), title=title, from_s=args.from_s, to_s=args.to_s
    )
    sys.stdout.write(_said(timeline, sound, report))
    if args.open and not webbrowser.open(report.page.resolve().as_uri()):
        sys.stdout.write(f"no browser could be started; open {report.page} yourself\n")
    return 0


def _timeline_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    if (path / TIMELINE_NAME).exists():
        return path / TIMELINE_NAME
    found = (file for file in path.glob(f"*/{TIMELINE_NAME}") if file.stat().st_size)
    calls = sorted(found, key=lambda file: file.stat().st_mtime)
    if not calls:
        raise UsageError(
            f"{path}: holds no {TIMELINE_NAME}, nor does a folder in it; give a timeline or the "
            "folder of a call"
        )
    return calls[-1]


def _name_of(timeline: Path) -> str:
    timeline = timeline.resolve()
    return timeline.parent.name if timeline.name == TIMELINE_NAME else timeline.stem


def _sound_beside(timeline: Path) -> Path | None:
    names = [timeline.with_suffix(".wav")]
    if timeline.name == TIMELINE_NAME:
        names.append(timeline.parent / SOUND_NAME)
    return next((n for n in names if n.is_file() and n.stat().st_size > EMPTY_WAV_BYTES), None)


def _said(timeline: Path, sound: Path | None, report: Report) -> str:
    parts = [
        f"{timeline}, " + (f"with {sound}" if sound else "without sound"),
        report.table,
        stages_table(report.measures),
        "\n".join(
            f"{path!s:<40} {what}"
            for path, what in (
                (report.picture, "who spoke when"),
                (report.page, "the same, to listen along" if sound else "the same, as a page"),
                (report.summary, "the numbers"),
            )
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
