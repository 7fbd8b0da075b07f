"""The player of plain programs: hold, resume, flush, and what was heard; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from fakes import COMPLETE, Line, Reader, audio, said, session_on
from virtual_time import run_virtual

from pipeline_live.audio import to_array
from pipeline_live.session import Call, Player, player
from pipeline_live.turn import Floor
from pipeline_live.turn.events import (
    AudioReceived,
    SpeechDismissed,
    SpeechStarted,
    SpeechSuspected,
    StopRequested,
)
from pipeline_live.turn.playout import Reply

RATE = 24_000
FADE = RATE * 5 // 1000


def hum(ms: int) -> bytes:
    at = np.arange(24 * ms) / RATE
    return (6000 * np.sin(2 * np.pi * 200 * at) + 12_000).astype("<i2").tobytes()


class Sink:
    """Pulls 10 ms every 10 ms."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.heard = bytearray()
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        while True:
            self.heard += self.player.pull(240)
            await asyncio.sleep(0.01)

    @property
    def samples(self) -> np.ndarray:
        return to_array(bytes(self.heard))


class Stage:
    def __init__(self, latency_ms: int = 0) -> None:
        self.call = Call()
        self.player = Player(self.call, latency_ms=latency_ms)
        self.sink = Sink(self.player)

    async def say(self, ms: int) -> None:
        self.call.apply(AudioReceived(self.call.now_ms(), 24 * ms))
        await self.player.play(hum(ms), self.call.machine.reply)

    def suspect(self) -> None:
        now = self.call.now_ms()
        self.call.apply(SpeechSuspected(now, now))


def live(play: Callable[[Stage], Awaitable[None]], latency_ms: int = 0) -> None:
    async def scenario() -> None:
        stage = Stage(latency_ms)
        try:
            await play(stage)
        finally:
            stage.sink.task.cancel()
            stage.player.close()
            stage.call.end()

    run_virtual(scenario())


def test_what_was_pulled_is_what_was_heard() -> None:
    async def play(stage: Stage) -> None:
        await stage.say(1000)
        await asyncio.sleep(0.505)
        assert 490 <= stage.call.heard_ms() <= 510
        assert 490 <= stage.player.waiting_ms <= 510
        await asyncio.sleep(1)
        assert stage.call.heard_ms() == 1000
        assert not stage.call.ledger.waiting()
        assert bytes(stage.sink.heard[: len(hum(1000))][FADE * 2 :]) == hum(1000)[FADE * 2 :]

    live(play)


def test_what_the_sink_has_taken_is_heard_later() -> None:
    async def play(stage: Stage) -> None:
        await stage.say(1000)
        await asyncio.sleep(0.505)
        assert 380 <= stage.call.heard_ms() <= 410

    live(play, latency_ms=100)


def test_a_false_alarm_loses_nothing() -> None:
    async def play(stage: Stage) -> None:
        await stage.say(1000)
        await asyncio.sleep(0.305)
        stage.suspect()
        at = len(stage.sink.samples)
        await asyncio.sleep(0.4)
        assert not stage.sink.samples[at + FADE :].any()
        stage.call.apply(SpeechDismissed(stage.call.now_ms()))
        await asyncio.sleep(1)
        assert stage.call.heard_ms() == 1000
        after = stage.sink.samples[at + 9600 : at + 9600 + 24000 - at]
        assert np.array_equal(after[FADE:], to_array(hum(1000))[at:][FADE:])

    live(play)


def test_confirmed_speech_ends_the_reply_and_the_report_says_when_it_was_silent() -> None:
    async def play(stage: Stage) -> None:
        await stage.say(3000)
        await asyncio.sleep(0.5)
        stage.suspect()
        held_ms = stage.call.now_ms()
        await asyncio.sleep(0.2)
        now = stage.call.now_ms()
        stage.call.apply(SpeechStarted(now, now - 250))
        at = len(stage.sink.samples)
        await asyncio.sleep(1)
        assert not stage.sink.samples[at:].any()
        report = stage.call.interruption
        assert report is not None
        assert report.silent_ms == held_ms + 30 + 5
        assert 450 <= report.heard_ms <= 510
        assert stage.player.waiting_ms == 0

    live(play, latency_ms=30)


def test_a_stop_leaves_nothing_and_the_next_reply_is_whole() -> None:
    async def play(stage: Stage) -> None:
        await stage.say(3000)
        await asyncio.sleep(0.5)
        dead = stage.call.machine.reply
        stage.call.apply(StopRequested(stage.call.now_ms()))
        at = len(stage.sink.samples)
        await stage.player.play(hum(500), dead)
        await asyncio.sleep(0.5)
        assert not stage.sink.samples[at + FADE :].any()
        assert stage.player.waiting_ms == 0

    live(play)


def test_a_full_player_holds_its_program_back_and_an_interruption_lets_it_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(player, "MAX_WAITING_MS", 1000)

    async def play(stage: Stage) -> None:
        stage.sink.task.cancel()
        await stage.say(player.MAX_WAITING_MS)
        waiting = asyncio.create_task(stage.player.play(hum(20), stage.call.machine.reply))
        await asyncio.sleep(1)
        assert not waiting.done()
        stage.call.apply(StopRequested(stage.call.now_ms()))
        await asyncio.sleep(0.1)
        assert waiting.done()
        assert stage.player.waiting_ms == 0

    live(play)


def test_no_sound_is_no_sound_and_a_closed_player_is_silent() -> None:
    async def play(stage: Stage) -> None:
        await stage.player.play(None, None)
        await stage.player.play(b"", stage.call.machine.reply)
        await stage.say(1000)
        stage.player.close()
        await asyncio.sleep(0.02)
        at = len(stage.sink.samples)
        await asyncio.sleep(0.1)
        await stage.say(1000)  # a line that still brings something
        await asyncio.sleep(0.1)
        assert not stage.sink.samples[at:].any()

    live(play)


def test_who_waits_for_room_is_let_go_when_the_player_is_closed() -> None:
    async def scenario() -> None:
        player = Player(Call())
        reply = Reply(1)
        await player.play(bytes(2 * RATE * 600), reply)
        waiting = asyncio.ensure_future(player.play(hum(20), reply))
        await asyncio.sleep(0)
        assert not waiting.done()
        player.close()
        await asyncio.wait_for(waiting, 1)

    run_virtual(scenario())


def test_a_sound_card_may_pull_after_the_program_has_ended() -> None:
    async def scenario() -> Player:
        player = Player(Call())
        await player.play(hum(20), Reply(1))
        return player

    player = run_virtual(scenario())
    assert len(player.pull(480)) == 960


def test_over_a_session_heard_words_follow_the_sound() -> None:
    async def scenario() -> None:
        line = Line()
        async with session_on(line, Call(floor=Floor.SERVER)) as session:
            kept = Player(session.call)
            sink = Sink(kept)
            reader = Reader(session)
            line.feed(said("One two three four five six"), audio(9, samples=24_000), COMPLETE)
            await reader.until(lambda reader: reader.turns == 1)
            reply = session.call.machine.reply
            assert reply is not None
            for message in reader.messages:
                await kept.play(message.data, reply)
            await asyncio.sleep(0.5)
            assert session.call.ledger.heard_text(reply) == "One two three"
            await asyncio.sleep(0.7)
            assert session.call.ledger.heard_text(reply) == "One two three four five six"
            for task in (sink.task, reader.task):
                task.cancel()
            kept.close()

    run_virtual(scenario())
