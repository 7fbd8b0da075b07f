"""google-genai's own client, by API key or as Vertex."""

from __future__ import annotations

import asyncio
from typing import Any

from client_conversation import (
    AGAIN,
    BARGE_IN,
    HELLO,
    MODEL,
    QUESTION,
    RESULT,
    TOOL,
    VERTEX_MODEL,
    WEATHER,
    Seen,
    Turn,
    sound_of,
)
from google import genai
from google.genai import types

from pipeline_live.audio import INPUT_RATE, chunks
from pipeline_live.emulator import Emulator

_SOON = 0.3


class GenaiClient:
    """Holds the conversation.

    Args:
        emulator: The server.
        vertex: Use the Vertex path.
        chunk_s: Seconds between two chunks of 20 ms; 0 sends a sound at once.
    """

    def __init__(self, emulator: Emulator, *, vertex: bool, chunk_s: float = 0.0) -> None:
        options = emulator.http_options()
        self._client = genai.Client(vertexai=vertex, api_key="any", http_options=options)
        self._vertex = vertex
        self._chunk_s = chunk_s
        self._handle = ""

    async def converse(self) -> Seen:
        name = "google-genai, Vertex" if self._vertex else "google-genai, API key"
        seen = Seen(name, genai.__version__)
        async with self._connect() as session:
            await self._write(session, HELLO)
            seen.text = await self._turn(session)
            await self._speak(session, QUESTION)
            barging = asyncio.create_task(self._barge_in(session))
            seen.spoken = await self._turn(session)
            await barging
            seen.after = await self._turn(session)
            await self._write(session, WEATHER)
            seen.tool = await self._tool_turn(session)
        async with self._connect() as session:
            await self._write(session, AGAIN)
            seen.resumed = await self._turn(session)
        return seen

    def _connect(self) -> Any:
        config = types.LiveConnectConfig(
            response_modalities=[types.Modality.AUDIO],
            input_audio_transcription={},
            output_audio_transcription={},
            session_resumption={"handle": self._handle or None},
            tools=[{"function_declarations": [TOOL]}],
        )
        model = VERTEX_MODEL if self._vertex else MODEL
        self._sounding = asyncio.Event()
        return self._client.aio.live.connect(model=model, config=config)

    async def _write(self, session: Any, text: str) -> None:
        await session.send_realtime_input(text=text)

    async def _speak(self, session: Any, text: str) -> None:
        for chunk in chunks(sound_of(text), 640):
            blob = types.Blob(data=chunk, mime_type=f"audio/pcm;rate={INPUT_RATE}")
            await session.send_realtime_input(audio=blob)
            await asyncio.sleep(self._chunk_s)

    async def _barge_in(self, session: Any) -> None:
        self._sounding.clear()
        await self._sounding.wait()
        await asyncio.sleep(_SOON)
        await self._speak(session, BARGE_IN)

    async def _tool_turn(self, session: Any) -> Turn:
        """Until the answer; a call that does not block ends a turn of its own before it."""
        turn = await self._turn(session)
        while not turn.words:
            later = await self._turn(session)
            turn.words, turn.audio = later.words, later.audio
        return turn

    async def _turn(self, session: Any) -> Turn:
        turn = Turn()
        async for message in session.receive():
            update = message.session_resumption_update
            if update and update.new_handle:
                self._handle = update.new_handle
            if message.tool_call:
                for call in message.tool_call.function_calls:
                    turn.calls.append({"name": call.name, "args": call.args})
                    await session.send_tool_response(
                        function_responses=types.FunctionResponse(
                            id=call.id, name=call.name, response=RESULT
                        )
                    )
            content = message.server_content
            if content is None:
                continue
            if content.input_transcription:
                turn.heard += content.input_transcription.text or ""
            if content.output_transcription:
                turn.words += content.output_transcription.text or ""
            for part in content.model_turn.parts if content.model_turn else ():
                if part.inline_data:
                    turn.audio += len(part.inline_data.data)
                    self._sounding.set()
            turn.interrupted = turn.interrupted or bool(content.interrupted)
        return turn
