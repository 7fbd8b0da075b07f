"""Holds the call that docs/concepts.md shows, and draws it: ``python docs/barge_in.py [FOLDER]``.

A made voice says something short over a story, then interrupts it for good; the emulator tells the
story, a real Pipecat pipeline with the local floor is in between. Takes a quarter of a minute.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from loguru import logger
from pipecat.frames.frames import EndFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.workers.runner import WorkerRunner

from pipeline_live import FileSink, GeminiLiveService, MicSource, Playback, local_turns
from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, ms_to_samples, resample, silence
from pipeline_live.emulator import Emulator, Script, synthesize
from pipeline_live.report import SOUND_NAME, Report, write_report
from pipeline_live.session import Timeline

STORY = (
    "Once upon a time there was a harbour, and in it lay an old ship that nobody owned. Every "
    "evening the lighthouse keeper rowed out to it, lit a lamp in its window and rowed back home. "
)
ANSWER = "Of course. The ferry leaves at eight."
SHORT_MS = 170


def voice(words: str) -> bytes:
    """The user's voice: mono s16le at 16 kHz."""
    return resample(synthesize(words, "low").pcm, OUTPUT_RATE, INPUT_RATE)


def short_sound() -> bytes:
    """The beginning of a word, too short to be one."""
    return voice("Oh!")[: 2 * ms_to_samples(SHORT_MS, INPUT_RATE)] + silence(500, INPUT_RATE)


async def hold(folder: Path, emulator: Emulator) -> None:
    """Hold the call; leaves its timeline and its sound in ``folder``."""
    short, words = short_sound(), voice("Sorry, when does the ferry leave?") + silence(2500, 16_000)
    microphone = MicSource()
    service = GeminiLiveService(
        api_key="any",
        http_options=emulator.http_options(),
        floor="local",
        timeline=Timeline.in_folder(folder, words=True),
    )
    context = LLMContext([{"role": "user", "content": "Tell me a story."}])
    pair = LLMContextAggregatorPair(context, user_params=local_turns())
    sink = FileSink(folder / SOUND_NAME)
    worker = PipelineWorker(
        Pipeline([microphone, pair.user(), service, Playback(), sink, pair.assistant()])
    )
    call = service.call

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - a script may look again and again
                await asyncio.sleep(0.02)

    async def person() -> None:
        await worker.queue_frame(LLMRunFrame())
        await until(lambda: call.machine.reply is not None and call.heard_ms() > 2600)
        await microphone.say(short)
        await until(lambda: call.heard_ms() > 4000)
        story = call.machine.reply
        await microphone.say(words)
        await until(lambda: call.machine.reply is not story and not call.ledger.waiting())

    async def play() -> None:
        try:
            await person()
        finally:
            await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    for outcome in await asyncio.gather(runner.run(), play(), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def draw(folder: Path) -> Report:
    """Draw the seconds around both."""
    at_ms = write_report(folder).measures.interruptions[0].at_ms
    return write_report(
        folder,
        title="Something short, then a real interruption (local floor, emulator)",
        from_s=at_ms // 1000 - 3,
        to_s=at_ms // 1000 + 5,
    )


if __name__ == "__main__":
    logger.remove()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "barge-in")
    with Emulator(Script([STORY, ANSWER])) as emulator:
        asyncio.run(hold(folder, emulator))
    report = draw(folder)
    print(report.table, f"the drawing: {report.picture}", sep="\n\n")
    stages = {stage.name for stage in report.measures.stages}
    if not {"held for nothing", "speech to hold", "speech to silence"} <= stages:
        sys.exit(f"the call did not go as it should: {sorted(stages)}")
