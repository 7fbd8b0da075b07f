"""What the tests of this folder share: a virtual clock, an in-memory Gemini client, a pipeline.

Everything here drives the *stock* service, transport and aggregators of the installed Pipecat.
Nothing of ours takes part, so a red test in this folder always means that Pipecat changed.

Time is virtual: when every task waits, the clock jumps to the next timer. A wait of thirty
seconds costs nothing, two runs are alike, and `settled()` means "all that can happen has".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from unittest import mock

from google.genai import types
from packaging.version import Version
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.pipeline import worker as worker_module
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

_INSTALLED = {name: Version(version(name)) for name in ("pipecat-ai", "google-genai")}

RATE_IN = 16_000
RATE_OUT = 24_000
BOUND = 60.0  # virtual seconds: an upper limit for any wait, never something that is slept


def pipecat_since(number: str) -> bool:
    """Whether the installed Pipecat is this release or a later one."""
    return _INSTALLED["pipecat-ai"] >= Version(number)


def genai_since(number: str) -> bool:
    """Whether the installed google-genai is this release or a later one."""
    return _INSTALLED["google-genai"] >= Version(number)


async def settled(seconds: float = 0.001) -> None:
    """Return after everything that can happen within `seconds` of virtual time has happened."""
    await asyncio.sleep(seconds)


def now() -> float:
    return asyncio.get_running_loop().time()


# The other side: a client with the six calls the base makes, and what a server would say


@dataclass
class FakeSession:
    """Records what the service sends; yields what the test says the server said."""

    client: FakeClient
    number: int
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    inbox: asyncio.Queue[types.LiveServerMessage | BaseException] = field(
        default_factory=asyncio.Queue
    )

    def say(self, *messages: types.LiveServerMessage | BaseException) -> None:
        """Put messages on the wire back to back: the service sees them without a pause between."""
        for message in messages:
            self.inbox.put_nowait(message)

    def calls(self, name: str) -> list[dict[str, Any]]:
        return [kwargs for called, kwargs in self.sent if called == name]

    @property
    def microphone(self) -> bytes:
        blobs = [kwargs.get("audio") for kwargs in self.calls("send_realtime_input")]
        return b"".join(blob.data or b"" for blob in blobs if blob is not None)

    async def receive(self) -> AsyncIterator[types.LiveServerMessage]:
        try:
            while True:
                item = await self.inbox.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                content = item.server_content
                if content is not None and content.turn_complete:
                    return
        except asyncio.CancelledError:
            self.client.log.append(f"cancelled {self.number}")
            raise

    async def send_realtime_input(self, **kwargs: Any) -> None:
        self.sent.append(("send_realtime_input", kwargs))

    async def send_client_content(self, **kwargs: Any) -> None:
        self.sent.append(("send_client_content", kwargs))

    async def send_tool_response(self, **kwargs: Any) -> None:
        self.sent.append(("send_tool_response", kwargs))

    async def close(self) -> None:
        self.client.log.append(f"close {self.number}")


class FakeClient:
    """Stands where `genai.Client` stands: `client.aio.live.connect(model=, config=)`."""

    def __init__(self, session_class: type[FakeSession] = FakeSession) -> None:
        self.aio = self
        self.live = self
        self.session_class = session_class
        self.sessions: list[FakeSession] = []
        self.configs: list[types.LiveConnectConfig] = []
        self.connected_at: list[float] = []
        self.log: list[str] = []
        self.refuse: Exception | None = None

    @asynccontextmanager
    async def connect(
        self, *, model: str, config: types.LiveConnectConfig
    ) -> AsyncIterator[FakeSession]:
        session = self.session_class(self, len(self.sessions))
        self.connected_at.append(now())
        self.configs.append(config)
        self.log.append(f"connect {session.number}")
        if self.refuse is not None:
            raise self.refuse
        self.sessions.append(session)
        try:
            yield session
        finally:
            self.log.append(f"exit {session.number}")

    @property
    def session(self) -> FakeSession:
        return self.sessions[-1]


class StockService(GeminiLiveLLMService):
    """The stock service; only the public `create_client()` seam is used."""

    def __init__(
        self, client: FakeClient | None = None, *, model: str = "gemini-3.8-live", **kwargs: Any
    ) -> None:
        self._fake_client = client or FakeClient()
        self.clients_created = 0
        settings = kwargs.pop("settings", None) or self.Settings()
        settings.model = model
        super().__init__(api_key="x", settings=settings, **kwargs)

    def create_client(self) -> None:
        self.clients_created += 1
        self._client = self._fake_client

    @property
    def server(self) -> FakeSession:
        return self._fake_client.session


def message(**fields: Any) -> types.LiveServerMessage:
    return types.LiveServerMessage.model_validate(fields)


def content(**fields: Any) -> types.LiveServerMessage:
    return message(server_content=fields)


def pcm(ms: float, rate: int = RATE_OUT, level: int = 1000) -> bytes:
    return level.to_bytes(2, "little") * round(rate * ms / 1000)


def audio_part(data: bytes) -> dict[str, Any]:
    return {"inline_data": {"data": data, "mime_type": f"audio/pcm;rate={RATE_OUT}"}}


def model_turn(*parts: dict[str, Any]) -> types.LiveServerMessage:
    return content(model_turn={"role": "model", "parts": list(parts)})


def speech(ms: float = 40) -> types.LiveServerMessage:
    return model_turn(audio_part(pcm(ms)))


def words(text: str) -> types.LiveServerMessage:
    return content(output_transcription={"text": text})


def heard(text: str) -> types.LiveServerMessage:
    return content(input_transcription={"text": text})


def interrupted() -> types.LiveServerMessage:
    return content(interrupted=True)


def turn_complete(**fields: Any) -> types.LiveServerMessage:
    return message(
        server_content={"turn_complete": True, **fields},
        usage_metadata={"prompt_token_count": 1, "response_token_count": 2, "total_token_count": 3},
    )


# The pipeline


class Tap(FrameProcessor):
    """Notes every frame that passes, in both directions, and passes it on."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.seen: list[tuple[Frame, FrameDirection, float]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.seen.append((frame, direction, now()))
        await self.push_frame(frame, direction)

    def frames(
        self,
        *kinds: type[Frame],
        direction: FrameDirection = FrameDirection.DOWNSTREAM,
        since: int = 0,
    ) -> list[Frame]:
        return [
            frame
            for frame, way, _ in self.seen[since:]
            if way is direction and (not kinds or isinstance(frame, kinds))
        ]

    def names(self, *kinds: type[Frame], since: int = 0) -> list[str]:
        return [type(frame).__name__ for frame in self.frames(*kinds, since=since)]

    def up(self, *kinds: type[Frame]) -> list[Frame]:
        return self.frames(*kinds, direction=FrameDirection.UPSTREAM)

    def times(self, kind: type[Frame]) -> list[float]:
        return [
            at
            for frame, way, at in self.seen
            if isinstance(frame, kind) and way is FrameDirection.DOWNSTREAM
        ]

    @property
    def mark(self) -> int:
        return len(self.seen)


