"""Whole pipelines against the server of ``wire_server``: the pieces, and what they are worth.

``Scenes`` plays any number of calls at once, each a real Pipecat pipeline over a real TLS
connection to a server process; a sink plays in real time and attributes every sample to the reply
and the message that brought it. The tests here are about the pieces: that the server keeps to its
plan, and that Pipecat alone does play stale sound on it, so that its absence means something.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from google.genai.types import HttpOptions
from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSStartedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService, GeminiVADParams
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from wire_server import (
    RATE,
    SAMPLES_PER_MS,
    Json,
    WireServer,
    connection,
    on,
    speech,
    value,
    whole,
    wire_server,
)

from pipeline_live import GeminiLiveService, Playback

T = TypeVar("T")

CHUNK = 20 * SAMPLES_PER_MS
DEVICE_BUFFER_S = 0.04
LIMIT_S = 40
MODEL = "models/gemini-3.8-live"
AT_ONCE = 9
GIVE_UP_S = 2
MIC_RATE = 16_000
MIC_CHUNK = MIC_RATE // 50


class Microphone(FrameProcessor):
    """Sound in real time while switched on: what it is told to say, faint noise otherwise."""

    def __init__(self, *, live: bool) -> None:
        super().__init__()
        self.errors: list[ErrorFrame] = []
        self.sent = np.zeros(0, np.int16)
        self._live = live
        self._to_say = np.zeros(0, np.int16)
        self._task: asyncio.Task[None] | None = None

    def say(self, speech: np.ndarray[Any, Any]) -> None:
        self._to_say = speech

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame):
            self.errors.append(frame)
        if isinstance(frame, (EndFrame, CancelFrame)):
            await self._stop()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame) and self._live:
            self._task = self.create_task(self._run())

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._stop()

    async def _stop(self) -> None:
        if self._task is not None:
            await self.cancel_task(self._task)
            self._task = None

    async def _run(self) -> None:
        noise = np.random.default_rng(1)
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            piece, self._to_say = self._to_say[:MIC_CHUNK], self._to_say[MIC_CHUNK:]
            chunk = noise.integers(-2, 3, MIC_CHUNK).astype(np.int16)
            chunk[: len(piece)] += piece
            self.sent = np.concatenate((self.sent, chunk))
            await self.push_frame(InputAudioRawFrame(chunk.tobytes(), MIC_RATE, 1))
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))


@dataclass
class Taken:
    """A chunk that the sound card took."""

    at: float
    samples: np.ndarray[Any, Any]


@dataclass
class Cut:
    """An interruption as the sink saw it."""

    at: float
    taken: int
    """Chunks that had been taken when it had been carried out."""


class Sink(BaseOutputTransport):
    """Plays in real time, 20 ms at once, with a device buffer of 40 ms; keeps every sample."""

    def __init__(self) -> None:
        super().__init__(
            TransportParams(
                audio_out_enabled=True,
                audio_out_sample_rate=RATE,
                audio_out_10ms_chunks=2,
                audio_out_end_silence_secs=0,
            )
        )
        self.taken: list[Taken] = []
        self.cuts: list[Cut] = []
        self.frames: list[Frame] = []
        self.counts: dict[int, int] = {}
        self._free_at = 0.0
        self._changed = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is FrameDirection.DOWNSTREAM:
            self.frames.append(frame)
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame) and direction is FrameDirection.DOWNSTREAM:
            self.cuts.append(Cut(time.monotonic(), len(self.taken)))
        self._changed.set()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        samples = np.frombuffer(frame.audio, "<i2")
        now = time.monotonic()
        self.taken.append(Taken(now, samples))
        for reply, count in zip(*np.unique(samples // 1000, return_counts=True), strict=True):
            self.counts[int(reply)] = self.counts.get(int(reply), 0) + int(count)
        self._changed.set()
        self._free_at = max(self._free_at, now) + len(samples) / RATE
        await asyncio.sleep(max(0.0, self._free_at - DEVICE_BUFFER_S - now))
        return True

    def of(self, *kinds: type[Frame]) -> list[Frame]:
        return [frame for frame in self.frames if isinstance(frame, kinds)]

    def heard(self, reply: int, since: int = 0, until: int | None = None) -> np.ndarray[Any, Any]:
        """Samples of a reply in the order in which they were taken, from chunk ``since`` on."""
        chunks = [taken.samples for taken in self.taken[since:until]]
        everything = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
        return everything[everything // 1000 == reply]

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Interrupter(FrameProcessor):
    """Somebody between Playback and the sink who may interrupt."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class Call:
    """One pipeline on one plan."""

    def __init__(
        self,
        server: WireServer,
        plan: str,
        *,
        service: type[GeminiLiveLLMService] = GeminiLiveService,
        playback: bool = True,
        mic: bool = False,
        user_params: Any = None,
        vad: GeminiVADParams | None = None,
        **options: Any,
    ) -> None:
        # Pipecat's default model depends on its version.
        settings = service.Settings(model=MODEL, **({"vad": vad} if vad else {}))
        http = HttpOptions(base_url=server.address, async_client_args={"ssl": server.tls})
        self.server, self.plan = server, plan
        self.mic, self.sink = Microphone(live=mic), Sink()
        self.service = service(api_key=plan, http_options=http, settings=settings, **options)
        self.interrupter = Interrupter()
        self.context = LLMContext([{"role": "user", "content": "Hello."}])
        pair = LLMContextAggregatorPair(self.context, user_params=user_params)
        players = [Playback(), self.interrupter] if playback else []
        self.worker = PipelineWorker(
            Pipeline([self.mic, pair.user(), self.service, *players, self.sink, pair.assistant()]),
            params=PipelineParams(
                audio_in_sample_rate=MIC_RATE, audio_out_sample_rate=RATE, enable_metrics=False
            ),
            cancel_on_idle_timeout=False,
        )
        self.stops: list[float] = []
        self.ended: bool | None = None
        self.note: dict[str, Any] = {}
        self._run: asyncio.Task[None] | None = None

    # --- what a scene does ---------------------------------------------------------------------

    async def begin(self) -> None:
        """Let the bot open the conversation: the server's first "content"."""
        await self.worker.queue_frame(LLMRunFrame())

    async def ask(self, text: str = "And now?") -> None:
        """Say something in writing: the server's next "text"."""
        frame = InputTextRawFrame(text)
        frame.append_to_context = False  # the assistant aggregator would take it for its own
        await self.worker.queue_frame(frame)

    async def stop(self) -> None:
        """Press the button, and see that it came through."""
        before = len(self.sink.cuts)
        self.stops.append(time.monotonic())
        await self.worker.queue_frame(InterruptionFrame())
        await self.sink.until(lambda: len(self.sink.cuts) > before)

    async def hears(self, reply: int, ms: int) -> None:
        """Until the sink has taken so much of a reply."""
        await self.sink.until(lambda: self.sink.counts.get(reply, 0) >= ms * SAMPLES_PER_MS)

    async def cut(self, number: int = 1) -> None:
        """Until the sink has seen so many interruptions."""
        await self.sink.until(lambda: len(self.sink.cuts) >= number)

    async def falls_silent(self) -> None:
        """Until all that was received has been played; text before that would be a barge-in."""
        while self.service.call.ledger.waiting():
            await asyncio.sleep(0.02)

    async def has_spoken(self, count: int) -> None:
        """Until the ears have heard so many turns of the user end; sound comes all the time."""
        counts = self.service.call.timeline.counts
        await self.sink.until(lambda: counts["SpeechEnded"] >= count)

    async def server_sent(self, field: str, count: int = 1) -> None:
        """Until the server has sent so many messages with ``field``."""
        await self.server.until(lambda: len(self.sent(field)) >= count)

    async def end(self, frame: Frame | None = None, limit_s: float = 15) -> None:
        """Queue an EndFrame and see whether the pipeline ends."""
        assert self._run is not None
        await self.worker.queue_frame(frame or EndFrame())
        done, _ = await asyncio.wait([self._run], timeout=limit_s)
        self.ended = bool(done)

    # --- what a test asks ----------------------------------------------------------------------

    def sent(self, field: str) -> list[Json]:
        """The server's messages with ``field``, in order."""
        log = self.server.log(self.plan, "out", "message")
        return [line for line in log if field in line["fields"]]

    def stale(self, reply: int, cut: int = 0) -> int:
        """Samples of a reply taken after an interruption, without the one chunk under way."""
        return max(0, len(self.sink.heard(reply, self.sink.cuts[cut].taken)) - CHUNK)

    def whole(self, reply: int, messages: int, ms: int = 100) -> bool:
        """Whether all of a reply was heard, each sample once and in order."""
        values = [value(reply, k) for k in range(messages)]
        return np.array_equal(self.sink.heard(reply), np.repeat(values, ms * SAMPLES_PER_MS))

    def beginning(self, reply: int, messages: int, ms: int = 100) -> bool:
        """Whether what was heard of a reply is its beginning, without a hole, and not all of it."""
        values = np.repeat([value(reply, k) for k in range(messages)], ms * SAMPLES_PER_MS)
        heard = self.sink.heard(reply)
        return len(heard) < len(values) and np.array_equal(heard, values[: len(heard)])

    def said(self) -> list[str]:
        """The assistant's messages in the context."""
        return [m["content"] for m in self.context.get_messages() if m["role"] == "assistant"]

    def order(self) -> str:
        """Reply starts (S), ends (E) and interruptions (I), as the sink saw them."""
        letters = {
            LLMFullResponseStartFrame: "S",
            LLMFullResponseEndFrame: "E",
            InterruptionFrame: "I",
        }
        return "".join(letters.get(type(frame), "") for frame in self.sink.frames)

    # --- running -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the pipeline."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self._run = asyncio.create_task(runner.run())
        await asyncio.wait_for(self.sink.until(lambda: self.sink.frames), LIMIT_S)

    async def play(self, scene: Callable[[Call], Awaitable[None]]) -> Call:
        """Play the scene and end the pipeline."""
        assert self._run is not None
        try:
            async with asyncio.timeout(LIMIT_S):
                await scene(self)
                if self.ended is None:
                    await self.end()
        finally:
            if not self._run.done():
                giving_up = asyncio.create_task(self.worker.cancel())
                await asyncio.wait([self._run, giving_up], timeout=GIVE_UP_S)
        return self


