"""The way up: everything that goes to the server, in order, without ever blocking the media loop.

Writes to Gemini were seen to block for 2.3 to 5.0 s in the middle of a session
(rasonyang/ai-native-callcenter, 20 September 2026), so microphone sound only queues here. The queue
is bounded; when it is full the oldest sound goes, which the server cannot use any more, and that is
reported. Nothing but sound is ever thrown away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed

Write = Callable[[], Awaitable[None]]

MAX_QUEUED = 1000
"""Messages, 20 s of 20 ms chunks."""


@dataclass(slots=True)
class _Letter:
    write: Write
    sound: bool
    sent: asyncio.Future[None] | None


class Uplink:
    """Sends letters one after the other.

    Args:
        on_overflow: Called with the number of sound messages lost so far, each time one is.
        limit: Most messages in the queue.
    """

    def __init__(self, on_overflow: Callable[[int], None], limit: int = MAX_QUEUED) -> None:
        self._queue: deque[_Letter] = deque()
        self._filled = asyncio.Event()
        self._limit = limit
        self._lost = 0
        self._on_overflow = on_overflow
        self._broken: Exception | None = None

    @property
    def broken(self) -> bool:
        """Whether the connection is gone."""
        return self._broken is not None

    def post(self, write: Write, *, sound: bool = False) -> None:
        """Queue a message and return at once.

        Raises:
            Exception: What an earlier write raised; the connection is gone.
        """
        if self._broken is not None:
            raise self._broken
        self._put(_Letter(write, sound, None))

    async def send(self, write: Write) -> None:
        """Queue a message and wait until it was written.

        Raises:
            Exception: What the write raised.
        """
        if self._broken is not None:
            raise self._broken
        letter = _Letter(write, False, asyncio.get_running_loop().create_future())
        self._put(letter)
        assert letter.sent is not None
        await letter.sent

    async def run(self) -> None:
        """Write until cancelled or until a write fails."""
        while True:
            await self._filled.wait()
            while self._queue:
                letter = self._queue.popleft()
                try:
                    await letter.write()
                except (ValueError, TypeError) as error:
                    self._refuse(letter, error)
                except (ConnectionClosed, OSError) as error:
                    # Whoever sends next learns why; the receiver learns it from the line itself.
                    self._break(letter, error)
                    return
                else:
                    if letter.sent is not None and not letter.sent.done():
                        letter.sent.set_result(None)
            self._filled.clear()

    def _put(self, letter: _Letter) -> None:
        if len(self._queue) >= self._limit:
            for position, queued in enumerate(self._queue):
                if queued.sound:
                    del self._queue[position]
                    self._lost += 1
                    self._on_overflow(self._lost)
                    break
        self._queue.append(letter)
        self._filled.set()

    def _refuse(self, letter: _Letter, error: Exception) -> None:
        """The SDK found the message itself wrong: its sender must know, the line is fine."""
        if letter.sent is None:
            raise error
        if not letter.sent.done():
            letter.sent.set_exception(error)

    def _break(self, letter: _Letter, error: Exception) -> None:
        self._broken = error
        for waiting in (letter, *self._queue):
            if waiting.sent is not None and not waiting.sent.done():
                waiting.sent.set_exception(error)
        self._queue.clear()
