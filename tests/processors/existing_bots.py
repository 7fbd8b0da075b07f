"""Bots as people write them for Pipecat's Gemini Live service; only the service's class is given.

They cover what Pipecat's own examples cover, and were written for these tests. Each speaks with an
emulator; what it did is kept as a ``Seen``, so that two services can be compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google_http import GoogleHttp
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    EndFrame,
    EndWorkerFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputImageRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    LLMTextFrame,
    MetricsFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.google.frames import LLMSearchResponseFrame
from pipecat.services.google.gemini_live.llm import GeminiVADParams
from pipecat.services.google.gemini_live.vertex.llm import GeminiLiveVertexLLMService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from pipelines import Tap

try:  # since 1.14
    from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
    from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
except ImportError:
    from pipecat.adapters.schemas.function_schema import FunctionSchema
    from pipecat.adapters.schemas.tools_schema import AdapterType, ToolsSchema

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, resample, silence
from pipeline_live.emulator import Emulator, Reply, Script, synthesize
from pipeline_live.processors import MicSource, Playback

SPEECH = (TTSAudioRawFrame, TTSTextFrame, LLMTextFrame)
TOLD = (
    *SPEECH,
    TTSStartedFrame,
    TTSStoppedFrame,
    LLMFullResponseStartFrame,
    LLMFullResponseEndFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    LLMSearchResponseFrame,
    InterruptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
"""The frames that are compared; sound and words of one stretch count as one."""

Play = Callable[["Talk"], Awaitable[None]]


class QuickSink(BaseOutputTransport):
    """An output that takes sound as fast as it comes."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=OUTPUT_RATE))

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        return True


@dataclass
class Seen:
    """What a bot did."""

    order: list[str] = field(default_factory=list)
    said: str = ""
    sound: int = 0
    results: list[Any] = field(default_factory=list)
    origins: list[tuple[str, str, int]] = field(default_factory=list)
    context: list[Any] = field(default_factory=list)
    setup: dict[str, Any] = field(default_factory=dict)
    history: list[tuple[str, str]] = field(default_factory=list)
    pictures: int = 0
    tokens: list[int] = field(default_factory=list)
    rtvi: list[str] = field(default_factory=list)
    late_sound: int = 0
    """Samples that came out after a Stop and before the next answer began."""


class Talk:
    """One bot's conversation: its service, its pipeline, and what a test may wait for."""

    def __init__(
        self,
        kind: type[Any],
        emulator: Emulator,
        google: GoogleHttp,
        folder: Path,
        *,
        playback: bool,
    ) -> None:
        self.kind = kind
        self.emulator = emulator
        self.google = google
        self.folder = folder
        self.context = LLMContext()
        self.tap, self.after = Tap(), Tap()
        self.mic = MicSource()
        self.late_sound = 0
        self._playback = playback

    def service(self, settings: dict[str, Any] | None = None, **options: Any) -> Any:
        """The bot's service, with what an emulator needs."""
        if issubclass(self.kind, GeminiLiveVertexLLMService):
            account = self.google.service_account()
            options |= {"credentials": account, "project_id": "p", "location": "us-east4"}
            model = "google/gemini-3.8-live"
        else:
            options |= {"api_key": "any"}
            model = "models/gemini-3.8-live"
        return self.kind(
            http_options=self.emulator.http_options(),
            settings=self.kind.Settings(**{"model": model, **(settings or {})}),
            **options,
        )

    @asynccontextmanager
    async def pipeline(
        self, llm: Any, context: LLMContext, user_params: Any = None, *, spoken: bool = False
    ) -> AsyncIterator[PipelineWorker]:
        """The pipeline that every example has, for the length of a block."""
        self.context = context
        pair = LLMContextAggregatorPair(context, user_params=user_params)
        play = [Playback()] if self._playback else []
        mic = [self.mic] if spoken else []
        steps = [*mic, pair.user(), llm, self.tap, *play, QuickSink(), self.after]
        worker = PipelineWorker(
            Pipeline([*steps, pair.assistant()]),
            params=PipelineParams(
                audio_in_sample_rate=INPUT_RATE,
                audio_out_sample_rate=OUTPUT_RATE,
                enable_metrics=True,
                enable_usage_metrics=True,
            ),
            cancel_on_idle_timeout=False,
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        try:
            yield worker
            if not running.done():
                await worker.queue_frame(EndFrame())
            await running
        finally:
            if not running.done():
                await worker.cancel()
                await running

    async def answers(self, count: int) -> None:
        """Until the bot has spoken so many answers to their end."""
        await self.after.until(lambda: len(self.after.of(LLMFullResponseEndFrame)) >= count)

    async def server(self, condition: Callable[[Any], Any]) -> None:
        """Until one of the emulator's sessions is as it should be."""
        while not any(condition(session) for session in self.emulator.sessions):
            await asyncio.sleep(0.02)

    def seen(self) -> Seen:
        # A service that learns of tools by the context connects twice; one of them is given up.
        session = max(self.emulator.sessions, key=lambda session: session.user_turns)
        return Seen(
            order=order(self.tap),
            said="".join(f.text for f in self.tap.of(TTSTextFrame)),
            sound=sum(len(f.audio) for f in self.after.of(TTSAudioRawFrame)) // 2,
            results=[(f.function_name, f.result) for f in self.tap.of(FunctionCallResultFrame)],
            origins=[
                (o.site_uri, o.site_title, len(o.results))
                for f in self.tap.of(LLMSearchResponseFrame)
                for o in f.origins
            ],
            context=without_ids(self.context.get_messages()),
            setup=session.setup,
            history=[(e.role, e.text) for e in session.history],
            pictures=session.pictures,
            tokens=[
                data.value.total_tokens
                for f in self.tap.of(MetricsFrame)
                for data in f.data
                if isinstance(data, LLMUsageMetricsData)
            ],
            rtvi=sorted(
                {f.message["type"] for f in self.tap.of(OutputTransportMessageUrgentFrame)}
                - {"metrics"}
            ),
            late_sound=self.late_sound,
        )


def order(tap: Tap) -> list[str]:
    """The compared frames in order; a stretch of sound and words is one "speech"."""
    names = ["speech" if isinstance(f, SPEECH) else type(f).__name__ for f in tap.of(*TOLD)]
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def without_ids(messages: list[Any]) -> list[Any]:
    """Messages without the ids of tool calls, which are the server's to choose."""
    known: dict[str, str] = {}

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: known.setdefault(v, f"call {len(known)}")
                if k in ("id", "tool_call_id")
                else clean(v)
                for k, v in value.items()
            }
        return [clean(v) for v in value] if isinstance(value, list) else value

    return [clean(message) for message in messages]


