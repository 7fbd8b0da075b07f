"""Nothing stale, nothing lost, never mute: over thousands of random orders of what a server says.

A schedule is a chain of replies over one call, in virtual time. Each is ended somehow, on our side
or by the server, which then goes wrong in a random way: it sends more of the dead reply, bundled or
late, says ``interrupted`` never, once or twice, leaves out ``generationComplete`` or
``turnComplete`` or repeats it, calls a function, transcribes.
Half of the calls go on over a second connection. The sound of reply r is the constant r, so whoever
receives a sample can tell where it comes from.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from fakes import COMPLETE, GENERATED, INTERRUPTED, audio, content, merged, said
from fakes import sounds as sounds_of
from google.genai import types
from virtual_time import run_virtual

from pipeline_live.session import Call, LiveSession
from pipeline_live.turn import Floor
from pipeline_live.turn.events import (
    SpeechDismissed,
    SpeechEnded,
    SpeechStarted,
    SpeechSuspected,
)

SCHEDULES, CHAIN, CHUNKS = 800, 3, 8
ENDS = ("speech", "stop", "text", "turns", "server", "server, bundled", "nothing")
TOOL = {"toolCall": {"functionCalls": [{"id": "1", "name": "f", "args": {}}]}}
HEARD = content(inputTranscription={"text": "And now?"})
OVER = {"voiceActivity": {"voiceActivityType": "ACTIVITY_END"}}
QUIET_MS = 4500
"""Longer than any wait of the machine: what comes after it is a new reply without any boundary."""


@functools.cache
def parsed(raw: str) -> types.LiveServerMessage:
    return types.LiveServerMessage.model_validate_json(raw)


class Sdk:
    """Stands for google-genai's session: messages come from the test, what is sent is gone."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[types.LiveServerMessage] = asyncio.Queue()

    def feed(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._messages.put_nowait(parsed(json.dumps(message)))

    async def receive(self) -> AsyncIterator[types.LiveServerMessage]:
        while True:
            yield await self._messages.get()

    async def _send(self, **_: Any) -> None:
        """Send nothing."""

    send_realtime_input = send_client_content = _send


class Talk:
    """One schedule: who says what when, and what must come of it."""

    def __init__(self, seed: int, seen: Counter[str]) -> None:
        self.chance = random.Random(seed)
        self.seen = seen
        self.call = Call(floor=self.chance.choice([Floor.SERVER, Floor.LOCAL]))
        self.line = Sdk()
        self.session: Any = None
        self.spare_ends = 0  # turnCompletes that may count for an empty answer
        self.got: list[int] = []  # the value of every audio part that came out, in order
        self.ends = 0
        self.interruptions = 0

    def is_so(self, what: str, share: float = 0.5) -> bool:
        """Decide at random whether ``what`` happens, and count it."""
        happens = self.chance.random() < share
        self.seen[what] += happens
        return happens

    async def wait(self, *ms: int) -> None:
        await asyncio.sleep(self.chance.choice(ms) / 1000)

    async def receive(self, session: Any) -> None:
        while True:
            async for message in session.receive():
                self.got += sounds_of(message)
                server = message.server_content
                self.interruptions += bool(server and server.interrupted)
            self.ends += 1

    def fact(self, kind: Any) -> None:
        now = self.call.now_ms()
        self.call.apply(kind(now, now) if kind in (SpeechSuspected, SpeechStarted) else kind(now))

    # --- one reply and its end -------------------------------------------------------------

    async def speak(self, reply: int) -> None:
        """The server begins a reply; the user may cough over it."""
        for _ in range(self.chance.randrange(2, CHUNKS)):
            chunk = audio(*[reply] * self.chance.choice([1, 1, 3]))
            self.line.feed(merged(chunk, said("word ")) if self.is_so("transcript") else chunk)
            await self.wait(0, 20, 180)
            if self.is_so("hold", 0.2):
                self.fact(SpeechSuspected)
                await self.wait(30, 400, 1700)
                self.fact(SpeechDismissed)
        if self.is_so("a function in mid-reply", 0.1):
            self.line.feed(TOOL)
        if self.is_so("generationComplete before the end", 0.3):
            self.line.feed(GENERATED)

    async def decide(self, how: str, reply: int) -> None:
        """End the reply; when this returns, not a sample more of it may come out."""
        self.seen[f"ended by {how}"] += 1
        if self.is_so("held at the end", 0.3):
            self.fact(SpeechSuspected)
            await self.wait(60, 300)
        if how == "speech":
            self.fact(SpeechStarted)
        elif how == "stop":
            self.session.interrupt()
        elif how == "text":
            await self.session.send_realtime_input(text="And now?")
        elif how == "turns":
            await self.session.send_client_content(turns=[])
        else:
            first = audio(reply) if how == "server, bundled" else {}
            self.line.feed(merged(first, INTERRUPTED))
            await asyncio.sleep(0.001)

    async def go_wrong(self, how: str, reply: int) -> bool:
        """What the server does with the dead reply; returns whether it says that its turn ended."""
        ours = how in ("speech", "stop", "text", "turns")
        interrupted = self.chance.choice([0, 1, 2]) if ours else self.chance.choice([0, 1])
        self.seen[f"interrupted {interrupted} times {'by us' if ours else 'more'}"] += 1
        pieces = [audio(reply) for _ in range(self.chance.randrange(0, 5))]
        pieces += [INTERRUPTED] * interrupted
        if ours and self.is_so("generationComplete of a dead reply", 0.3):
            pieces.append(GENERATED)
        self.chance.shuffle(pieces)
        for piece in pieces:
            self.line.feed(piece)
            await self.wait(0, 1, 40, 180)
        ends = self.is_so("turnComplete", 0.7)
        if ends:
            self.line.feed(COMPLETE)
            await self.wait(0, 1, 30)
            if self.is_so("turnComplete twice", 0.15):
                self.line.feed(COMPLETE)
                self.spare_ends += how in ("text", "turns")
            if ours and not interrupted and self.is_so("interrupted after turnComplete", 0.2):
                self.line.feed(INTERRUPTED)
        return ends

    async def ask(self, how: str) -> None:
        """Make sure that there is a question for the next reply to answer."""
        if how == "speech":
            await self.wait(300, 1500)
            self.fact(SpeechEnded)
        elif how not in ("text", "turns"):
            await self.session.send_realtime_input(text="And now?")
        if self.is_so("input transcribed", 0.3):
            self.line.feed(HEARD)
        if self.is_so("the server's VAD ends the turn", 0.3):
            self.line.feed(OVER)
        await self.wait(1, 150)

    async def whole(self, reply: int) -> None:
        """A healthy reply, from its first sample to its last."""
        before = len(self.got)
        self.line.feed(*[audio(reply) for _ in range(CHUNKS)], GENERATED, COMPLETE)
        await asyncio.sleep(0.02)
        assert self.got[before:] == [reply] * CHUNKS, "lost"

    # --- a whole call ----------------------------------------------------------------------

    async def run(self) -> None:
        for part in range(self.chance.choice([1, 2])):
            self.seen["new connection"] += part
            self.line = Sdk()
            async with LiveSession(cast("Any", self.line), self.call) as self.session:
                receiving = asyncio.create_task(self.receive(self.session))
                await self.talk(100 * part)
                await self.whole(100 * part + 99)
                receiving.cancel()

    async def talk(self, first: int) -> None:
        for reply in range(first + 1, first + 1 + CHAIN):
            how = self.chance.choice(ENDS)
            started, self.spare_ends = self.ends, 0
            await self.speak(reply)
            assert reply in self.got, "mute"
            if how == "nothing":
                self.line.feed(GENERATED, COMPLETE)
                await asyncio.sleep(0.001)
                assert self.ends == started + 1
                continue
            told = self.interruptions
            await self.decide(how, reply)
            heard = self.got.count(reply)
            ended = await self.go_wrong(how, reply)
            await self.ask(how)
            if not ended:
                await asyncio.sleep(QUIET_MS / 1000)
            assert self.got.count(reply) == heard, f"stale after {how}"
            assert self.interruptions == told + 1, "interrupted is told once"
            assert 1 <= self.ends - started <= 1 + self.spare_ends, "every reply ends once"
        await self.whole(first + CHAIN + 1)


def play(seed: int, seen: Counter[str]) -> None:
    seen["schedules"] += 1
    talk = Talk(seed, seen)
    try:
        run_virtual(talk.run())
    except AssertionError as error:
        raise AssertionError(f"schedule {seed}: {error}") from error


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    """What happened how often, in all schedules together."""
    return Counter()


@pytest.mark.parametrize("block", range(4))
def test_nothing_stale_nothing_lost_never_mute(block, seen):
    for seed in range(block, SCHEDULES, 4):
        play(seed, seen)


def test_every_disorder_was_really_tried(seen):
    if seen["schedules"] < SCHEDULES:
        pytest.skip("the schedules above were not all played")
    rare = {what: count for what, count in seen.items() if count < SCHEDULES // 40}
    assert not rare
    assert {f"ended by {how}" for how in ENDS if how != "nothing"} <= set(seen)
