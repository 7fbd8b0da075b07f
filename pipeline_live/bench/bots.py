"""The two bots: ours and Pipecat's own, each in a pipeline with the same ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import numpy as np
from google.genai.types import HttpOptions
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService, GeminiVADParams
from pipecat.workers.runner import WorkerRunner

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, to_array
from pipeline_live.bench.judge import INTERRUPTION_SEEN
from pipeline_live.bench.scenarios import BOT_VOICE, Scenario, Side
from pipeline_live.emulator import Emulator
from pipeline_live.errors import PipelineLiveError
from pipeline_live.processors import (
    FileSink,
    GeminiLiveService,
    MicSource,
    Playback,
    local_turns,
    server_turns,
)
from pipeline_live.processors.tags import call_of, tag_call
from pipeline_live.report import SOUND_NAME, TIMELINE_NAME
from pipeline_live.report.speech import AUDIBLE
from pipeline_live.session import Call, Timeline
from pipeline_live.session.connection import options_for

ANSWER_WITHIN_MS = 15_000
_MODEL = "gemini-3.8-live"
_OPENING = "Tell me something about the harbour."


class Loudspeaker(FileSink):
    """A ``FileSink`` that also notes interruptions, and since when and until when it sounds.

    Passes through, adds, and on interruption: as ``FileSink``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.bench_call: Call | None = None
        self.first_sound_s: float | None = None
        self.last_sound_s = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Begin the recording."""
        self.bench_call = call_of(frame)
        await super().start(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note an interruption before it is acted on."""
        down = direction is FrameDirection.DOWNSTREAM
        if isinstance(frame, InterruptionFrame) and down and self.bench_call is not None:
            self.bench_call.timeline.note(INTERRUPTION_SEEN, self.bench_call.now_ms())
        await super().process_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Note that it sounds."""
        sound = to_array(frame.audio)
        if np.any((sound >= AUDIBLE) | (sound <= -AUDIBLE)):
            self.last_sound_s = asyncio.get_running_loop().time()
            if self.first_sound_s is None:
                self.first_sound_s = self.last_sound_s
        return await super().write_audio_frame(frame)


class CallTag(FrameProcessor):
    """Gives a pipeline without our service a timeline on the sink's time axis.

    Passes through: every frame, at once and in order. Adds: nothing. On interruption: nothing.
    """

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(enable_direct_mode=True)
        self.bench_call = Call(timeline=timeline)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Mark the start."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            tag_call(frame, self.bench_call)
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Close the timeline."""
        await super().cleanup()
        self.bench_call.timeline.close()


class Sink(Protocol):
    """What the person hears; moments are the loop's time."""

    bench_call: Call | None
    first_sound_s: float | None
    last_sound_s: float


class Bot:
    """A running pipeline, seen by the person who talks to it."""

    def __init__(self, worker: PipelineWorker, microphone: MicSource, sink: Sink) -> None:
        self.worker = worker
        self.microphone = microphone
        self.sink = sink
        self.failure: str | None = None

        async def on_error(_: object, frame: ErrorFrame) -> None:
            self.failure = self.failure or frame.error

        worker.add_event_handler("on_pipeline_error", on_error)

    def note(self, name: str) -> None:
        """Write a moment into the timeline."""
        call = self.sink.bench_call
        if call is not None:
            call.timeline.note(name, call.now_ms())

    async def begins(self) -> float:
        """Wait for the first audible sound; return the loop's time of it.

        Raises:
            PipelineLiveError: It does not come.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_MS / 1000):
                while self.sink.first_sound_s is None:
                    self.check()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise PipelineLiveError(
                f"the bot said nothing for {ANSWER_WITHIN_MS // 1000} s; is the machine overloaded?"
            ) from None
        return self.sink.first_sound_s

    def check(self) -> None:
        """Raise what the pipeline reported.

        Raises:
            PipelineLiveError: It reported an error.
        """
        if self.failure is not None:
            raise PipelineLiveError(self.failure)


@contextlib.asynccontextmanager
async def answering(
    side: Side, scenario: Scenario, emulator: Emulator, folder: Path
) -> AsyncIterator[Bot]:
    """Start one side's bot, which begins its reply by itself; end it with the block.

    Args:
        side: Whose.
        scenario: Who decides turns.
        emulator: A serving emulator for this bot alone.
        folder: Where its recording and timeline go.
    """
    microphone, sink = MicSource(), Loudspeaker(folder / SOUND_NAME)
    timeline = Timeline(folder / TIMELINE_NAME)
    options = options_for(emulator.base_url, emulator.ca_file)
    async with running(
        steps_of(side, scenario, options, microphone, sink, timeline), microphone, sink
    ) as bot:
        await bot.worker.queue_frame(LLMRunFrame())
        yield bot


@contextlib.asynccontextmanager
async def running(
    steps: list[FrameProcessor], microphone: MicSource, sink: Sink
) -> AsyncIterator[Bot]:
    """Run a pipeline until the block ends."""
    worker = PipelineWorker(
        Pipeline(steps),
        params=PipelineParams(audio_in_sample_rate=INPUT_RATE, audio_out_sample_rate=OUTPUT_RATE),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    task = asyncio.create_task(runner.run())
    try:
        yield Bot(worker, microphone, sink)
    finally:
        await worker.cancel()
        await task


def steps_of(
    side: Side,
    scenario: Scenario,
    options: HttpOptions,
    microphone: MicSource,
    sink: FrameProcessor,
    timeline: Timeline,
) -> list[FrameProcessor]:
    """The pipeline of one side's bot."""
    build = _ours if side is Side.OURS else _stock
    return build(scenario, options, microphone, sink, timeline)


def _context() -> LLMContext:
    return LLMContext([{"role": "user", "content": _OPENING}])


def _ours(
    scenario: Scenario,
    options: HttpOptions,
    microphone: MicSource,
    sink: FrameProcessor,
    timeline: Timeline,
) -> list[FrameProcessor]:
    """As our README says."""
    service = GeminiLiveService(
        api_key="emulator",
        http_options=options,
        settings=GeminiLiveService.Settings(model=_MODEL, voice=BOT_VOICE),
        floor="local" if scenario.local_floor else "server",
        timeline=timeline,
    )
    turns = local_turns() if scenario.local_floor else server_turns()
    pair = LLMContextAggregatorPair(_context(), user_params=turns)
    return [microphone, pair.user(), service, Playback(), sink, pair.assistant()]


def _stock(
    scenario: Scenario,
    options: HttpOptions,
    microphone: MicSource,
    sink: FrameProcessor,
    timeline: Timeline,
) -> list[FrameProcessor]:
    """As Pipecat's examples for Gemini Live do it, with server VAD and with local VAD."""
    settings = GeminiLiveLLMService.Settings(model=_MODEL, voice=BOT_VOICE)
    user_params = None
    if scenario.local_floor:
        settings.vad = GeminiVADParams(disabled=True)
        user_params = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    service = GeminiLiveLLMService(api_key="emulator", http_options=options, settings=settings)
    pair = LLMContextAggregatorPair(_context(), user_params=user_params)
    tag = CallTag(timeline)
    return [tag, microphone, pair.user(), service, sink, pair.assistant()]
