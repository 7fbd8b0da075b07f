"""Pieces for pipelines in tests: a service over a line that the test holds, and what comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fakes import Line
from google import genai
from google.genai import errors, live
from google.genai.types import LiveConnectConfig
from pipecat.frames.frames import EndFrame, Frame, TTSAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.workers.runner import WorkerRunner

from pipeline_live.processors import GeminiLiveService


class Lines:
    """Stands for ``client.aio.live``: hands out SDK sessions over in-memory lines."""

    def __init__(self, *refusals: Exception) -> None:
        self.configs: list[LiveConnectConfig] = []
        self.opened: list[Line] = []
        self._refusals = list(refusals)

    @property
    def line(self) -> Line:
        return self.opened[-1]

    @asynccontextmanager
    async def connect(
        self, *, model: str, config: LiveConnectConfig
    ) -> AsyncIterator[live.AsyncSession]:
        self.configs.append(config)
        if self._refusals:
            raise self._refusals.pop(0)
        line = Line()
        self.opened.append(line)
        client = genai.Client(api_key="no-key")
        yield live.AsyncSession(api_client=client._api_client, websocket=line)  # type: ignore[arg-type]


def service_over(
    lines: Lines, kind: type[GeminiLiveLLMService] = GeminiLiveService, **options: Any
) -> Any:
    """A service whose own google-genai client connects over ``lines``."""
    service = kind(api_key="no-key", **options)
    client = service._client._client if kind is GeminiLiveService else service._client
    client.aio._live = lines
    return service


class Tap(FrameProcessor):
    """Keeps every frame that passes, and lets a test wait for one.

    The sound of speech is kept as it was when it passed; a frame may be emptied later.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.down: list[Frame] = []
        self.up: list[Frame] = []
        self.sounds: list[bytes] = []
        self._changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        (self.down if direction is FrameDirection.DOWNSTREAM else self.up).append(frame)
        if isinstance(frame, TTSAudioRawFrame):
            self.sounds.append(frame.audio)
        self._changed.set()
        await self.push_frame(frame, direction)

    def of(self, *kinds: type[Frame]) -> list[Frame]:
        return [frame for frame in self.down if isinstance(frame, kinds)]

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def running(
    *processors: FrameProcessor, enable_metrics: bool = False, **params: Any
) -> AsyncIterator[PipelineWorker]:
    """Run a pipeline for the length of a block, then end it."""
    worker = PipelineWorker(
        Pipeline(list(processors)),
        params=PipelineParams(
            audio_in_sample_rate=16_000,
            audio_out_sample_rate=24_000,
            enable_metrics=enable_metrics,
            enable_usage_metrics=enable_metrics,
        ),
        cancel_on_idle_timeout=False,
        **params,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    run = asyncio.create_task(runner.run())
    try:
        yield worker
        await worker.queue_frame(EndFrame())
        await run
    finally:
        if not run.done():
            await worker.cancel()
            await run


def closed(code: int, reason: str) -> errors.APIError:
    """What google-genai raises when the server closes with ``code``."""
    return errors.APIError(code, reason, None)
