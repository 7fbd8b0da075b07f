"""A connection between a stand-in WebSocket and a stand-in mind."""

import asyncio
import json
import random

import pytest

from pipeline_live.emulator import connection
from pipeline_live.emulator.connection import Connection
from pipeline_live.emulator.families import FAMILIES
from pipeline_live.emulator.messages import Refused
from pipeline_live.emulator.stage import Send

TEXT = json.dumps({"realtimeInput": {"text": "a"}})


class Socket:
    """Yields frames as fast as they are read, then stays open; keeps what is sent."""

    def __init__(self, frames):
        self.frames = list(frames)
        self.read = 0
        self.sent = []
        self.drained = asyncio.Event()

    async def __aiter__(self):
        for frame in self.frames:
            self.read += 1
            yield frame
        self.drained.set()
        await asyncio.Event().wait()

    async def send(self, data):
        self.sent.append(json.loads(data))


class Mind:
    """Counts what it hears, and does it only when told to."""

    def __init__(self):
        self.backlog = 0
        self.out = []
        self.next_due_ms = None
        self.is_idle = True

    def hear(self, message, at_ms):
        self.backlog += 1

    def due(self, now_ms):
        if not self.is_idle:
            self.backlog = 0
            self.next_due_ms = None
        out, self.out = self.out, []
        return out


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def test_reading_waits_while_the_mind_is_behind(monkeypatch):
    monkeypatch.setattr(connection, "_MOST_BACKLOG", 10)

    async def call():
        socket, mind = Socket([TEXT] * 15), Mind()
        mind.next_due_ms = connection.now_ms() + 50
        task = asyncio.create_task(Connection(socket, mind, FAMILIES[0], random.Random(0)).run())
        await settle()
        stuck = socket.read
        mind.is_idle = False
        await asyncio.wait_for(socket.drained.wait(), 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return stuck

    assert asyncio.run(call()) == 11


def test_what_is_due_is_sent_in_order():
    async def call():
        socket, mind = Socket([TEXT]), Mind()
        mind.out = [Send(0, {"a": 1}), Send(0, {"b": 2})]
        task = asyncio.create_task(Connection(socket, mind, FAMILIES[0], random.Random(0)).run())
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return socket.sent

    assert asyncio.run(call()) == [{"a": 1}, {"b": 2}]


def test_a_refusal_ends_the_conversation_and_is_passed_on():
    async def call():
        await Connection(Socket(["{"]), Mind(), FAMILIES[0], random.Random(0)).run()

    with pytest.raises(Refused):
        asyncio.run(call())