BOTS: dict[str, tuple[Script, Play]] = {}


def bot(*replies: Reply | str) -> Callable[[Play], Play]:
    """Register a bot, and what the model says to it."""

    def register(play: Play) -> Play:
        BOTS[play.__name__] = Script(replies), play
        return play

    return register


def greeting(words: str = "Say hello.") -> LLMContext:
    return LLMContext([{"role": "user", "content": words}])


def question() -> bytes:
    """A spoken question, 16 kHz."""
    pcm = resample(synthesize("What time is it?", "low").pcm, OUTPUT_RATE, INPUT_RATE)
    return silence(100, INPUT_RATE) + pcm


async def ask(worker: PipelineWorker, words: str) -> None:
    await worker.queue_frame(InputTextRawFrame(words))


WEATHER = FunctionSchema(
    name="weather",
    description="The weather somewhere.",
    properties={"city": {"type": "string"}},
    required=["city"],
)
SUNNY = {"sky": "sunny", "degrees": 21}


async def look_outside(params: Any) -> None:
    await params.result_callback({**SUNNY, "city": params.arguments["city"]})


# --- the bots -----------------------------------------------------------------------------------


@bot("Hi.", Reply("It is sunny.", tool="weather", args={"city": "Bern"}))
async def function_calling(talk: Talk) -> None:
    llm = talk.service({"system_instruction": "Tell the weather.", "voice": "Puck"})
    llm.register_function("weather", look_outside)
    context = LLMContext(
        [{"role": "user", "content": "Say hello."}], tools=ToolsSchema(standard_tools=[WEATHER])
    )
    async with talk.pipeline(llm, context) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await ask(worker, "And the weather?")
        await talk.answers(2)


FOUND = {
    "searchEntryPoint": {"renderedContent": "<b>harbour</b>"},
    "groundingChunks": [{"web": {"uri": "https://harbour.example", "title": "Harbour"}}],
    "groundingSupports": [{"segment": {"text": "It is old."}, "groundingChunkIndices": [0]}],
}


@bot("Hi.", Reply("It is old.", grounding=FOUND))
async def google_search(talk: Talk) -> None:
    tools = ToolsSchema(
        standard_tools=[], custom_tools={AdapterType.GEMINI: [{"google_search": {}}]}
    )
    llm = talk.service(tools=tools)
    async with talk.pipeline(llm, greeting()) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await ask(worker, "How old is the harbour?")
        await talk.answers(2)


