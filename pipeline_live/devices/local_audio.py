"""``LocalAudio``: a microphone and a loudspeaker that know of each other, for an asyncio program.

The cards call back in threads of their own. What happens there is moving samples: out of the source
that the loudspeaker pulls, through the echo canceller, over to the event loop. Decisions are made
elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import TracebackType
from typing import Self

from loguru import logger

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, bytes_of, ms_to_samples
from pipeline_live.devices.echo import EchoCanceller
from pipeline_live.devices.keeper import Keeper
from pipeline_live.devices.level import Meter
from pipeline_live.devices.sound_cards import (
    Device,
    Kind,
    Pull,
    Stream,
    Take,
    check_installed,
    check_rate,
    devices,
)

CHUNK_MS = 20
"""Length of the pieces that the microphone gives."""
BUFFER_MS = 40
"""What the loudspeaker's device keeps ahead; it cannot be taken back."""
MAX_HEARD_CHUNKS = 100
"""Microphone sound that waits for the program, 2 s; when it is full the oldest is lost."""
_LOOK_AFTER_S = 0.25
_RECORDED_MS = 60
"""What a microphone's device holds at least before it loses something."""


class LocalAudio:
    """The sound cards of this machine, echo cancelled; ``async with`` opens and closes both.

    A missing device, or one that vanishes, does not end a call: the default takes its place, or
    nothing does, in real time, and ``tell`` is told.

    Args:
        source: What the loudspeaker pulls: gets a number of samples, returns mono s16le sound of
            exactly that many at ``output_rate``. Runs in the device's thread.
        microphone: Number, name or part of a name (``devices``); None for the system's default,
            ``"nothing"`` for silence.
        loudspeaker: The same.
        echo: Take the loudspeaker's sound out of the microphone's. Off for headsets, or where the
            system does it already.
        input_rate: Rate of the microphone's sound in Hz.
        output_rate: Rate of the source in Hz.
        buffer_ms: What the loudspeaker's device keeps ahead.
        tell: Gets one line about each thing that a person should know; by default it is logged.

    Attributes:
        heard: Level of the microphone, after echo cancellation.
        played: Level of the loudspeaker.

    Raises:
        UsageError: The extra ``local`` is not installed; a rate that no card can do; on opening, a
            device that does not exist.
    """

    def __init__(
        self,
        source: Pull,
        *,
        microphone: str | None = None,
        loudspeaker: str | None = None,
        echo: bool = True,
        input_rate: int = INPUT_RATE,
        output_rate: int = OUTPUT_RATE,
        buffer_ms: int = BUFFER_MS,
        tell: Callable[[str], None] = logger.warning,
    ) -> None:
        check_installed()
        check_rate(input_rate)
        check_rate(output_rate)
        self.input_rate, self.output_rate = input_rate, output_rate
        self.buffer_ms = buffer_ms
        self.heard, self.played = Meter(), Meter()
        self._source = source
        self._tell = tell
        self._echo = EchoCanceller(input_rate) if echo else None
        self._microphone = self._keeper(Kind.INPUT, microphone, self._recorded)
        self._loudspeaker = self._keeper(Kind.OUTPUT, loudspeaker, self._pulled)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.Task[None] | None = None
        self._collected = bytearray()
        self._pulls, self._records = _Pace(buffer_ms), _Pace(_RECORDED_MS)
        self._chunks: deque[bytes] = deque(maxlen=MAX_HEARD_CHUNKS)
        self._lost = 0
        self._asked = False
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Open both."""
        try:
            await self.open_loudspeaker()
            await self.open_microphone()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close both."""
        await self.close()

    async def open_microphone(self) -> None:
        """Open the microphone."""
        await self._open(self._microphone)

    async def open_loudspeaker(self) -> None:
        """Open the loudspeaker."""
        await self._open(self._loudspeaker)

    async def close(self) -> None:
        """Close what is open; nothing is called back any more."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.wait([looking])
        self._loop = None
        await asyncio.to_thread(self._close)

    async def chunks(self) -> AsyncIterator[bytes]:
        """What the microphone hears from now on: mono s16le pieces of 20 ms; for one listener."""
        self._asked = True
        try:
            while True:
                while self._chunks:
                    yield self._chunks.popleft()
                self._news.clear()
                await self._news.wait()
        finally:
            self._asked = False
            self._chunks.clear()

    @property
    def names(self) -> tuple[str, str]:
        """The microphone and the loudspeaker in use; empty while closed."""
        return self._microphone.name, self._loudspeaker.name

    @property
    def cancels_echo(self) -> bool:
        """Whether the loudspeaker's sound is taken out of the microphone's."""
        return self._echo is not None

    # --- the event loop's side -----------------------------------------------------------------

    def _keeper(self, kind: Kind, wanted: str | None, callback: Pull | Take) -> Keeper:
        rate = self.output_rate if kind is Kind.OUTPUT else self.input_rate
        buffer_ms = self.buffer_ms if kind is Kind.OUTPUT else CHUNK_MS

        def open_stream(device: Device) -> Stream:
            return Stream(device, kind, rate, buffer_ms, callback)

        return Keeper(kind, wanted, partial(devices, kind), open_stream, self._say)

    async def _open(self, keeper: Keeper) -> None:
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(keeper.open, time.monotonic())
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_after(), name="pipeline_live.devices")

    async def _look_after(self) -> None:
        """Opening a device takes too long for the event loop, so it is done beside it."""
        while True:
            await asyncio.sleep(_LOOK_AFTER_S)
            checking = asyncio.ensure_future(asyncio.to_thread(self._check))
            try:
                await asyncio.shield(checking)
            except asyncio.CancelledError:
                await checking
                raise

    def _say(self, line: str) -> None:
        """From any thread."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._tell, line)

    def _heard(self, chunk: bytes) -> None:
        if not self._asked:
            return
        if len(self._chunks) == self._chunks.maxlen:
            self._lost += 1
            if self._lost & (self._lost - 1) == 0:  # say it at 1, 2, 4, 8, …
                self._tell(f"the program is too slow: {self._lost} pieces of sound are lost")
        self._chunks.append(chunk)
        self._news.set()

    # --- in other threads ----------------------------------------------------------------------

    def _check(self) -> None:
        for keeper in (self._loudspeaker, self._microphone):
            keeper.check(time.monotonic())

    def _close(self) -> None:
        self._microphone.close()
        self._loudspeaker.close()

    def _pulled(self, samples: int) -> bytes:
        sound = self._source(samples)
        if self._echo is not None:
            if self._pulls.is_late():
                self._echo.stalled()
            self._echo.played(sound, self.output_rate)
        self.played.take(sound)
        return sound

    def _recorded(self, sound: bytes) -> None:
        if self._echo is not None:
            if self._records.is_late():
                self._echo.stalled()
            sound = self._echo.clean(sound)
        self._collected += sound
        size = bytes_of(ms_to_samples(CHUNK_MS, self.input_rate))
        while len(self._collected) >= size:
            chunk = bytes(self._collected[:size])
            del self._collected[:size]
            self.heard.take(chunk)
            loop = self._loop
            if loop is not None:
                loop.call_soon_threadsafe(self._heard, chunk)


class _Pace:
    """Tells when a device's thread comes so late that the device has run dry, or over."""

    def __init__(self, buffer_ms: int) -> None:
        self._most_s = buffer_ms / 1000
        self._last_s = time.monotonic()

    def is_late(self) -> bool:
        now = time.monotonic()
        gap, self._last_s = now - self._last_s, now
        return gap > self._most_s
