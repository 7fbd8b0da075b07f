"""``policy="off"``: frame by frame what Pipecat's service does, whatever the local ears hear."""

import asyncio
from typing import Any

import pytest
from fakes import COMPLETE, GENERATED, INTERRUPTED, audio, content, merged, said
from pipecat.frames.frames import (
    Frame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    StartFrame,
    TextFrame,
    TranscriptionFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipelines import Lines, Tap, running, service_over
from virtual_time import run_virtual

from pipeline_live.processors import SpeechSuspectedFrame
from pipeline_live.turn.events import SpeechEnded, SpeechStarted, SpeechSuspected

OURS_TOO = {
    "SpeechSuspectedFrame",
    "InterruptionReportFrame",
    "UserTurnStartProposed",
    "UserTurnStopProposed",
    "VADUserStartedSpeakingFrame",
    "VADUserStoppedSpeakingFrame",
    "UserStartedSpeakingFrame",
    "UserStoppedSpeakingFrame",
    "ContextCorrectionFrame",
    "LLMServiceMetadataFrame",
    "LiveServiceMetadataFrame",
}
"""What our service tells besides: reports, and user turns, which server VAD leaves out."""


def loud(number: int) -> dict[str, Any]:
    """100 ms of sound that is unlike that of another number."""
    return audio(5000 + 1000 * number, samples=2400)


def told(frame: Frame) -> tuple[str, Any]:
    """A frame's kind and what it holds."""
    if isinstance(frame, OutputAudioRawFrame):
        return type(frame).__name__, frame.audio
    text = isinstance(frame, TextFrame | TranscriptionFrame)
    return type(frame).__name__, frame.text if text else None


def without(frames: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """``frames`` without what the two services do differently on purpose.

    Ours has metadata of its own kind. And after the server's ``interrupted`` Pipecat's lets the
    reply end twice, by the InterruptionFrame and by LLMFullResponseEndFrame; after a pipeline's
    interruption, and with ours always, the first has to do.
    """
    kept = [one for one in frames if one[0] not in OURS_TOO]
    kinds = [kind for kind, _ in kept]
    twice = [
        at
        for at, kind in enumerate(kinds)
        if kind == "LLMFullResponseEndFrame" and "InterruptionFrame" in kinds[at - 2 : at]
    ]
    return [one for at, one in enumerate(kept) if at not in twice]


class Log(Tap):
    """Notes frames as they are when they pass; one may be emptied later."""

    def __init__(self) -> None:
        super().__init__()
        self.told_down: list[tuple[str, Any]] = []
        self.told_up: list[tuple[str, Any]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        down = direction is FrameDirection.DOWNSTREAM
        (self.told_down if down else self.told_up).append(told(frame))
        await super().process_frame(frame, direction)


def calls(lines: Lines, service: Any, speaks: bool) -> tuple[list[Any], list[Any], list[Any]]:
    """Frames that the service sent down and up, and the context, of one scripted call."""
    before, after = Log(), Log()
    context = LLMContext([{"role": "user", "content": "Hello."}])
    pair = LLMContextAggregatorPair(context)

    def fact(kind: Any) -> None:
        if speaks:
            now = service.call.now_ms()
            service.call.apply(kind(now, now) if kind is not SpeechEnded else kind(now))

    async def settle() -> None:
        await asyncio.sleep(0.2)  # longer than what was sent takes to be played

    async def scenario() -> None:
        steps = [pair.user(), before, service, after, pair.assistant()]
        async with running(*steps, enable_rtvi=False) as worker:
            await after.until(lambda: after.of(StartFrame))
            await worker.queue_frame(LLMRunFrame())
            while not lines.opened or not lines.line.sent:
                await asyncio.sleep(0.01)
            feed = lines.line.feed
            feed(loud(1), said("One "), loud(2))
            await settle()
            fact(SpeechSuspected)
            await asyncio.sleep(0.3)
            fact(SpeechStarted)
            feed(loud(3), merged(loud(4), said("two. ")))  # nobody has interrupted
            await settle()
            feed(merged(INTERRUPTED), COMPLETE)
            await settle()
            fact(SpeechEnded)
            await settle()
            feed(content(inputTranscription={"text": "And now?"}))
            await settle()
            feed(loud(5), said("Three."), GENERATED, COMPLETE)
            await settle()
            text = InputTextRawFrame("More.")
            text.append_to_context = False  # the assistant aggregator would take it for its own
            await worker.queue_frame(text)
            await settle()
            feed(loud(6), said("Four."), GENERATED, COMPLETE)
            await settle()
            await worker.queue_frame(InterruptionFrame())
            await settle()

    run_virtual(scenario())
    return (
        after.told_down,
        before.told_up,
        [(m["role"], m["content"]) for m in context.get_messages()],
    )


def stock(lines: Lines) -> GeminiLiveLLMService:
    service = GeminiLiveLLMService(api_key="no-key")
    service._client.aio._live = lines
    return service


@pytest.mark.parametrize("speaks", [False, True], ids=["nobody speaks", "the ears hear speech"])
def test_every_frame_is_the_stock_services(speaks):
    lines = Lines()
    down, up, context = calls(lines, stock(lines), speaks=False)
    lines = Lines()
    ours = service_over(lines, policy="off")
    our_down, our_up, our_context = calls(lines, ours, speaks)
    assert without(our_down) == without(down)
    assert without(our_up) == without(up)
    assert our_context == context
    told_speech = any(kind == SpeechSuspectedFrame.__name__ for kind, _ in our_down)
    assert told_speech == speaks
    assert len([kind for kind, _ in down if kind == "InterruptionFrame"]) == 2