@bot("Hi.", "It is sunny.")
async def video(talk: Talk) -> None:
    llm = talk.service(start_video_paused=True)
    picture = InputImageRawFrame(image=bytes(8 * 8 * 3), size=(8, 8), format="RGB")
    async with talk.pipeline(llm, greeting()) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await worker.queue_frame(picture)  # paused: not sent
        await ask(worker, "What do you see?")
        await talk.answers(2)
        llm.set_video_input_paused(False)
        await worker.queue_frame(picture)
        await talk.server(lambda session: session.pictures)


@bot("Hi.", Reply("It is sunny.", tool="weather", args={"city": "Bern"}), "It is old.")
async def async_tool(talk: Talk) -> None:
    meanwhile = asyncio.Event()

    async def slowly(params: Any) -> None:
        await meanwhile.wait()
        await look_outside(params)

    llm = talk.service(tools=ToolsSchema(standard_tools=[WEATHER]))
    llm.register_function("weather", slowly, cancel_on_interruption=False)
    async with talk.pipeline(llm, greeting()) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await ask(worker, "And the weather?")
        await talk.tap.until(lambda: talk.tap.of(FunctionCallInProgressFrame))
        await ask(worker, "And the harbour?")
        await talk.answers(2)
        meanwhile.set()
        await talk.answers(3)


@bot("Hi.", Reply("Goodbye, and thank you.", tool="hang_up"))
async def graceful_end(talk: Talk) -> None:
    async def hang_up(params: Any) -> None:
        await params.result_callback({"done": True})
        await talk.tap.until(lambda: len(talk.tap.of(LLMFullResponseStartFrame)) == 2)
        await params.llm.push_frame(EndWorkerFrame())

    tool = FunctionSchema(
        name="hang_up", description="End it.", properties={}, required=[], handler=hang_up
    )
    llm = talk.service(tools=ToolsSchema(standard_tools=[tool]))
    async with talk.pipeline(llm, greeting()) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await ask(worker, "That is all.")
        await talk.after.until(lambda: talk.after.of(EndFrame))


@bot("Hi.", "It is old.")
async def locally_driven_turns(talk: Talk) -> None:
    llm = talk.service({"vad": GeminiVADParams(disabled=True)})
    listening = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    async with talk.pipeline(llm, greeting(), listening, spoken=True) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await talk.mic.say(question())
        await talk.answers(2)
        await talk.tap.until(lambda: talk.tap.of(UserStoppedSpeakingFrame))


@bot("Hi.", "It is old.")
async def supplemental_vad(talk: Talk) -> None:
    llm = talk.service({"vad": GeminiVADParams(silence_duration_ms=300)})
    listening = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    async with talk.pipeline(llm, greeting(), listening, spoken=True) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await talk.mic.say(question())
        await talk.answers(2)
        await talk.tap.until(lambda: talk.tap.of(UserStoppedSpeakingFrame))


@bot("Hi.", "It is old.")
async def spoken_question(talk: Talk) -> None:
    async with talk.pipeline(talk.service(), greeting(), spoken=True) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)
        await talk.mic.say(question())
        await talk.answers(2)


@bot("Hi.")
async def context_with_a_file(talk: Talk) -> None:
    note = talk.folder / "note.txt"
    note.write_text("The harbour is old.")
    llm = talk.service(file_api_base_url=f"{talk.google.url}/files")
    llm.file_api.upload_base_url = f"{talk.google.url}/files"
    info = await llm.file_api.upload_file(str(note), display_name="Note")
    assert talk.google.uploads[-1] == note.read_bytes()
    content = [
        {"type": "text", "text": "Say hello, and that you have read the note."},
        {
            "type": "file_data",
            "file_data": {"mime_type": "text/plain", "file_uri": info["file"]["uri"]},
        },
    ]
    async with talk.pipeline(llm, LLMContext([{"role": "user", "content": content}])) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.answers(1)


@bot("Once upon a time there was a harbour, and in it lay a ship. " * 3, "It is old.")
async def stop_button(talk: Talk) -> None:
    async with talk.pipeline(talk.service(), greeting("A story, please.")) as worker:
        await worker.queue_frame(LLMRunFrame())
        await talk.after.until(lambda: talk.after.of(TTSAudioRawFrame))
        await worker.queue_frame(InterruptionFrame())
        await talk.after.until(lambda: talk.after.of(InterruptionFrame))
        before = talk.seen().sound
        await asyncio.sleep(1)  # the server goes on sending
        talk.late_sound = talk.seen().sound - before
        await ask(worker, "How old is the ship?")
        await talk.after.until(
            lambda: "old" in "".join(f.text for f in talk.after.of(TTSTextFrame))
        )
        await talk.answers(1)
