"""``pipeline-live``: the command line. Heavy imports happen inside the commands."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from pipeline_live import __version__
from pipeline_live.errors import ConfigError, PipelineLiveError

_COMMANDS = {
    "bench": ("pipeline_live.bench.command", "measure barge-ins beside Pipecat's own service"),
    "create": ("pipeline_live.config.create", "print a bot's YAML file, or make a project of it"),
    "demo": ("pipeline_live.demo.command", "hold a spoken conversation with barge-ins; no key"),
    "eject": ("pipeline_live.builder.eject", "print a bot's YAML file as Python"),
    "emulate": ("pipeline_live.emulator.command", "serve the Gemini Live protocol on loopback"),
    "lint": ("pipeline_live.config.lint", "say what is wrong with a bot's YAML file"),
    "list": ("pipeline_live.config.list", "list what a bot's YAML file can say"),
    "record": ("pipeline_live.record.command", "write down a session with the real service"),
    "run": ("pipeline_live.builder.run", "let a bot's YAML file talk"),
    "show": ("pipeline_live.report.command", "draw a call from its timeline, and its sound"),
    "talk": ("pipeline_live.talk.command", "talk by microphone and loudspeaker; no key needed"),
    "test": ("pipeline_live.trial.command", "hold the conversations that a bot's file describes"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; the process's own when not given.

    Returns:
        0 when it worked, 1 when a bot's file has findings, 2 for other bad input, 130 after Ctrl-C,
        141 when nobody reads any more.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="pipeline-live",
        description="The barge-in layer for Gemini Live voice bots on Pipecat.",
    )
    parser.add_argument("--version", action="version", version=f"pipeline-live {__version__}")
    commands = parser.add_subparsers(
        prog="pipeline-live", dest="command", required=True, metavar="COMMAND"
    )
    for name, (module, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == wanted:
            if not module.startswith("pipeline_live.config."):  # these log nothing, and start fast
                _log_errors_only()
            importlib.import_module(module).add_arguments(command)
    options = parser.parse_args(arguments)
    try:
        code = int(importlib.import_module(_COMMANDS[options.command][0]).run(options))
        sys.stdout.flush()
        return code
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    except PipelineLiveError as error:
        print(f"pipeline-live {options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _log_errors_only() -> None:
    """Before anything logs: Pipecat greets at import."""
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level="ERROR", format="{level.name}: {message}")


if __name__ == "__main__":
    sys.exit(main())
