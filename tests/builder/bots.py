"""Bots out of text, for tests: checked, built, and the setup that their model would get."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "processors"))

from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner
from pipelines import Lines
from virtual_time import run_virtual

from pipeline_live.builder import Built, Engine, build
from pipeline_live.config import Bot
from pipeline_live.config.check import check_text
from pipeline_live.config.findings import Report
from pipeline_live.processors import FileTransport

ENGINE = Engine("nobody", "no-key")


def bot_of(text: str, folder: Path, **environment: str) -> Bot:
    """A checked bot; ``instruction`` need not stand in the text."""
    if "instruction:" not in text:
        text = f"instruction: Be kind.\n{text}"
    path = folder / "bot.yaml"
    report = Report(str(path))
    values = check_text(text, report, folder, environment)
    report.raise_if_any()
    assert values is not None
    return Bot(path, values)


class Nowhere:
    """A transport for bots that never run."""

    def input(self) -> FrameProcessor:
        return IdentityFilter(name="input")

    def output(self) -> FrameProcessor:
        return IdentityFilter(name="output")


def built(bot: Bot, **options: Any) -> Built:
    """A built bot that never runs; a loop is there while it is made, as always."""

    async def make() -> Built:
        return build(bot, ENGINE, Nowhere(), **options)

    return run_virtual(make())


def setup_of(bot: Bot) -> dict[str, Any]:
    """What the model is told when the bot connects."""

    async def connect() -> dict[str, Any]:
        lines = Lines()
        made = build(
            bot,
            ENGINE,
            FileTransport(output=bot.folder / "out.wav"),
            cancel_on_idle_timeout=False,
        )
        made.service._client._client.aio._live = lines
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(made.worker)
        task = asyncio.create_task(runner.run())
        await made.open()
        async with asyncio.timeout(20):
            while not lines.configs:
                await asyncio.sleep(0.05)
        await made.worker.cancel()
        await task
        return lines.configs[-1].model_dump(exclude_none=True, mode="json")

    return run_virtual(connect())
