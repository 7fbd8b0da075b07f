"""``pipeline-live lint``: say what is wrong with bots' files, all of it, before anything runs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pipeline_live.config import spec
from pipeline_live.config.check import check_text, read_bytes
from pipeline_live.config.findings import Finding, Report

_BOT_FIELDS = [field.name for field in spec.BOT.fields]
TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Mapping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pipeline-live lint`` to ``parser``."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="bots' YAML files, or Markdown files whose YAML fences are bots",
    )
    parser.add_argument(
        "--skip-env",
        action="store_true",
        help="take every ${VARIABLE} as set, for a machine that has none of them",
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing when all is well")


def run(args: argparse.Namespace) -> int:
    """Check every file; print the findings.

    Returns:
        0 when there are none, 1 otherwise.

    Raises:
        UsageError: A file cannot be read.
    """
    environment = None if args.skip_env else os.environ
    findings: list[Finding] = []
    bots = 0
    for name in args.files:
        reports = _check(name, environment)
        bots += len(reports)
        for report in reports:
            findings += report.findings
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    if not findings and not args.quiet:
        sys.stdout.write(f"{bots} {'bot' if bots == 1 else 'bots'} checked, nothing found\n")
    return 1 if findings else 0


def _check(name: str, environment: Mapping[str, str] | None) -> list[Report]:
    content = read_bytes(name)
    folder = Path(name).parent
    if not name.lower().endswith((".md", ".markdown")):
        report = Report(name)
        check_text(content, report, folder, environment)
        return [report]
    from pipeline_live.config import markdown  # few files are

    reports = []
    for fence in markdown.fences(content.decode("utf-8", "replace")):
        if not markdown.may_be_a_bot(fence.text, _BOT_FIELDS):
            continue
        report = Report(name, fence.first_line, fence.indent)
        check_text(fence.text, report, folder, environment)
        reports.append(report)
    return reports
