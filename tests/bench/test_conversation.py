"""A bot that fails in mid-call is one clear error, whoever waits for it."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from virtual_time import run_virtual

from pipeline_live.bench import conversation, smooth
from pipeline_live.bench.bots import Bot
from pipeline_live.bench.scenarios import Side
from pipeline_live.errors import PipelineLiveError

from .calls_made import trial


class Microphone:
    """What is said into it breaks the bot."""

    bot: Bot

    async def say(self, pcm: bytes) -> None:
        await asyncio.sleep(0.01)
        self.bot.failure = "the line is dead"


@contextlib.asynccontextmanager
async def a_bot(*_: object):
    async def queue_frame(_: object) -> None: ...

    worker = SimpleNamespace(add_event_handler=lambda *_: None, queue_frame=queue_frame)
    sink = SimpleNamespace(bench_call=None, first_sound_s=0.5, last_sound_s=0.0)
    microphone = Microphone()
    microphone.bot = Bot(worker, microphone, sink)
    yield microphone.bot


class Nobody(contextlib.nullcontext):
    """In the emulator's place."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


def test_a_bot_that_fails_before_it_answers(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(conversation, "Emulator", Nobody)
    monkeypatch.setattr(conversation, "synthesize", lambda *_: None)
    monkeypatch.setattr(conversation, "answering", a_bot)
    with pytest.raises(PipelineLiveError, match="^the line is dead$"):
        run_virtual(conversation.hold(trial("answer"), [Side.OURS], tmp_path))


def test_what_goes_wrong_while_many_bots_speak(monkeypatch):
    monkeypatch.setattr(smooth, "running", a_bot)
    monkeypatch.setattr(smooth, "steps_of", lambda *_: [])
    monkeypatch.setattr(smooth, "options_for", lambda *_: None)

    async def listen() -> None:
        served = SimpleNamespace(base_url="", ca_file="")
        async with smooth._speaking(Side.OURS, 2, served):
            await asyncio.sleep(1)
            raise PipelineLiveError("too little was said")

    with pytest.raises(PipelineLiveError, match="^too little was said$"):
        run_virtual(listen())
