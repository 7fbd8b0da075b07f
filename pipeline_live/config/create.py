"""``pipeline-live create``: a bot's file to begin with, or a whole project around it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline_live.config import spec
from pipeline_live.config.project import write_project
from pipeline_live.config.template import bot_yaml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pipeline-live create`` to ``parser``."""
    parser.add_argument(
        "steps",
        nargs="?",
        metavar="STEPS",
        help="steps of the pipeline with commas between them; the usual ones when left out "
        f"(known: {', '.join(step.name for step in spec.STEPS.components)})",
    )
    parser.add_argument(
        "--full", action="store_true", help="write every option of each step, as a comment"
    )
    parser.add_argument(
        "--transport",
        choices=[transport.name for transport in spec.TRANSPORT.components],
        help="how people talk to it (default: local)",
    )
    parser.add_argument(
        "--project", type=Path, metavar="FOLDER", help="make a project that runs and tests at once"
    )


def run(args: argparse.Namespace) -> int:
    """Print a file, or write a project.

    Raises:
        UsageError: There is no such step, or the folder is in use.
        ConfigError: No bot can be made of these steps.
    """
    if args.project is None:
        sys.stdout.write(bot_yaml(args.steps, transport=args.transport, full=args.full))
        return 0
    for name in write_project(args.project, args.steps, args.transport):
        sys.stdout.write(f"{args.project / name}\n")
    return 0
