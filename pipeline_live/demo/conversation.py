"""The demo's conversation: a real pipeline, and a scripted person in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.genai.types import HttpOptions
from pipecat.frames.frames import EndFrame, ErrorFrame, Frame, InterruptionFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.workers.runner import WorkerRunner

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE
from pipeline_live.demo import lines
from pipeline_live.emulator import Emulator
from pipeline_live.errors import PipelineLiveError
from pipeline_live.processors import FileSink, GeminiLiveService, MicSource, Playback, server_turns
from pipeline_live.session import Timeline
from pipeline_live.session.connection import options_for
from pipeline_live.turn.events import (
    Action,
    EndUserTurn,
    ReportInterruption,
    Source,
    StartReply,
    StartUserTurn,
)

INTO_THE_ANSWER_MS = 5000
"""How much of an answer is heard before it is interrupted."""
ANSWER_WITHIN_MS = 15_000
_PAUSE_MS = 700
_QUIET_AFTER_STOP_MS = 2000
_CAUSES = {
    Source.LOCAL_SPEECH: "the user's voice, heard here",
    Source.SERVER: "the server, which heard the user",
    Source.STOP: "an explicit stop",
    Source.TEXT: "something that was written",
}


@dataclass(frozen=True, slots=True)
class UserSounds:
    """What the user says, mono s16le at 16 kHz."""

    question: bytes
    barge_in: bytes
    last_question: bytes


@dataclass(frozen=True, slots=True)
class Engine:
    """Whom the bot talks to.

    Attributes:
        api_key: The key.
        model: Model id.
        base_url: Where; None for Google.
        ca_file: Certificate to trust, for the emulator.
    """

    api_key: str
    model: str
    base_url: str | None = None
    ca_file: str | None = None

    def http_options(self) -> HttpOptions | None:
        """Options for google-genai that lead there."""
        if self.base_url is None:
            return None
        return options_for(self.base_url, self.ca_file)


@contextlib.contextmanager
def emulated() -> Iterator[Engine]:
    """Serve the demo's script and lead to it."""
    with Emulator(lines.SCRIPT) as emulator:
        yield Engine("emulator", "gemini-3.8-live", emulator.base_url, str(emulator.ca_file))


class Stage:
    """Watches the call and tells people what happens, while it happens."""

    def __init__(self, service: GeminiLiveService) -> None:
        self.call = service.call
        self.call.attach(self)
        self.replies = 0
        self.interruptions = 0
        self.failure: str | None = None
        self._changed = asyncio.Event()

    def say(self, who: str, what: str) -> None:
        """Print a line of progress with the call's time."""
        sys.stdout.write(f"{self.call.now_ms() / 1000:7.2f} s  {who:<5} {what}\n")
        sys.stdout.flush()

    def perform(self, action: Action, at_ms: int) -> None:
        """Follow the call's decisions."""
        match action:
            case StartReply(reply=reply):
                self.replies += 1
                self.say("bot", f"begins reply {reply.number}")
            case StartUserTurn():
                self.say("user", "speaks")
            case EndUserTurn():
                self.say("user", "is silent")
            case ReportInterruption(reply=number, source=source, heard_ms=heard_ms):
                self.interruptions += 1
                heard = f"{heard_ms / 1000:.1f} s of it were heard"
                self.say("bot", f"reply {number} INTERRUPTED by {_CAUSES[source]}; {heard}")
            case _:
                pass
        self._changed.set()

    def fail(self, why: str) -> None:
        """The pipeline reported an error."""
        self.failure = self.failure or why
        self._changed.set()

    async def until(self, what: str, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Wait until ``condition`` holds; say so and go on when it does not in time."""
        deadline = self.call.now_ms() + limit_ms
        while not condition():
            if self.failure is not None:
                raise PipelineLiveError(self.failure)
            left_ms = deadline - self.call.now_ms()
            if left_ms <= 0:
                self.say("demo", f"waited {limit_ms / 1000:.0f} s in vain for {what}")
                return False
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(left_ms, 100) / 1000)
        return True

    def bot_is_silent(self) -> bool:
        """Nothing arrives and nothing waits to be played."""
        return self.call.machine.gate.value != "replying" and not self.call.ledger.waiting()


async def person(
    stage: Stage,
    microphone: MicSource,
    queue: Callable[[Frame], Awaitable[None]],
    sounds: UserSounds,
) -> None:
    """Talk: greeting, question, barge-in, explicit stop, last question."""
    replies = 0

    async def answer(what: str) -> bool:
        nonlocal replies
        replies = stage.replies
        return await stage.until(what, lambda: stage.replies > replies, ANSWER_WITHIN_MS)

    async def listen(limit_ms: int = 60_000) -> None:
        await stage.until("the end of the reply", stage.bot_is_silent, limit_ms)
        await asyncio.sleep(_PAUSE_MS / 1000)

    async def listen_to_a_part() -> None:
        def enough() -> bool:
            return stage.call.heard_ms() >= INTO_THE_ANSWER_MS or stage.bot_is_silent()

        await stage.until("a part of the answer", enough, ANSWER_WITHIN_MS)

    async def ask(sound: bytes, what: str) -> bool:
        said = asyncio.ensure_future(microphone.say(sound))
        answered = await answer(what)
        await said
        return answered

    if await answer("the greeting"):
        await listen()
    await ask(sounds.question, "an answer to the question")
    await listen_to_a_part()
    stage.say("user", "barges in")
    await ask(sounds.barge_in, "an answer to the barge-in")
    await listen_to_a_part()
    stage.say("user", "presses Stop")
    await queue(InterruptionFrame())
    await asyncio.sleep(_QUIET_AFTER_STOP_MS / 1000)
    await ask(sounds.last_question, "the last answer")
    await listen()


async def hold(engine: Engine, sounds: UserSounds, folder: Path) -> Stage:
    """Hold the conversation; leaves ``call.wav`` and ``timeline.jsonl`` in ``folder``.

    Raises:
        PipelineLiveError: The folder cannot be written, or there is no connection.
    """
    service = GeminiLiveService(
        api_key=engine.api_key,
        http_options=engine.http_options(),
        settings=GeminiLiveService.Settings(
            model=engine.model, system_instruction=lines.INSTRUCTION
        ),
        timeline=Timeline(folder / "timeline.jsonl", words=True),
    )
    microphone = MicSource()
    context = LLMContext([{"role": "user", "content": lines.OPENING}])
    pair = LLMContextAggregatorPair(context, user_params=server_turns())
    pipeline = Pipeline(
        [
            microphone,
            pair.user(),
            service,
            Playback(),
            FileSink(folder / "call.wav"),
            pair.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=INPUT_RATE, audio_out_sample_rate=OUTPUT_RATE),
        cancel_on_idle_timeout=False,
    )
    stage = Stage(service)

    async def on_error(_: object, frame: ErrorFrame) -> None:
        stage.fail(frame.error)

    worker.add_event_handler("on_pipeline_error", on_error)

    async def play() -> None:
        try:
            await worker.queue_frame(LLMRunFrame())
            await person(stage, microphone, worker.queue_frame, sounds)
        finally:
            await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    talking = asyncio.create_task(play())
    try:
        await runner.run()
    finally:
        if not talking.done():
            talking.cancel()
        (ended,) = await asyncio.gather(talking, return_exceptions=True)
    if isinstance(ended, BaseException):  # a Ctrl-C too, which Pipecat's runner keeps to itself
        raise ended
    return stage
