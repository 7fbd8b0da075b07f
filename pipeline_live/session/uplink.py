"""The way up: everything that goes to the server, in order, without ever blocking the media loop.

Writes to Gemini were seen to block for 2.3 to 5.0 s in the middle of a session
(rasonyang/ai-native-callcenter, 20 September 2026), so microphone sound only queues here. The queue
is bounded; when it is full the oldest sound goes, which the server cannot use any more, and that is
reported. Nothing but sound is ever thrown away.

A message costs the same however much sound it holds, so sound that has queued up goes together; and
a piece that is in no hurry waits a moment for the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from google.genai import types
from websockets.exceptions import ConnectionClosed

from pipeline_live.session.pre_roll import ms_of

Write = Callable[[], Awaitable[None]]
WriteSound = Callable[[types.Blob], Awaitable[None]]

MAX_QUEUED = 1000
"""Messages, 20 s of 20 ms chunks."""
TOGETHER_MS = 100
"""Sound that goes in one message at the most."""
ENOUGH_MS = 80
"""Sound of this length does not wait for more; Google recommends 20 to 40 ms a message, and 100 ms
were seen to work as well (frontier-on-cloud/gemini-live-stop-test)."""
PATIENCE_MS = 25
"""How long sound that is in no hurry waits for the next piece."""


@dataclass(slots=True)
class _Letter:
    write: Write | None
    sent: asyncio.Future[None] | None
    blob: types.Blob | None = None
    hurry: bool = True


class Uplink:
    """Sends letters one after the other.

    Args:
        write_sound: Sends one message with sound.
        on_overflow: Called with the number of sound messages lost so far, each time one is.
        limit: Most messages in the queue.
    """

    def __init__(
        self,
        write_sound: WriteSound,
        on_overflow: Callable[[int], None],
        limit: int = MAX_QUEUED,
    ) -> None:
        self._write_sound = write_sound
        self._queue: deque[_Letter] = deque()
        self._writing: _Letter | None = None
        self._filled = asyncio.Event()
        self._limit = limit
        self._lost = 0
        self._on_overflow = on_overflow
        self._broken: Exception | None = None

    @property
    def broken(self) -> bool:
        """Whether the connection is gone."""
        return self._broken is not None

    def post(self, write: Write) -> None:
        """Queue a message and return at once.

        Raises:
            Exception: What an earlier write raised; the connection is gone.
        """
        if self._broken is not None:
            raise self._broken
        self._put(_Letter(write, None))

    def post_sound(self, blob: types.Blob, *, hurry: bool = True) -> None:
        """Queue microphone sound and return at once.

        Args:
            blob: Mono s16le, its rate in the MIME type.
            hurry: It must not wait for more sound to go with.

        Raises:
            Exception: What an earlier write raised; the connection is gone.
        """
        if self._broken is not None:
            raise self._broken
        self._put(_Letter(None, None, blob, hurry))

    async def send(self, write: Write) -> None:
        """Queue a message and wait until it was written.

        Raises:
            Exception: What the write raised.
        """
        if self._broken is not None:
            raise self._broken
        letter = _Letter(write, asyncio.get_running_loop().create_future())
        self._put(letter)
        assert letter.sent is not None
        await letter.sent

    async def run(self) -> None:
        """Write until cancelled or until a write fails."""
        while True:
            await self._filled.wait()
            while self._queue:
                while self._may_wait() and await self._more():
                    pass
                letter = self._writing = self._queue.popleft()
                try:
                    await self._write(letter)
                except (ValueError, TypeError) as error:
                    self._refuse(letter, error)
                except (ConnectionClosed, OSError) as error:
                    self.close(error)  # the receiver learns it from the line itself
                    return
                else:
                    if letter.sent is not None and not letter.sent.done():
                        letter.sent.set_result(None)
            self._filled.clear()

    def _may_wait(self) -> bool:
        """Whether all that is queued is a little sound that is in no hurry."""
        ms = 0
        for letter in self._queue:
            if letter.blob is None or letter.hurry:
                return False
            ms += ms_of(letter.blob)
        return ms < ENOUGH_MS

    async def _more(self) -> bool:
        """Wait until something else is queued, but not for long; whether it was."""
        queued = len(self._queue)
        self._filled.clear()
        alarm = asyncio.get_running_loop().call_later(PATIENCE_MS / 1000, self._filled.set)
        try:
            await self._filled.wait()
        finally:
            alarm.cancel()
        return len(self._queue) > queued

    async def _write(self, letter: _Letter) -> None:
        if letter.write is not None:
            await letter.write()
        elif letter.blob is not None:
            await self._write_sound(self._joined(letter.blob))

    def _joined(self, blob: types.Blob) -> types.Blob:
        """``blob`` with the sound that is queued right behind it."""
        pieces, ms = [blob.data or b""], ms_of(blob)
        while self._queue and (follower := self._queue[0].blob) is not None:
            ms += ms_of(follower)
            if ms > TOGETHER_MS or follower.mime_type != blob.mime_type:
                break
            pieces.append(follower.data or b"")
            self._queue.popleft()
        if len(pieces) == 1:
            return blob
        return types.Blob(data=b"".join(pieces), mime_type=blob.mime_type)

    def _put(self, letter: _Letter) -> None:
        if len(self._queue) >= self._limit:
            for position, queued in enumerate(self._queue):
                if queued.blob is not None:
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

    def close(self, error: Exception) -> None:
        """Write nothing any more: whoever waits, or sends from now on, gets ``error``."""
        self._broken = self._broken or error
        for letter in (self._writing, *self._queue):
            if letter is not None and letter.sent is not None and not letter.sent.done():
                letter.sent.set_exception(error)
        self._queue.clear()