class Scenes:
    """Calls that are played at the same time, once, for all tests of a module."""

    def __init__(self) -> None:
        self._scenes: dict[str, tuple[Callable[[Call], Awaitable[None]], Json]] = {}
        self._plans: dict[str, list[Json]] = {}

    def add(self, *plan: Json, **options: Any) -> Any:
        """Register a scene: the connections of its plan, and options of its ``Call``."""

        def register(scene: Callable[[Call], Awaitable[None]]) -> Any:
            self._scenes[scene.__name__] = scene, options
            self._plans[scene.__name__] = list(plan)
            return scene

        return register

    def play(self, folder: Path, at_once: int = AT_ONCE) -> Played:
        logger.disable("pipecat")
        logger.disable("pipeline_live")
        try:
            with warnings.catch_warnings():
                # google-genai warns about a field that Pipecat's base service still sets.
                warnings.simplefilter("ignore", DeprecationWarning)
                return Played(_run(self._play(folder, at_once)))
        finally:
            logger.enable("pipecat")
            logger.enable("pipeline_live")

    async def _play(self, folder: Path, at_once: int) -> dict[str, Call | BaseException]:
        # To start a pipeline takes a tenth of a second of one core, which calls would notice.
        places, starting = asyncio.Semaphore(at_once), asyncio.Lock()
        async with wire_server(self._plans, folder) as server:
            results = await asyncio.gather(
                *(self._one(server, name, places, starting) for name in self._scenes),
                return_exceptions=True,
            )
        return dict(zip(self._scenes, results, strict=True))

    async def _one(
        self, server: WireServer, name: str, places: asyncio.Semaphore, starting: asyncio.Lock
    ) -> Call:
        scene, options = self._scenes[name]
        async with places:
            async with starting:
                call = Call(server, name, **options)
                await call.start()
            return await call.play(scene)


