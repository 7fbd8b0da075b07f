"""In-memory ends for the session layer: a real SDK session over a line that a test holds."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from google import genai
from google.genai import live
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from pipeline_live.session import Call, LiveSession
from pipeline_live.turn.policy import Floor

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine, with a bound."""
    return asyncio.run(asyncio.wait_for(coroutine, 20))


class Line:
    """A WebSocket as google-genai sees it: the test feeds frames and reads what was sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._frames: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self._closed: Exception | None = None
        self.block: asyncio.Event | None = None

    def feed(self, *messages: dict[str, Any] | str) -> None:
        for message in messages:
            raw = message if isinstance(message, str) else json.dumps(message)
            self._frames.put_nowait(raw.encode())

    def end(self, code: int = 1011, reason: str = "gone") -> None:
        close = Close(code, reason)
        self._closed = ConnectionClosedError(close, close, True)
        self._frames.put_nowait(self._closed)

    async def recv(self, decode: bool | None = None) -> bytes:
        frame = await self._frames.get()
        if isinstance(frame, Exception):
            self._frames.put_nowait(frame)
            raise frame
        return frame

    async def send(self, text: str) -> None:
        if self.block is not None:
            await self.block.wait()
        if self._closed is not None:
            raise self._closed
        self.sent.append(json.loads(text))

    async def close(self) -> None:
        self.end(1000, "")


@asynccontextmanager
async def session_on(
    line: Line, call: Call | None = None, **options: Any
) -> AsyncIterator[LiveSession]:
    """A LiveSession over ``line``; its call does not listen unless given one that does."""
    client = genai.Client(api_key="no-key")
    sdk = live.AsyncSession(api_client=client._api_client, websocket=line)  # type: ignore[arg-type]
    async with LiveSession(sdk, call or Call(floor=Floor.SERVER), **options) as session:
        yield session


def sent_sound(line: Line) -> bytes:
    """All sound that was sent; how it was cut into messages does not matter."""
    return b"".join(
        base64.urlsafe_b64decode(message["realtime_input"]["audio"]["data"])
        for message in line.sent
        if "audio" in message.get("realtime_input", {})
    )


def audio(*values: int, samples: int = 240, rate: str = ";rate=24000") -> dict[str, Any]:
    """A server message with one part of audio for each value; every sample has that value."""
    parts = [
        {
            "inlineData": {
                "mimeType": f"audio/pcm{rate}",
                "data": base64.b64encode(
                    value.to_bytes(2, "little", signed=True) * samples
                ).decode(),
            }
        }
        for value in values
    ]
    return {"serverContent": {"modelTurn": {"parts": parts}}}


def said(text: str) -> dict[str, Any]:
    return {"serverContent": {"outputTranscription": {"text": text}}}


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


INTERRUPTED = content(interrupted=True)
GENERATED = content(generationComplete=True)
COMPLETE = {**content(turnComplete=True), "usageMetadata": {"totalTokenCount": 7}}


def merged(*messages: dict[str, Any]) -> dict[str, Any]:
    """Bundle several messages into one."""
    bundle: dict[str, Any] = {"serverContent": {}}
    for message in messages:
        bundle["serverContent"].update(message.get("serverContent", {}))
        bundle.update({k: v for k, v in message.items() if k != "serverContent"})
    return bundle


def sounds(message: Any) -> list[int]:
    """The values of the audio parts of a received message, one per part."""
    turn = message.server_content and message.server_content.model_turn
    data = [p.inline_data.data for p in (turn.parts if turn else []) if p.inline_data]
    return [int.from_bytes(d[:2], "little", signed=True) for d in data if d]


class Reader:
    """Collects what a session yields, turn by turn, in the background."""

    def __init__(self, session: LiveSession) -> None:
        self.messages: deque[Any] = deque()
        self.turns = 0
        self._session = session
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            async for message in self._session.receive():
                self.messages.append(message)
                self._changed.set()
            self.turns += 1
            self._changed.set()

    @property
    def heard(self) -> list[int]:
        return [value for message in self.messages for value in sounds(message)]

    async def until(self, condition: Any) -> None:
        """Wait until ``condition(self)`` holds."""
        while not condition(self):
            if self.task.done():
                self.task.result()
            self._changed.clear()
            await self._changed.wait()
