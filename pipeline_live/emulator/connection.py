"""One client's connection: moves messages between a WebSocket and a mind, by the loop's clock."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from pipeline_live.emulator import frames
from pipeline_live.emulator.families import Family
from pipeline_live.emulator.faults.situation import BlockReading, DelayPongs
from pipeline_live.emulator.mind import Mind
from pipeline_live.emulator.recording import SessionRecording
from pipeline_live.emulator.socket import Socket
from pipeline_live.emulator.stage import Send, Speak, Transcribe
from pipeline_live.emulator.transcription import transcribe
from pipeline_live.emulator.voice import lasting, synthesize
from pipeline_live.emulator.wire import read_message

# Enough for a minute of sound in pieces of 20 ms that came all at once, and for a long reply.
_MOST_BACKLOG = 8192


class Connection:
    """Reads, thinks and sends until either side closes.

    There is no queue of outgoing messages: what is due is written at once. While the client does
    not read, writing waits, and later messages stay in the mind, where an interruption still
    finds them. When the mind falls behind with what the client sends, reading waits.

    Args:
        websocket: An open connection, its setup message read.
        mind: What to say, on the same clock as ``now_ms``.
        family: Whose dialect to read and to write.
        rng: Decides which messages are written with line breaks.
        log: Where to write down what is said, or None.
    """

    def __init__(
        self,
        websocket: Socket,
        mind: Mind,
        family: Family,
        rng: random.Random,
        log: SessionRecording | None = None,
    ) -> None:
        self._websocket = websocket
        self._mind = mind
        self._family = family
        self._rng = rng
        self._log = log
        self._reads_from_ms = 0
        self._stirred = asyncio.Event()
        self._progress = asyncio.Event()
        self._voices: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Converse.

        Raises:
            Refused: The client broke a rule of the protocol; the caller closes the connection.
        """
        reader = asyncio.create_task(self._read())
        talker = asyncio.create_task(self._talk())
        tasks = {reader, talker}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with contextlib.suppress(ConnectionClosed):
                    task.result()
        finally:
            for task in tasks | self._voices:
                task.cancel()
            await asyncio.gather(*tasks, *self._voices, return_exceptions=True)

    async def _read(self) -> None:
        async for frame in self._websocket:
            await self._wait_to_read()
            if self._log is not None:
                self._log.client(frame)
            self._mind.hear(read_message(frame, vertex=self._family.vertex), now_ms())
            self._stirred.set()
            while self._mind.backlog > _MOST_BACKLOG:
                self._progress.clear()
                await self._progress.wait()

    async def _wait_to_read(self) -> None:
        """Wait while reading is blocked, but no longer than there is a connection."""
        wait_ms = self._reads_from_ms - now_ms()
        if wait_ms > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1000):
                    await self._websocket.wait_closed()

    async def _talk(self) -> None:
        while True:
            self._stirred.clear()
            for item in self._mind.due(now_ms()):
                if isinstance(item, Send):
                    pretty = self._rng.random() < self._family.pretty_share
                    await self._websocket.send(frames.encode(item.frame, pretty=pretty))
                    if self._log is not None:
                        self._log.sent(item.frame, item.at_ms)
                else:
                    self._do(item)
            self._progress.set()
            due_ms = self._mind.next_due_ms
            if due_ms is None:
                await self._stirred.wait()
            elif (wait_ms := due_ms - now_ms()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_ms / 1000):
                        await self._stirred.wait()
            else:
                await asyncio.sleep(0)  # whoever is due too, in another session

    def _do(self, item: Speak | Transcribe | BlockReading | DelayPongs) -> None:
        match item:
            case Speak():
                self._start(self._speak(item))
            case Transcribe():
                self._start(self._understand(item))
            case BlockReading():
                self._reads_from_ms = now_ms() + item.for_ms
            case DelayPongs():
                self._websocket.pong_delay_ms = item.by_ms

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._voices.add(task)
        task.add_done_callback(self._voices.discard)

    async def _understand(self, wanted: Transcribe) -> None:
        text = await asyncio.to_thread(transcribe, wanted.pcm)
        self._mind.understood(text, now_ms())
        self._stirred.set()

    async def _speak(self, wanted: Speak) -> None:
        speech = await asyncio.to_thread(synthesize, wanted.text, wanted.voice, wanted.speed)
        if wanted.length_ms is not None:
            speech = lasting(speech, wanted.length_ms)
        self._mind.spoken(wanted.ticket, speech, now_ms())
        self._stirred.set()


def now_ms() -> int:
    """The running loop's clock."""
    return int(asyncio.get_running_loop().time() * 1000)