@dataclass
class Call:
    """A running pipeline, with a tap at each end."""

    worker: PipelineWorker
    head: Tap
    tail: Tap

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self.worker.queue_frame(frame)
        await settled()

    async def microphone(self, ms: float = 20, level: int = 1000) -> None:
        audio = pcm(ms, RATE_IN, level)
        await self.send(InputAudioRawFrame(audio=audio, sample_rate=RATE_IN, num_channels=1))

    async def give_context(self, *messages: dict[str, Any]) -> LLMContext:
        """What an `LLMRunFrame` makes the user aggregator push."""
        context = LLMContext(messages=list(messages) or [{"role": "user", "content": "Say hi."}])
        await self.send(LLMContextFrame(context=context))
        return context


@contextmanager
def no_downloads() -> Iterator[None]:
    """Before 1.12 a starting pipeline fetches NLTK's sentence data over the network."""
    if pipecat_since("1.12"):
        yield
    else:
        with mock.patch.object(worker_module, "warm_deferred_imports"):
            yield


@asynccontextmanager
async def calling(*processors: FrameProcessor, rate_out: int = RATE_OUT) -> AsyncIterator[Call]:
    """Run the processors between two taps until the block ends."""
    head, tail = Tap(), Tap()
    worker = PipelineWorker(
        Pipeline([head, *processors, tail]),
        cancel_on_idle_timeout=False,
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
        params=PipelineParams(audio_out_sample_rate=rate_out),
    )
    started = asyncio.Event()

    async def on_pipeline_started(_: PipelineWorker, frame: StartFrame) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", on_pipeline_started)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    with no_downloads():
        running = asyncio.create_task(runner.run())
        try:
            await asyncio.wait_for(started.wait(), BOUND)
            await settled()
            yield Call(worker, head, tail)
        finally:
            await worker.cancel()
            await asyncio.wait_for(running, BOUND)


class Speaker(BaseOutputTransport):
    """The stock output transport over a list: every chunk it writes, at once or paced."""

    def __init__(self, *, paced: bool = False, **params: Any) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, **params))
        self.paced = paced
        self.written: list[bytes] = []

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        if self.paced:
            await asyncio.sleep(len(frame.audio) / 2 / frame.sample_rate)
        self.written.append(frame.audio)
        return True

    @property
    def played(self) -> bytes:
        return b"".join(self.written)