def _run(playing: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run``, which would wait for ever for a pipeline that cannot be cancelled."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(playing)
    finally:
        for _ in range(5):
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=0.5))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Played:
    """What became of the scenes."""

    def __init__(self, results: dict[str, Call | BaseException]) -> None:
        self._results = results

    def __getitem__(self, scene: Callable[[Call], Awaitable[None]]) -> Call:
        result = self._results[scene.__name__]
        if isinstance(result, BaseException):
            raise AssertionError(f"{scene.__name__}: {result!r}") from result
        return result


# --- what the pieces are worth ------------------------------------------------------------------

scenes = Scenes()


@scenes.add(connection(on("content", 1, whole(1, 12)), on("text", 1, whole(2, 7))))
async def healthy(call: Call) -> None:
    await call.begin()
    await call.server_sent("turnComplete")
    await call.falls_silent()
    await call.ask()
    await call.hears(2, 700)


@scenes.add(
    connection(on("content", 1, speech(1, 40))),
    service=GeminiLiveLLMService,
    playback=False,
)
async def pipecat_alone(call: Call) -> None:
    await call.begin()
    await call.hears(1, 200)
    await call.stop()
    await call.server.until(lambda: len(call.sent("modelTurn")) == 40)
    await call.hears(1, 1000)
    await call.end(CancelFrame())


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return scenes.play(tmp_path_factory.mktemp("wire"))


def test_the_server_keeps_to_its_plan_and_the_sink_hears_every_sample_of_it(calls: Played) -> None:
    call = calls[healthy]
    assert call.whole(1, 12)
    assert call.whole(2, 7)
    assert call.order() == "SESE"
    assert len(call.sink.of(TTSStartedFrame)) == 2
    assert call.said() == [
        " ".join(f"r1w{k}" for k in range(12)),
        " ".join(f"r2w{k}" for k in range(7)),
    ]
    first, last = (call.server.log(call.plan, "out", "message")[i]["t"] for i in (0, -1))
    assert first < last
    assert call.ended


def test_pipecat_alone_plays_stale_sound_on_this_server(calls: Played) -> None:
    call = calls[pipecat_alone]
    late = call.server.sent_after(call.plan, call.stops[0])
    assert late, "the server went on"
    assert call.stale(1) > 500 * SAMPLES_PER_MS
    assert late & set(call.sink.heard(1, call.sink.cuts[0].taken).tolist())
