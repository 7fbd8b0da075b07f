"""The local transport over a made-up sound card, in virtual time; real cards: tests/devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    StartFrame,
)
from pipelines import Tap, running
from test_hold import (
    FADE,
    FADE_STEP,
    RATE,
    Caller,
    Player,
    check_that_a_notice_is_not_held,
    check_that_the_end_lets_a_hold_go,
    hum,
    largest_step,
    stretches,
)
from virtual_time import run_virtual

from pipeline_live.devices import LocalAudio, local_audio
from pipeline_live.errors import UsageError
from pipeline_live.processors import LocalTransport, LocalTransportParams, Playback
from pipeline_live.session import Call
from pipeline_live.turn.events import (
    SpeechDismissed,
    SpeechSuspected,
    StopRequested,
    TurnCompleted,
)

PULL_MS = 10


class Card:
    """Pulls 10 ms every 10 ms, and brings 20 ms of a microphone; in place of ``LocalAudio``'s."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard = bytearray()
        self.open = 0
        card = self

        async def open_loudspeaker(audio: LocalAudio) -> None:
            audio.pulling = asyncio.create_task(card.pull(audio))  # type: ignore[attr-defined]
            card.open += 1

        async def open_microphone(audio: LocalAudio) -> None:
            audio.speaking = asyncio.create_task(card.speak(audio))  # type: ignore[attr-defined]
            card.open += 1

        async def close(audio: LocalAudio) -> None:
            for name in ("pulling", "speaking"):
                task = vars(audio).pop(name, None)
                if task is not None:
                    task.cancel()
                    card.open -= 1

        monkeypatch.setattr(LocalAudio, "open_loudspeaker", open_loudspeaker)
        monkeypatch.setattr(LocalAudio, "open_microphone", open_microphone)
        monkeypatch.setattr(LocalAudio, "close", close)

    async def pull(self, audio: LocalAudio) -> None:
        while True:
            self.heard += audio._source(RATE * PULL_MS // 1000)
            await asyncio.sleep(PULL_MS / 1000)

    async def speak(self, audio: LocalAudio) -> None:
        while True:
            await asyncio.sleep(0.02)
            audio._heard(b"\1\0" * 320)


class Stage(Player):
    """A call, a Playback and the transport over a made-up card, which knows what was heard."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **params: Any) -> None:
        self.card = Card(monkeypatch)
        self.call = Call()
        self.transport = LocalTransport(LocalTransportParams(**params))
        self.tap = Tap()

    @asynccontextmanager
    async def live(self) -> AsyncIterator[Any]:
        steps = (self.transport.input(), Caller(self.call), Playback(), self.transport.output())
        async with running(*steps, self.tap) as worker:
            await self.tap.until(lambda: self.tap.of(StartFrame))
            yield worker

    def run(self, play: Callable[[Any], Awaitable[None]]) -> np.ndarray:
        async def scenario() -> None:
            async with self.live() as worker:
                await play(worker)

        run_virtual(scenario())
        assert self.card.open == 0, "a device was left open"
        return np.frombuffer(bytes(self.card.heard), "<i2")


def test_a_reply_is_played_whole_and_the_microphone_comes_in(monkeypatch: Any) -> None:
    stage = Stage(monkeypatch)

    async def play(worker: Any) -> None:
        await worker.queue_frame(stage.say(1000))
        await asyncio.sleep(1.5)

    (only,) = stretches(stage.run(play))
    assert np.array_equal(only[FADE : len(hum(1000))], hum(1000)[FADE:])
    assert len(stage.tap.of(InputAudioRawFrame)) > 50
    assert not stage.call.ledger.waiting()


def test_a_hold_acts_at_the_device_and_nothing_is_lost_or_clicks(monkeypatch: Any) -> None:
    stage = Stage(monkeypatch)
    held: list[int] = []

    async def play(worker: Any) -> None:
        await worker.queue_frame(stage.say(2000))
        await asyncio.sleep(0.713)
        held.append(len(stage.card.heard) // 2)
        stage.fact(SpeechSuspected)
        await asyncio.sleep(0.4)
        stage.fact(SpeechDismissed)
        await asyncio.sleep(2)

    heard = stage.run(play)
    before, after = stretches(heard)
    assert largest_step(before) <= FADE_STEP
    assert largest_step(after) <= FADE_STEP
    last = int(np.flatnonzero(heard[: held[0] + RATE // 10])[-1])
    assert last - held[0] <= FADE, "it goes on sounding after the hold"
    at = len(before) - FADE
    assert np.array_equal(after[FADE : len(hum(2000)) - at], hum(2000)[at + FADE :])
    assert stage.call.sink_holds


@pytest.mark.parametrize("hold_first", [False, True])
def test_a_stop_is_silent_at_the_device_before_its_frame_comes(
    monkeypatch: Any, hold_first: bool
) -> None:
    stage = Stage(monkeypatch)
    stopped: list[int] = []

    async def play(worker: Any) -> None:
        await worker.queue_frame(stage.say(3000))
        await asyncio.sleep(0.513)
        if hold_first:
            stage.fact(SpeechSuspected)
            await asyncio.sleep(0.2)
        stopped.append(len(stage.card.heard) // 2)
        stage.fact(StopRequested, True)
        await asyncio.sleep(0.05)
        await worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(2)

    heard = stage.run(play)
    assert not heard[stopped[0] + FADE + 1 :].any()
    (only,) = stretches(heard)
    assert largest_step(only) <= FADE_STEP


def test_the_next_reply_is_heard_whole_after_an_interruption(monkeypatch: Any) -> None:
    stage = Stage(monkeypatch)

    async def play(worker: Any) -> None:
        await worker.queue_frame(stage.say(3000))
        await asyncio.sleep(0.5)
        stage.fact(StopRequested, True)
        await worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(0.02)
        stage.fact(TurnCompleted)
        await worker.queue_frame(stage.say(700))
        await asyncio.sleep(2)

    parts = stretches(stage.run(play))
    assert np.array_equal(parts[-1][FADE : len(hum(700))], hum(700)[FADE:])


def test_the_end_of_the_bot_lets_a_hold_go(monkeypatch: Any) -> None:
    check_that_the_end_lets_a_hold_go(Stage(monkeypatch))


def test_what_may_not_be_interrupted_is_not_held(monkeypatch: Any) -> None:
    check_that_a_notice_is_not_held(Stage(monkeypatch))


def test_only_one_direction_opens_only_one_device(monkeypatch: Any) -> None:
    stage = Stage(monkeypatch, audio_in_enabled=False)

    async def play(worker: Any) -> None:
        await asyncio.sleep(0.1)
        assert stage.card.open == 1

    stage.run(play)
    assert not stage.tap.of(InputAudioRawFrame)


def test_a_device_that_does_not_exist_is_told_in_the_pipeline(monkeypatch: Any) -> None:
    monkeypatch.setattr(local_audio, "devices", lambda kind: [])
    transport = LocalTransport(LocalTransportParams(loudspeaker="hdmi", microphone="nothing"))
    tap = Tap()

    async def scenario() -> None:
        async with running(tap, transport.output()):
            await tap.until(lambda: [each for each in tap.up if isinstance(each, ErrorFrame)])

    asyncio.run(asyncio.wait_for(scenario(), 20))
    (error,) = [each for each in tap.up if isinstance(each, ErrorFrame)]
    assert error.error == "no loudspeaker 'hdmi': there is none at all; plug one in"


def test_a_rate_that_no_card_can_do_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="no sound card is opened at 400000 Hz; use 8000 to"):
        LocalTransport(LocalTransportParams(audio_out_sample_rate=400_000))
