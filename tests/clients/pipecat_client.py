"""Pipecat's own Gemini Live service in a pipeline with its own aggregators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from client_conversation import (
    AGAIN,
    ARGS,
    BARGE_IN,
    HELLO,
    MODEL,
    QUESTION,
    RESULT,
    TOOL,
    WEATHER,
    Seen,
    Turn,
    sound_of,
)
from google.genai.types import HttpOptions
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.services.llm_service import FunctionCallParams
from stock_pipecat import Call, Tap, calling

from pipeline_live.audio import INPUT_RATE, chunks
from pipeline_live.emulator import Emulator

try:
    from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
    from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
except ImportError:  # before 1.14
    from pipecat.adapters.schemas.function_schema import FunctionSchema
    from pipecat.adapters.schemas.tools_schema import ToolsSchema

LOSES_THE_LINE = "server-error@turn=5,connection=2,resumable=yes"
"""Pipecat resumes when its connection breaks, so it must: at the user's fifth turn. Its first
connection is gone by then, for it connects again when it learns of the tools."""
PROPERTIES = {name: {"type": "string"} for name in ARGS}
_SOON = 0.3
_CONNECTED = 0.8  # the answer to its setup takes 0.33 s
_STEP = 0.01
_PATIENCE = 15


class PipecatClient:
    """Holds the conversation.

    Args:
        emulator: The server, with the fault ``LOSES_THE_LINE``.
        chunk_s: Seconds between two chunks of 20 ms; 0 sends a sound at once.
    """

    def __init__(self, emulator: Emulator, *, chunk_s: float = 0.0) -> None:
        self._emulator = emulator
        self._chunk_s = chunk_s
        self._tap = Tap()
        self._calls: list[dict[str, Any]] = []
        self._service = GeminiLiveLLMService(
            api_key="any",
            http_options=HttpOptions(**emulator.http_options()),
            settings=GeminiLiveLLMService.Settings(model=MODEL),
        )
        self._service.register_function(TOOL["name"], self._look_outside)

    async def _look_outside(self, params: FunctionCallParams) -> None:
        self._calls.append({"name": params.function_name, "args": dict(params.arguments)})
        await params.result_callback(RESULT)

    async def converse(self) -> Seen:
        seen = Seen("Pipecat's GeminiLiveLLMService", version("pipecat-ai"))
        tools = ToolsSchema([FunctionSchema("get_weather", TOOL["description"], PROPERTIES, [])])
        context = LLMContext(messages=[{"role": "user", "content": HELLO}], tools=tools)
        pair = LLMContextAggregatorPair(context)
        around = pair.user(), self._service, self._tap, pair.assistant()
        async with calling(*around) as call:
            mark = self._tap.mark
            await call.send(LLMRunFrame())
            seen.text = await self._turn(mark)
            mark = self._tap.mark
            await self._speak(call, QUESTION)
            await self._until(lambda: bool(self._tap.frames(TTSAudioRawFrame, since=mark)))
            await asyncio.sleep(_SOON)
            await self._speak(call, BARGE_IN)
            await self._until(lambda: bool(self._tap.frames(InterruptionFrame, since=mark)))
            cut = self._cut_after(mark)
            seen.spoken = self._said(mark, cut)
            seen.after = await self._turn(cut)
            mark = self._tap.mark
            await call.send(InputTextRawFrame(text=WEATHER))
            seen.tool = await self._turn(mark)
            seen.tool.calls = self._calls
            await call.send(InputTextRawFrame(text=AGAIN))
            await self._until(lambda: len(self._emulator.sessions) > 2)
            await asyncio.sleep(_CONNECTED)
            mark = self._tap.mark
            await call.send(InputTextRawFrame(text=AGAIN))
            seen.resumed = await self._turn(mark)
        return seen

    async def _speak(self, call: Call, text: str) -> None:
        for chunk in chunks(sound_of(text), 640):
            frame = InputAudioRawFrame(audio=chunk, sample_rate=INPUT_RATE, num_channels=1)
            await call.worker.queue_frame(frame)
            await asyncio.sleep(self._chunk_s)

    async def _turn(self, mark: int) -> Turn:
        """The reply that begins after ``mark``, once it is over."""

        def over() -> bool:
            frames = self._tap.frames(TTSTextFrame, LLMFullResponseEndFrame, since=mark)
            spoke = [isinstance(frame, TTSTextFrame) for frame in frames]
            return True in spoke and False in spoke[spoke.index(True) :]

        await self._until(over)
        return self._said(mark)

    def _cut_after(self, mark: int) -> int:
        """The place right behind the interruption that came after ``mark``."""
        seen = self._tap.seen[mark:]
        return mark + [isinstance(frame, InterruptionFrame) for frame, _, _ in seen].index(True) + 1

    def _said(self, mark: int, end: int | None = None) -> Turn:
        frames = [frame for frame, _, _ in self._tap.seen[mark:end]]
        texts = [frame.text for frame in frames if isinstance(frame, TTSTextFrame)]
        sounds = [len(frame.audio) for frame in frames if isinstance(frame, TTSAudioRawFrame)]
        cut = any(isinstance(frame, InterruptionFrame) for frame in frames)
        return Turn("".join(texts).strip(), sum(sounds), interrupted=cut)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not condition():
                await asyncio.sleep(_STEP)
