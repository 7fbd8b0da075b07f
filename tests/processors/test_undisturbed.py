"""What a barge-in must leave alone: other sound, other destinations, a protected reply."""

import asyncio
import wave
from typing import Any

import numpy as np
import pytest
from fakes import COMPLETE, GENERATED, audio, said
from pipecat.frames.frames import (
    EndFrame,
    InterruptionFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipelines import Lines, Tap, running, service_over
from virtual_time import run_virtual

from pipeline_live.processors import (
    FileSink,
    InterruptionSparedFrame,
    Playback,
    PlayoutHeldFrame,
    ProtectReplyFrame,
    local_turns,
    server_turns,
)
from pipeline_live.turn.events import SpeechDismissed, SpeechEnded, SpeechStarted, SpeechSuspected

RATE = 24_000
FLOORS = pytest.mark.parametrize("floor", ["server", "local"])


def speech(value: int, ms: int, kind: type = TTSAudioRawFrame, **marks: Any) -> Any:
    """Sound that is no part of any reply: a TTSSpeakFrame's, or a sound effect."""
    frame = kind(value.to_bytes(2, "little") * (24 * ms), RATE, 1)
    for name, mark in marks.items():
        setattr(frame, name, mark)
    return frame


class Bot:
    """A bot over a line that the test holds, with a file for a loudspeaker."""

    def __init__(self, folder: Any, floor: str, **options: Any) -> None:
        self.path = folder / "call.wav"
        self.lines = Lines()
        self.service = service_over(self.lines, floor=floor, **options)
        turns = local_turns() if floor == "local" else server_turns()
        context = LLMContext([{"role": "user", "content": "Hello."}])
        self.pair = LLMContextAggregatorPair(context, user_params=turns)
        self.after = Tap()
        self.sink = FileSink(self.path)
        self.worker: Any = None

    def run(self, play: Any) -> np.ndarray[Any, Any]:
        """Play a scene; return what was heard, 24 kHz."""

        async def scenario() -> None:
            steps = [self.pair.user(), self.service, Playback(), self.after, self.sink]
            async with running(*steps, self.pair.assistant()) as self.worker:
                await self.worker.queue_frame(LLMRunFrame())
                while not self.lines.opened or not self.lines.line.sent:
                    await asyncio.sleep(0.01)
                await play()

        run_virtual(scenario())
        with wave.open(str(self.path)) as wav:
            return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[1::2]

    def fact(self, kind: Any) -> None:
        now = self.service.call.now_ms()
        onset = (now,) if kind in (SpeechSuspected, SpeechStarted) else ()
        self.service.call.apply(kind(now, *onset))

    async def talks(self, value: int, ms: int, *ending: Any) -> None:
        """The server sends a reply; until some of it was released."""
        before = len(self.after.sounds)
        self.lines.line.feed(audio(value, samples=24 * ms), said("A notice."), *ending)
        await self.after.until(lambda: len(self.after.sounds) > before + 5)

    async def cough(self) -> None:
        self.fact(SpeechSuspected)
        await self.after.until(lambda: self.after.of(PlayoutHeldFrame))
        await asyncio.sleep(0.3)


def heard_ms(heard: np.ndarray[Any, Any], value: int) -> int:
    """How much of a constant sound was heard, without fades."""
    return round(np.count_nonzero(heard == value) / 24)


def test_a_sound_effect_waits_out_a_hold_and_is_heard_whole(tmp_path):
    bot = Bot(tmp_path, "server")

    async def play() -> None:
        await bot.talks(1000, 600, GENERATED)
        await bot.worker.queue_frame(speech(2000, 300, OutputAudioRawFrame))
        await bot.cough()
        assert not any(set(sound) == {2000 & 255, 2000 >> 8} for sound in bot.after.sounds)
        bot.fact(SpeechDismissed)
        await asyncio.sleep(1.5)

    heard = bot.run(play)
    assert heard_ms(heard, 2000) >= 299
    assert abs(heard_ms(heard, 1000) - 600) <= 10, "but for two fades of 5 ms"


def test_other_destinations_and_firm_sound_go_on_during_a_hold_and_through_a_stop(tmp_path):
    bot = Bot(tmp_path, "server")
    aside = speech(7, 20, OutputAudioRawFrame, transport_destination="other")

    async def play() -> None:
        await bot.talks(1000, 3000)
        await bot.cough()
        await bot.worker.queue_frame(aside)
        await bot.after.until(lambda: aside in bot.after.down)
        bot.fact(SpeechStarted)
        await bot.worker.queue_frame(speech(2000, 300, interruptible=False))
        await bot.worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(1)

    heard = bot.run(play)
    assert heard_ms(heard, 2000) == 300
    assert heard_ms(heard, 1000) < 500


@pytest.mark.parametrize("cut", [False, True], ids=["server floor", "local floor"])
def test_speech_of_another_voice_is_cut_where_pipecat_cuts_it(tmp_path, cut):
    """Pipecat's local turns begin with an interruption; under server VAD only the server's does."""
    bot = Bot(tmp_path, "local" if cut else "server")

    async def play() -> None:
        await bot.worker.queue_frame(speech(2000, 2000))
        await bot.after.until(lambda: len(bot.after.sounds) > 25)
        bot.fact(SpeechSuspected)
        await asyncio.sleep(0.2)
        bot.fact(SpeechStarted)
        await asyncio.sleep(2)
        bot.fact(SpeechEnded)
        assert not bot.after.of(PlayoutHeldFrame), "there is no reply to hold"
        assert len(bot.after.of(InterruptionFrame)) == cut

    heard = heard_ms(bot.run(play), 2000)
    assert heard == 2000 if not cut else 600 <= heard <= 900


@FLOORS
@pytest.mark.parametrize("by", ["frame", "call"])
def test_a_protected_reply_is_heard_whole_whatever_happens(tmp_path, floor, by):
    bot = Bot(tmp_path, floor)

    async def play() -> None:
        if by == "call":
            bot.service.call.protect_reply()
        else:
            await bot.worker.queue_frame(ProtectReplyFrame())
            await asyncio.sleep(0.05)
        await bot.talks(1000, 2000)
        bot.fact(SpeechSuspected)
        await asyncio.sleep(0.2)
        bot.fact(SpeechStarted)
        await bot.worker.queue_frame(InterruptionFrame())
        bot.lines.line.feed(audio(1000, samples=24 * 500), GENERATED, COMPLETE)
        await asyncio.sleep(1)
        await bot.worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(3)
        assert not bot.after.of(PlayoutHeldFrame)
        assert not bot.service.call.machine.reply.dead
        bot.fact(SpeechEnded)
        await bot.talks(2000, 1000)
        await bot.worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(1)

    heard = bot.run(play)
    assert heard_ms(heard, 1000) == 2500
    assert heard_ms(heard, 2000) < 500, "the next reply is like any other"


def test_a_protected_reply_that_the_server_ends_is_heard_as_far_as_it_came_and_told(tmp_path):
    bot = Bot(tmp_path, "server")

    async def play() -> None:
        bot.service.call.protect_reply()
        await bot.talks(1000, 1500)
        bot.lines.line.feed({"serverContent": {"interrupted": True}}, COMPLETE)
        await asyncio.sleep(2)
        (spared,) = bot.after.of(InterruptionSparedFrame)
        assert spared.protected
        assert not bot.after.of(InterruptionFrame)

    assert heard_ms(bot.run(play), 1000) == 1500


def test_an_end_during_a_hold_lets_the_reply_be_heard_first(tmp_path):
    bot = Bot(tmp_path, "server")

    async def play() -> None:
        await bot.talks(1000, 1500, GENERATED, COMPLETE)
        await bot.cough()
        await bot.worker.queue_frame(EndFrame())
        await bot.after.until(lambda: bot.after.of(EndFrame))

    assert abs(heard_ms(bot.run(play), 1000) - 1500) <= 10
