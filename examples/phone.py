"""A phone: calls a bot as Twilio's media streams do, asks, interrupts the answer, and hangs up.

    python phone.py [ws://localhost:7860/ws]

It plays what the bot sends as a phone network does: in real time, from a buffer that only Twilio's
``clear`` empties. Leaves phone.wav in the current folder: caller left, bot right.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
from support import voice
from websockets.asyncio.client import ClientConnection, connect

from pipeline_live.audio import INPUT_RATE, resample

RATE = 8000
TICK = RATE // 50
LOUD = 500
PATIENCE_S = 60


@dataclass
class Phone:
    """One call; ``caller`` and ``bot`` are what was said, sample by sample."""

    socket: ClientConnection
    caller: bytearray = field(default_factory=bytearray)
    bot: bytearray = field(default_factory=bytearray)
    clears: int = 0
    _to_say: bytes = b""
    _to_play: bytearray = field(default_factory=bytearray)

    async def dial(self) -> None:
        """Say who is calling."""
        start = {"streamSid": "MZ1", "callSid": "CA1", "customParameters": {"from_number": "+41"}}
        await self._send({"event": "connected", "protocol": "Call"})
        await self._send({"event": "start", "streamSid": "MZ1", "start": start})

    async def stream(self) -> None:
        """Speak and play, 20 ms at a time, until the call ends."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            said, self._to_say = self._to_say[: 2 * TICK], self._to_say[2 * TICK :]
            said = said.ljust(2 * TICK, b"\0")
            played = bytes(self._to_play[: 2 * TICK]).ljust(2 * TICK, b"\0")
            del self._to_play[: 2 * TICK]
            self.caller += said
            self.bot += played
            payload = base64.b64encode(to_ulaw(said)).decode()
            await self._send({"event": "media", "streamSid": "MZ1", "media": {"payload": payload}})
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def listen(self) -> None:
        """Take what the bot sends until it hangs up."""
        async for raw in self.socket:
            message = json.loads(raw)
            if message["event"] == "media":
                self._to_play += from_ulaw(base64.b64decode(message["media"]["payload"]))
            elif message["event"] == "clear":
                self.clears += 1
                self._to_play.clear()

    async def say(self, words: str) -> int:
        """Say something; returns when it begins, in ms since the call began."""
        pcm = resample(await asyncio.to_thread(voice, words), INPUT_RATE, RATE)
        self._to_say, begun = pcm, self.now_ms()
        await self.until(lambda: not self._to_say)
        return begun

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - a person listens now and again
                await asyncio.sleep(0.02)

    def now_ms(self) -> int:
        """Milliseconds since the call began."""
        return len(self.caller) * 500 // RATE

    def loud_ms(self, since: int = 0) -> list[int]:
        """The 20 ms pieces from ``since`` on in which the bot was heard, by their time."""
        heard = np.frombuffer(bytes(self.bot), "<i2")
        pieces = heard[: len(heard) // TICK * TICK].reshape(-1, TICK)
        loud = np.flatnonzero(np.abs(pieces.astype(int)).max(axis=1) > LOUD) * 20
        return [int(ms) for ms in loud if ms >= since]

    def has_spoken(self, ms: int, since: int = 0) -> bool:
        """Whether the bot was heard for so long."""
        return len(self.loud_ms(since)) * 20 >= ms

    def is_quiet(self, ms: int = 800) -> bool:
        """Whether the bot has just been quiet for so long."""
        return not self.loud_ms(self.now_ms() - ms)

    async def _send(self, message: dict[str, object]) -> None:
        await self.socket.send(json.dumps(message))


def to_ulaw(pcm: bytes) -> bytes:
    """s16le as G.711 mu-law."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    size = np.minimum(np.abs(samples), 32_635) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    code = (samples < 0) * 128 + exponent * 16 + ((size >> (exponent + 3)) & 15)
    return bytes((~code & 255).astype(np.uint8))


def from_ulaw(data: bytes) -> bytes:
    """G.711 mu-law as s16le."""
    code = ~np.frombuffer(data, np.uint8).astype(np.int32)
    size = (((code & 15) * 8 + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 128, -size, size).astype("<i2").tobytes()


async def converse(phone: Phone) -> None:
    """Be greeted, ask, interrupt the answer, hear the next one begin."""
    await phone.until(lambda: phone.has_spoken(500) and phone.is_quiet())
    print(f"greeted after {phone.loud_ms()[0]} ms", flush=True)
    asked = await phone.say("Please tell me a long story.")
    await phone.until(lambda: phone.has_spoken(1500, asked))
    onset = await phone.say("Sorry, please stop for a moment.")
    clears = phone.clears
    silent = max([ms + 20 for ms in phone.loud_ms(onset - 200) if ms < onset + 1500], default=onset)
    print(f"interrupted: silent {silent - onset} ms after the caller began, {clears} clear")
    await phone.until(lambda: phone.has_spoken(300, onset + 1500))
    print("answered, hanging up", flush=True)


async def call(url: str, person: Callable[[Phone], Awaitable[None]] = converse) -> Phone:
    """Call ``url`` and let ``person`` talk; the phone is hung up when they are done."""
    async with connect(url) as socket:
        phone = Phone(socket)
        await phone.dial()
        tasks = [asyncio.create_task(phone.stream()), asyncio.create_task(phone.listen())]
        try:
            await person(phone)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return phone


def record(phone: Phone, path: str) -> None:
    """Write both sides."""
    size = min(len(phone.caller), len(phone.bot)) // 2
    sides = [np.frombuffer(bytes(side), "<i2")[:size] for side in (phone.caller, phone.bot)]
    with wave.open(path, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(np.stack(sides, axis=1).tobytes())


if __name__ == "__main__":
    record(
        asyncio.run(call(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:7860/ws")),
        "phone.wav",
    )
