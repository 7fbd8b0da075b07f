"""Hold and resume at the sink: nothing lost, nothing twice, no click; and the frames that tell."""

import asyncio
import sys
import wave
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    MetricsFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserMuteStartedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipelines import Lines, Tap, running, service_over
from virtual_time import run_virtual

from pipeline_live.errors import UsageError
from pipeline_live.processors import (
    FileSink,
    InterruptionReportFrame,
    Playback,
    PlayoutHeldFrame,
    PlayoutResumedFrame,
    SpeechDismissedFrame,
    SpeechSuspectedFrame,
    tags,
    telemetry,
)
from pipeline_live.session import Call, InterruptionReport
from pipeline_live.turn import BargeIn, Floor, Reply, TurnPolicy
from pipeline_live.turn.events import (
    AudioReceived,
    Interrupted,
    Source,
    SpeechDismissed,
    SpeechStarted,
    SpeechSuspected,
    StopRequested,
    TextSent,
)

RATE = 24_000
FADE = RATE * 5 // 1000
FADE_STEP = 18_000 // FADE + 650
"""The steepest step of a fade from the loudest sample, and of the tone itself."""


class Caller(FrameProcessor):
    """Gives the processors after it a call, as the service does."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            tags.tag_call(frame, self.call)
        await self.push_frame(frame, direction)


def hum(ms: int) -> np.ndarray:
    """A rising tone that is never silent, so each sample tells where it belongs."""
    t = np.arange(24 * ms) / RATE
    return (6000 * np.sin(2 * np.pi * (150 + 40 * t) * t) + 12_000).astype("<i2")


class Player:
    """A call, a Playback and a file; what the file holds is what was heard."""

    def __init__(self, folder: Any) -> None:
        self.call = Call()
        self.path = folder / "call.wav"
        self.playback = Playback()
        self.sink = FileSink(self.path)
        self.tap = Tap()
        self.begun_ms = 0

    def fact(self, kind: Any, *values: Any) -> None:
        now = self.call.now_ms()
        onset = (now,) if kind in (SpeechSuspected, SpeechStarted) else ()
        self.call.apply(kind(now, *(values or onset)))

    def say(self, ms: int) -> TTSAudioRawFrame:
        self.call.apply(AudioReceived(self.call.now_ms(), 24 * ms))
        reply = self.call.machine.reply
        assert isinstance(reply, Reply)
        frame = TTSAudioRawFrame(hum(ms).tobytes(), RATE, 1)
        tags.tag_reply(frame, reply)
        return frame

    def run(self, play: Callable[[Any], Awaitable[None]]) -> np.ndarray:
        async def scenario() -> None:
            async with running(Caller(self.call), self.playback, self.sink, self.tap) as worker:
                await self.tap.until(lambda: self.tap.of(StartFrame))
                await play(worker)

        run_virtual(scenario())
        with wave.open(str(self.path)) as wav:
            return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[1::2]


def stretches(heard: np.ndarray) -> list[np.ndarray]:
    """What was heard, cut at silences of 10 ms or more."""
    loud = np.flatnonzero(heard)
    cuts = np.flatnonzero(np.diff(loud) > 240) + 1
    return [heard[part[0] : part[-1] + 1] for part in np.split(loud, cuts)]


def largest_step(sound: np.ndarray) -> int:
    return int(np.abs(np.diff(np.append(sound.astype(int), 0))).max())


@settings(max_examples=10, deadline=None)
@given(
    holds=st.lists(st.tuples(st.integers(30, 700), st.integers(1, 1400)), min_size=1, max_size=4)
)
def test_whatever_the_holds_every_sample_is_heard_once(tmp_path_factory, holds):
    player = Player(tmp_path_factory.mktemp("hold"))
    total_ms = 3000

    async def play(worker: Any) -> None:
        await worker.queue_frame(player.say(total_ms))
        for play_ms, hold_ms in holds:
            await asyncio.sleep(play_ms / 1000)
            player.fact(SpeechSuspected)
            await asyncio.sleep(hold_ms / 1000)
            player.fact(SpeechDismissed)
        await asyncio.sleep(total_ms / 1000 + 1)

    heard = player.run(play)
    whole, at = hum(total_ms), 0
    for number, part in enumerate(stretches(heard)):
        assert largest_step(part) <= FADE_STEP
        assert number == 0 or part[0] <= FADE_STEP
        same = part[FADE : len(whole) - at] == whole[at + FADE : at + len(part)]
        # To the sample: up to where the fade-out begins, or the end.
        at += len(whole) - at if same.all() else FADE + int(np.argmin(same))
    assert at == len(whole)


def test_a_stop_while_held_leaves_nothing_and_a_stop_while_playing_does_not_click(tmp_path):
    for name, hold in (("held", True), ("playing", False)):
        folder = tmp_path / name
        folder.mkdir()
        player = Player(folder)

        async def play(worker: Any, player: Player = player, hold: bool = hold) -> None:
            await worker.queue_frame(player.say(3000))
            await asyncio.sleep(0.513)
            if hold:
                player.fact(SpeechSuspected)
                await asyncio.sleep(0.2)
            player.fact(StopRequested, True)
            await worker.queue_frame(InterruptionFrame())
            await asyncio.sleep(2)

        (only,) = stretches(player.run(play))
        assert largest_step(only) <= FADE_STEP
        assert 513 <= len(only) / 24 <= 513 + 20 + 40 + 10


def test_time_that_passes_between_two_looks_at_the_clock_does_not_end_playout(tmp_path):
    """A last piece of 18 samples is played 0.75 ms after the piece before it."""
    player = Player(tmp_path)

    async def play(worker: Any) -> None:
        loop = asyncio.get_running_loop()
        time = loop.time

        def creeping() -> float:
            if sys._getframe(1).f_code.co_filename.endswith("playback.py"):
                loop.now += 0.0003  # type: ignore[attr-defined]
            return time()

        loop.time = creeping  # type: ignore[method-assign]
        frame = player.say(300)
        frame.audio += frame.audio[:36]
        await worker.queue_frame(frame)
        await asyncio.sleep(1)
        assert player.playback._pump is not None
        assert not player.playback._pump.done()

    player.run(play)


def check_that_the_end_lets_a_hold_go(player: Player) -> None:
    async def play(worker: Any) -> None:
        await worker.queue_frame(player.say(1000))
        await asyncio.sleep(0.3)
        player.fact(SpeechSuspected)
        await asyncio.sleep(0.2)
        await worker.queue_frame(EndFrame())

    parts = stretches(player.run(play))
    assert abs(sum(len(part) for part in parts) / 24 - 1000) <= 2 * 5 + 1


def check_that_a_notice_is_not_held(player: Player) -> None:
    async def play(worker: Any) -> None:
        player.say(500)
        player.fact(SpeechSuspected)
        notice = OutputAudioRawFrame(hum(300).tobytes(), RATE, 1)
        notice.interruptible = False
        await worker.queue_frame(notice)
        await asyncio.sleep(1)

    (only,) = stretches(player.run(play))
    assert abs(len(only) / 24 - 300) <= 6


def test_the_end_of_the_bot_lets_a_hold_go(tmp_path):
    check_that_the_end_lets_a_hold_go(Player(tmp_path))


def test_what_may_not_be_interrupted_is_not_held(tmp_path):
    check_that_a_notice_is_not_held(Player(tmp_path))


def test_a_hold_before_the_first_sound_delays_it(tmp_path):
    player = Player(tmp_path)

    async def play(worker: Any) -> None:
        frame = player.say(500)
        player.fact(SpeechSuspected)
        await worker.queue_frame(frame)
        await asyncio.sleep(1)
        assert not player.tap.of(TTSAudioRawFrame)
        player.fact(SpeechDismissed)
        await asyncio.sleep(1)

    (only,) = stretches(player.run(play))
    assert abs(len(only) / 24 - 500) <= 5


def test_a_hold_resumes_by_itself_at_its_limit(tmp_path):
    player = Player(tmp_path)

    async def play(worker: Any) -> None:
        await worker.queue_frame(player.say(1000))
        await asyncio.sleep(0.3)
        player.fact(SpeechSuspected)
        await asyncio.sleep(4)

    first, second = stretches(player.run(play))
    assert abs((len(first) + len(second)) / 24 - 1000) <= 2 * 5 + 1


def test_words_wait_with_the_sound_they_stand_behind(tmp_path):
    player = Player(tmp_path)

    async def play(worker: Any) -> None:
        await worker.queue_frame(player.say(500))
        await worker.queue_frame(TTSTextFrame("word", "word"))
        await asyncio.sleep(0.2)
        player.fact(SpeechSuspected)
        await asyncio.sleep(1)
        assert not player.tap.of(TTSTextFrame)
        player.fact(SpeechDismissed)
        await player.tap.until(lambda: player.tap.of(TTSTextFrame))

    player.run(play)


def test_a_reply_that_begins_while_the_user_may_be_speaking_waits_and_loses_nothing(tmp_path):
    player = Player(tmp_path)

    async def play(worker: Any) -> None:
        player.fact(SpeechSuspected)
        await worker.queue_frame(player.say(500))
        await asyncio.sleep(0.2)
        assert not player.tap.sounds
        player.fact(SpeechDismissed)
        await player.tap.until(lambda: sum(map(len, player.tap.sounds)) == 48 * 500)
        await asyncio.sleep(0.2)

    (sound,) = stretches(player.run(play))
    assert np.array_equal(sound[: 24 * 500], hum(500)), "the sink fades out behind it"


# --- what the pipeline is told -----------------------------------------------------------------


class Bot:
    """A service that is in the middle of a reply, between two taps."""

    def __init__(self, **options: Any) -> None:
        self.lines = Lines()
        self.service = service_over(self.lines, **options)
        self.before, self.after = Tap(), Tap()

    def fact(self, kind: Any, *values: Any) -> None:
        now = self.service.call.now_ms()
        self.service.call.apply(kind(now, *values))

    def run(self, play: Callable[[], Awaitable[None]], **params: Any) -> None:
        async def scenario() -> None:
            async with running(self.before, self.service, self.after, **params):
                await self.after.until(lambda: self.after.of(StartFrame))
                self.fact(AudioReceived, 24_000)
                await play()

        run_virtual(scenario())

    async def told(self, kind: type[Frame]) -> Any:
        """The frame of that kind that went down, once it went up as well."""
        await self.after.until(lambda: self.after.of(kind))
        await self.before.until(lambda: any(isinstance(f, kind) for f in self.before.up))
        return self.after.of(kind)[-1]


def test_frames_tell_of_a_false_alarm():
    bot = Bot()

    async def play() -> None:
        await asyncio.sleep(1)
        bot.fact(SpeechSuspected, 930)
        assert (await bot.told(SpeechSuspectedFrame)).onset_ms == 930
        await bot.told(PlayoutHeldFrame)
        await asyncio.sleep(0.3)
        bot.fact(SpeechDismissed)
        await bot.told(SpeechDismissedFrame)
        resumed = await bot.told(PlayoutResumedFrame)
        assert resumed.onset_ms == 930
        assert 300 <= resumed.held_for_ms <= 310
        assert not resumed.expired
        assert not bot.after.of(InterruptionReportFrame)

    bot.run(play)


@pytest.mark.parametrize("enable_metrics", [True, False])
def test_a_report_a_metric_and_an_event_tell_of_an_interruption(enable_metrics):
    bot = Bot()
    seen: list[InterruptionReport] = []

    async def on_interruption(service: Any, report: InterruptionReport) -> None:
        assert service is bot.service
        seen.append(report)

    async def play() -> None:
        bot.service.add_event_handler("on_interruption", on_interruption)
        await asyncio.sleep(1)
        now = bot.service.call.now_ms()
        bot.fact(SpeechSuspected, now - 60)
        await asyncio.sleep(0.2)
        bot.fact(SpeechStarted, now - 60)
        report = (await bot.told(InterruptionReportFrame)).report
        assert (report.reply, report.source) == (1, Source.LOCAL_SPEECH)
        assert report.stages() == {
            "onset_to_held": 60,
            "onset_to_decided": 260,
            "decided_to_flushed": 0,
        }
        while not seen:
            await asyncio.sleep(0.01)
        assert seen == [report]
        data = [
            one
            for frame in bot.after.of(MetricsFrame)
            for one in frame.data
            if isinstance(one, telemetry.InterruptionMetricsData)
        ]
        assert [one.stages_ms for one in data] == ([report.stages()] if enable_metrics else [])

    bot.run(play, enable_metrics=enable_metrics)


@pytest.mark.parametrize("held", [True, False], ids=["held", "not held"])
@pytest.mark.parametrize(
    ("way", "source"),
    [
        ("speech", Source.LOCAL_SPEECH),
        ("server", Source.SERVER),
        ("stop", Source.STOP),
        ("frame", Source.STOP),
        ("text", Source.TEXT),
    ],
)
def test_every_way_to_end_a_reply_is_reported_measured_and_an_event(way, source, held):
    bot = Bot()
    seen: list[InterruptionReport] = []

    async def on_interruption(_: Any, report: InterruptionReport) -> None:
        seen.append(report)

    async def play() -> None:
        bot.service.add_event_handler("on_interruption", on_interruption)
        await asyncio.sleep(1)
        onset_ms = bot.service.call.now_ms() - 60
        if held:
            bot.fact(SpeechSuspected, onset_ms)
            await asyncio.sleep(0.1)
        if way == "speech":
            bot.fact(SpeechStarted, onset_ms)
        elif way == "server":
            bot.fact(Interrupted)
        elif way == "stop":
            bot.service.call.stop()
        elif way == "text":
            bot.fact(TextSent)
        else:
            await bot.before.push_frame(InterruptionFrame())
        report = (await bot.told(InterruptionReportFrame)).report
        assert (report.source, report.held_ms is not None) == (source, held)
        speaks = source is Source.LOCAL_SPEECH or (source is Source.SERVER and held)
        assert set(report.stages()) == {"decided_to_flushed"} | (
            {"onset_to_decided"} if speaks else set()
        ) | ({"onset_to_held"} if speaks and held else set())
        while not seen:
            await asyncio.sleep(0.01)
        metrics = [one for frame in bot.after.of(MetricsFrame) for one in frame.data]
        measured = [m for m in metrics if isinstance(m, telemetry.InterruptionMetricsData)]
        assert [m.stages_ms for m in measured] == [report.stages()]
        assert seen == [report]

    bot.run(play, enable_metrics=True)


def test_a_muted_user_lets_a_hold_go():
    bot = Bot()

    async def play() -> None:
        await asyncio.sleep(1)
        bot.service.call.ears.judge([], 16_000, 16_000)
        bot.service.call.ears._speech(tags.Window(16_000, 0.9))
        bot.service.call._tell(bot.service.call.ears._told(), 16_000)
        await bot.told(PlayoutHeldFrame)
        await bot.before.push_frame(UserMuteStartedFrame())
        await bot.told(PlayoutResumedFrame)

    bot.run(play)


@pytest.mark.parametrize(
    ("policy", "floor", "barge_in"),
    [
        ("hold", "server", BargeIn.HOLD),
        ("cut", "server", BargeIn.CUT),
        ("off", "server", BargeIn.OFF),
        ("off", "local", BargeIn.CUT),
        (TurnPolicy(barge_in=BargeIn.OFF), "local", BargeIn.CUT),
    ],
)
def test_a_policy_by_name(policy, floor, barge_in):
    service = service_over(Lines(), policy=policy, floor=floor)
    assert service.call.machine.policy.barge_in is barge_in
    assert service.call.floor is Floor(floor)


def test_an_unknown_policy_is_said():
    with pytest.raises(UsageError, match="'hold', 'cut', 'off' or a TurnPolicy"):
        service_over(Lines(), policy="sometimes")
