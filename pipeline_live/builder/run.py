"""``pipeline-live run``: a bot talks, with Gemini when there is a key, else with an emulator."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from pipeline_live.config import Bot, load
from pipeline_live.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pipeline-live run`` to ``parser``."""
    parser.add_argument("file", type=Path, help="the bot's YAML file")


def run(args: argparse.Namespace) -> int:
    """Run the bot over its transport until it ends or Ctrl-C.

    Raises:
        ConfigError: The file has findings.
        PipelineLiveError: Bad input, or no connection.
    """
    bot = load(args.file)
    transport = bot["transport"].name
    _show_warnings()
    if transport in ("browser", "telephony"):
        return _serve(bot)
    from pipeline_live.builder.building import build
    from pipeline_live.builder.engine import engine_for
    from pipeline_live.builder.running import run_here

    end_after_ms = bot["transport"].options["end_after_ms"] if transport == "files" else None

    async def talk() -> None:
        built = build(bot, engine, cancel_on_idle_timeout=False)
        await run_here(built, end_after_ms)

    with engine_for(bot) as engine:
        _say(bot, f"talks to {engine.name}; Ctrl-C ends it")
        asyncio.run(talk())
    if transport == "files":
        _say(bot, f"left {bot.folder / bot['transport'].options['output']}")
    return 0


def _show_warnings() -> None:
    """What a person should know, a microphone that vanished for example, without Pipecat's chatter.

    The command line shows errors already.
    """
    from loguru import logger

    logger.add(
        sys.stderr,
        format="{message}",
        filter=lambda record: (
            record["level"].name == "WARNING" and str(record["name"]).startswith("pipeline_live.")
        ),
    )


def _serve(bot: Bot) -> int:
    """Serve browsers or phone calls by Pipecat's runner."""
    try:
        from pipecat.runner import run as runner
    except ImportError:
        raise UsageError(
            f"transport {bot['transport'].name} needs more packages; install "
            f"pipecat-pipeline-live[{'web' if bot['transport'].name == 'browser' else 'telephony'}]"
        ) from None
    from pipeline_live.builder.engine import engine_for
    from pipeline_live.builder.running import as_main_bot

    asyncio.run(_try_to_listen(bot))
    # The runner reads a .env file of its own; what the shell says still comes first.
    environment = dict(os.environ)
    with engine_for(bot) as engine, as_main_bot(bot, engine):
        _say(bot, f"talks to {engine.name}; Ctrl-C ends it")
        before, sys.argv = sys.argv, [sys.argv[0], *runner_command(bot)]
        os.environ.update(environment)
        try:
            runner.main()
        finally:
            sys.argv = before
    return 0


async def _try_to_listen(bot: Bot) -> None:
    """Open and close the server's port: the runner would say in many lines that it cannot."""
    options = bot["transport"].options
    host, port = str(options["host"]), int(options["port"])
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    except OSError as error:
        raise UsageError(
            f"{host}:{port}: nobody can be served there ({error.strerror or error}); "
            f"choose another host or port in {bot.path}, under transport"
        ) from None
    server.close()
    await server.wait_closed()


def runner_command(bot: Bot) -> list[str]:
    """Arguments of Pipecat's runner for a bot that is served."""
    options = bot["transport"].options
    command = ["--host", str(options["host"]), "--port", str(int(options["port"]))]
    if bot["transport"].name == "browser":
        return [*command, "-t", "webrtc"]
    command += ["-t", options["provider"]]
    if options["public_host"] is not None:
        command += ["-x", str(options["public_host"])]
    return command


def _say(bot: Bot, what: str) -> None:
    sys.stdout.write(f"{bot['name']} {what}\n")
    sys.stdout.flush()
