"""Playback, microphone, sink and VAD, under a virtual clock."""

import asyncio
import functools
import wave
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    ControlFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipelines import Lines, Tap, running, service_over
from virtual_time import run_virtual

from pipeline_live.audio import read_wav, silence, to_array, write_wav
from pipeline_live.emulator import synthesize
from pipeline_live.errors import AudioFormatError, UsageError
from pipeline_live.processors import FileSink, MicSource, Playback, SileroVAD, compatibility, tags
from pipeline_live.session import Call, Ears
from pipeline_live.session.call import PLAYOUT_FIRST_MS
from pipeline_live.session.ears import Verdict
from pipeline_live.turn import Reply
from pipeline_live.turn.events import AudioReceived, StopRequested
from pipeline_live.vad import SpeechDetector


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


class Clocked(Tap):
    """A tap that notes when each frame came, in ms."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[int, Frame]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        now = round(asyncio.get_running_loop().time() * 1000)
        if direction is FrameDirection.DOWNSTREAM:
            self.times.append((now, frame))
        await super().process_frame(frame, direction)

    def speech(self) -> bytes:
        return b"".join(self.sounds)


def speech(value: int, ms: int, reply: Reply | None) -> TTSAudioRawFrame:
    frame = TTSAudioRawFrame(value.to_bytes(2, "little") * (24 * ms), 24_000, 1)
    if reply is not None:
        tags.tag_reply(frame, reply)
    return frame


class Stage:
    """Caller, Playback and a tap; ``play`` gets the stage and the worker."""

    def __init__(self, **options: Any) -> None:
        self.call = Call()
        self.caller = Caller(self.call)
        self.playback = Playback(**options)
        self.after = Clocked()

    def reply(self, ms: int) -> Reply:
        """Let the call receive a reply of that length, as the session would."""
        self.call.apply(AudioReceived(self.call.now_ms(), 24 * ms))
        reply = self.call.machine.reply
        assert reply is not None
        return reply

    def run(self, play: Any) -> None:
        async def scenario() -> None:
            async with running(self.caller, self.playback, self.after) as worker:
                await self.after.until(lambda: self.after.of(StartFrame))
                await play(self, worker)

        run_virtual(scenario())


def test_a_reply_is_released_just_in_time_and_whole():
    async def play(stage, worker):
        reply = stage.reply(2000)
        begin = stage.call.now_ms()
        for value in range(1, 5):
            await worker.queue_frame(speech(value, 500, reply))
        await stage.after.until(lambda: len(stage.after.speech()) == 96_000)
        assert stage.after.speech() == b"".join(speech(v, 500, None).audio for v in range(1, 5))
        released = 0
        for at_ms, frame in stage.after.times:
            if isinstance(frame, TTSAudioRawFrame):
                assert len(frame.audio) % 960 == 0, "whole chunks of 20 ms"
                due_ms = begin + released
                assert due_ms - 36 <= at_ms <= due_ms + 21
                released += len(frame.audio) // 48

    Stage().run(play)


@pytest.mark.parametrize(("stall_ms", "waits_ms"), [(0, 0), (10, 0), (50, PLAYOUT_FIRST_MS)])
def test_after_a_stall_of_the_loop_other_work_waits_for_the_playout(stall_ms, waits_ms):
    async def play(stage, worker):
        loop = asyncio.get_running_loop()
        await worker.queue_frame(speech(1, 1000, stage.reply(1000)))
        await asyncio.sleep(0.2)
        loop.now += stall_ms / 1000
        await asyncio.sleep(0.001)
        before_s = loop.time()
        await stage.call.after_playout()
        assert round((loop.time() - before_s) * 1000) == max(0, waits_ms - 1)
        await stage.after.until(lambda: len(stage.after.speech()) == 48_000)

    Stage().run(play)


def test_an_interruption_frame_empties_it_at_once():
    async def play(stage, worker):
        await worker.queue_frame(speech(1, 5000, stage.reply(5000)))
        await stage.after.until(lambda: len(stage.after.speech()) >= 48_000)
        await worker.queue_frame(InterruptionFrame())
        await stage.after.until(lambda: stage.after.of(InterruptionFrame))
        heard = len(stage.after.speech())
        await asyncio.sleep(10)
        assert len(stage.after.speech()) == heard

    Stage().run(play)


def test_a_flush_by_the_call_needs_no_frame():
    async def play(stage, worker):
        await worker.queue_frame(speech(1, 5000, stage.reply(5000)))
        await stage.after.until(lambda: len(stage.after.speech()) >= 48_000)
        stage.call.apply(StopRequested(stage.call.now_ms()))
        heard = len(stage.after.speech())
        await asyncio.sleep(10)
        assert len(stage.after.speech()) == heard

    Stage().run(play)


def test_the_reply_tag_stops_dead_sound_however_late_it_comes():
    """Goes red when Playback stops looking at the tag."""

    async def play(stage, worker):
        dead = stage.reply(1000)
        stage.call.apply(StopRequested(stage.call.now_ms()))
        await worker.queue_frame(speech(1, 1000, dead))
        await asyncio.sleep(2)
        assert stage.after.speech() == b""

    Stage().run(play)


def test_the_reply_tag_stops_dead_sound_that_is_being_released():
    """Goes red when release stops looking at the tag: nobody flushes here."""

    async def play(stage, worker):
        reply = stage.reply(5000)
        await worker.queue_frame(speech(1, 5000, reply))
        await stage.after.until(lambda: len(stage.after.speech()) >= 9_600)
        reply.dead = True
        heard = len(stage.after.speech())
        await asyncio.sleep(10)
        assert len(stage.after.speech()) == heard

    Stage().run(play)


def test_the_next_reply_is_whole_after_a_flush():
    async def play(stage, worker):
        await worker.queue_frame(speech(1, 5000, stage.reply(5000)))
        await stage.after.until(lambda: stage.after.speech())
        stage.call.apply(StopRequested(stage.call.now_ms()))
        before = len(stage.after.speech())
        await worker.queue_frame(speech(2, 300, Reply(2)))
        await asyncio.sleep(2)
        assert stage.after.speech()[before:] == speech(2, 300, None).audio

    Stage().run(play)


def test_words_leave_with_the_sound_they_came_with():
    async def play(stage, worker):
        reply = stage.reply(1000)
        for word in ("one", "two"):
            await worker.queue_frame(speech(1, 500, reply))
            text = TTSTextFrame(word, "word")
            tags.tag_reply(text, reply)
            await worker.queue_frame(text)
        await stage.after.until(lambda: len(stage.after.of(TTSTextFrame)) == 2)
        (first, _), (second, _) = [
            (t, f) for t, f in stage.after.times if isinstance(f, TTSTextFrame)
        ]
        assert 480 <= second - first <= 520

    Stage().run(play)


class Firm(ControlFrame):
    """A frame that no interruption may drop."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.interruptible = False


def test_uninterruptible_frames_survive_an_interruption():
    async def play(stage, worker):
        await worker.queue_frame(speech(1, 3000, stage.reply(3000)))
        await worker.queue_frame(Firm())
        await worker.queue_frame(TTSStoppedFrame())
        await stage.after.until(lambda: stage.after.speech())
        await worker.queue_frame(InterruptionFrame())
        await stage.after.until(lambda: stage.after.of(Firm))
        await asyncio.sleep(1)
        assert not stage.after.of(TTSStoppedFrame)

    Stage().run(play)


def test_other_sound_keeps_its_order_and_other_destinations_do_not_wait():
    async def play(stage, worker):
        await worker.queue_frame(speech(1, 1000, stage.reply(1000)))
        chime = OutputAudioRawFrame(bytes(4800), 24_000, 1)
        await worker.queue_frame(chime)
        aside = OutputAudioRawFrame(bytes(480), 24_000, 1)
        aside.transport_destination = "other"
        await worker.queue_frame(aside)
        await stage.after.until(lambda: chime in stage.after.down)
        order = [f for f in stage.after.down if f in (chime, aside)]
        assert order == [aside, chime]
        assert len(stage.after.speech()) == 48_000

    Stage().run(play)


def test_the_end_waits_for_what_is_still_to_be_played():
    stage = Stage()

    async def play(stage, worker):
        await worker.queue_frame(speech(1, 3000, stage.reply(3000)))
        await worker.queue_frame(EndFrame())
        await stage.after.until(lambda: stage.after.of(EndFrame))
        assert len(stage.after.speech()) == 144_000

    stage.run(play)


def test_the_heard_position_follows_the_clock_to_within_the_lead():
    async def play(stage, worker):
        reply = stage.reply(3000)
        begin = stage.call.now_ms()
        await worker.queue_frame(speech(1, 3000, reply))
        for _ in range(5):
            await asyncio.sleep(0.5)
            heard = stage.call.ledger.heard_ms(reply)
            assert abs(heard - (stage.call.now_ms() - begin)) <= 40
        await asyncio.sleep(1)
        assert stage.call.ledger.heard_ms(reply) == 3000
        assert stage.call.ledger.waiting() == ()

    Stage().run(play)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(0, 3000))
def test_whatever_the_pieces_nothing_is_lost_before_and_nothing_comes_after_a_stop(pieces, stop_ms):
    async def play(stage, worker):
        reply = stage.reply(sum(pieces))
        for position, ms in enumerate(pieces):
            await worker.queue_frame(speech(position + 1, ms, reply))
        await asyncio.sleep(stop_ms / 1000)
        stage.call.apply(StopRequested(stage.call.now_ms()))
        heard = stage.after.speech()
        everything = b"".join(speech(p + 1, ms, None).audio for p, ms in enumerate(pieces))
        assert everything.startswith(heard)
        assert len(heard) <= 48 * (stop_ms + 60)
        await asyncio.sleep(5)
        assert stage.after.speech() == heard

    Stage().run(play)


# --- misuse ------------------------------------------------------------------------------------


def start_and_log(logs: list[str], *processors: FrameProcessor) -> str:
    async def scenario() -> None:
        tap = Tap()
        async with running(*processors, tap):
            await tap.until(lambda: tap.of(StartFrame))

    run_virtual(scenario())
    return "\n".join(line for line in logs if "pipeline_live" in line)


def test_a_missing_playback_is_told_at_start(logs):
    assert "no Playback after this service" in start_and_log(logs, service_over(Lines()))


def test_a_playback_in_its_place_is_not_told_anything(logs, tmp_path):
    service = service_over(Lines())
    said = start_and_log(logs, service, Playback(), FileSink(tmp_path / "a.wav"))
    assert "Playback" not in said


def test_a_playback_after_the_transport_is_told_at_start(logs, tmp_path):
    service = service_over(Lines())
    said = start_and_log(logs, service, FileSink(tmp_path / "a.wav"), Playback())
    assert "so it can hold nothing back" in said


def test_a_playback_without_our_service_is_told_at_start(logs):
    assert "found no GeminiLiveService of pipeline_live" in start_and_log(logs, Playback())


def test_an_unsupported_pipecat_says_so():
    compatibility.check()
    for version in ("1.11.3", "0.0.108", "2.0.0"):
        with pytest.raises(ImportError, match=r"works with pipecat-ai 1\.12 to 1\.14"):
            compatibility.check(version)
    with pytest.warns(UserWarning, match=r"found 1\.15"):
        compatibility.check("1.15.0")


# --- microphone, VAD, sink -----------------------------------------------------------------------


@functools.cache
def user_says() -> bytes:
    """Two sentences at 16 kHz with silence around them."""
    from pipeline_live.audio import resample

    sound = resample(synthesize("Please stop for a moment.", "low").pcm, 24_000, 16_000)
    return silence(500, 16_000) + sound + silence(1500, 16_000) + sound + silence(1500, 16_000)


def test_nobody_waits_for_a_microphone_whose_pipeline_has_ended():
    async def scenario():
        mic, tap = MicSource(), Tap()
        async with running(mic, tap):
            await tap.until(lambda: tap.of(InputAudioRawFrame))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(mic.say(bytes(640)), 5)

    run_virtual(scenario())


def test_the_microphone_says_its_clips_in_real_time_and_silence_otherwise(tmp_path):
    write_wav(tmp_path / "clip.wav", b"\x05\x00" * 800, 16_000)

    async def scenario():
        mic, tap = MicSource(tmp_path / "clip.wav"), Clocked()
        async with running(mic, tap):
            await tap.until(lambda: len(tap.of(InputAudioRawFrame)) >= 10)
            await mic.say(b"\x06\x00" * 320)
            await asyncio.sleep(0.05)
        sound = b"".join(f.audio for f in tap.of(InputAudioRawFrame))
        values = to_array(sound)
        assert np.count_nonzero(values == 5) == 800
        assert np.count_nonzero(values == 6) == 320
        times = [t for t, f in tap.times if isinstance(f, InputAudioRawFrame)]
        assert {b - a for a, b in zip(times, times[1:], strict=False)} <= {19, 20, 21}

    run_virtual(scenario())


@pytest.mark.parametrize(
    "broken", ["missing", "empty", "text", "header only", "float", "sizes", "wide"]
)
def test_a_wav_that_cannot_be_used_is_one_clear_line(tmp_path, broken):
    path = tmp_path / "x.wav"
    if broken == "empty":
        path.write_bytes(b"")
    elif broken == "text":
        path.write_text("this is not sound, it is a sentence")
    elif broken == "header only":
        write_wav(path, b"", 16_000)
    elif broken == "float":
        write_wav(path, bytes(64), 16_000)
        path.write_bytes(
            path.read_bytes().replace(b"\x01\x00\x01\x00\x80>", b"\x03\x00\x01\x00\x80>")
        )
    elif broken in ("sizes", "wide"):  # a part longer than the whole; 40 bits a sample
        write_wav(path, bytes(64), 16_000)
        header = bytearray(path.read_bytes())
        header[16 if broken == "sizes" else 34] = 127 if broken == "sizes" else 40
        path.write_bytes(header)
    with pytest.raises(AudioFormatError) as caught:
        MicSource(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rate", "channels", "width"), [(8000, 1, 1), (44_100, 2, 2), (48_000, 1, 3), (22_050, 2, 4)]
)
def test_any_pcm_wav_becomes_mono_at_the_rate_asked_for(tmp_path, rate, channels, width):
    seconds = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * 440 * seconds) * 0.5
    scaled = {1: tone * 127 + 128, 2: tone * 32767, 3: tone * 8388607, 4: tone * 2147483647}[width]
    whole = np.repeat(scaled.astype(np.int64), channels)
    data = b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in whole)
    with wave.open(str(tmp_path / "t.wav"), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(data)
    sound = to_array(read_wav(tmp_path / "t.wav", 16_000)).astype(float)
    assert abs(len(sound) - 16_000) <= 2
    spectrum = np.abs(np.fft.rfft(sound[:16_000]))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    assert abs(np.abs(sound[2000:14_000]).max() / 32768 - 0.5) < 0.02


def test_marks_of_the_vad_step_give_the_same_verdicts_as_the_calls_own_ears():
    async def heard_by_steps() -> list[Frame]:
        vad, tap = SileroVAD(), Tap()
        async with running(vad, tap) as worker:
            sound = user_says()
            for start in range(0, len(sound), 640):
                await worker.queue_frame(InputAudioRawFrame(sound[start : start + 640], 16_000, 1))
            await tap.until(lambda: len(tap.of(InputAudioRawFrame)) * 640 >= len(sound))
        return tap.of(InputAudioRawFrame)

    frames = run_virtual(heard_by_steps())
    own, borrowed = Ears(), Ears()
    for frame in frames:
        samples = len(frame.audio) // 2
        windows = tags.speech_of(frame)
        assert windows is not None
        assert own.hear(frame.audio, 16_000) == borrowed.judge(windows, samples, 16_000)
    assert own._position == borrowed._position > 0


@pytest.mark.parametrize("ms", [10, 20, 32, 100])
def test_the_same_sound_in_pieces_of_any_length_is_heard_the_same(ms):
    def verdicts(piece_ms: int) -> list[tuple[Verdict, int]]:
        ears, fed, found = Ears(), 0, []
        size = 32 * piece_ms
        sound = user_says()
        for start in range(0, len(sound), size):
            piece = sound[start : start + size]
            fed += len(piece) // 2
            found += [(h.verdict, fed // 16 - h.ago_ms) for h in ears.hear(piece, 16_000)]
        return found

    turns = [v for v, _ in verdicts(20) if v in (Verdict.STARTED, Verdict.ENDED)]
    assert turns[0] is Verdict.STARTED
    assert turns.count(Verdict.ENDED) == 2
    for (a, at), (b, same) in zip(verdicts(ms), verdicts(20), strict=True):
        assert a is b
        assert abs(at - same) <= 1


def test_probabilities_do_not_depend_on_pieces():
    sound = user_says()
    whole = SpeechDetector().feed(sound)
    detector = SpeechDetector()
    pieces = [w for i in range(0, len(sound), 1234) for w in detector.feed(sound[i : i + 1234])]
    assert whole == pieces


def test_the_sink_records_both_sides_on_one_axis_as_heard(tmp_path):
    stage = Stage()
    sink = FileSink(tmp_path / "call.wav")

    async def scenario():
        mic = MicSource()
        async with running(mic, stage.caller, stage.playback, sink, stage.after) as worker:
            await stage.after.until(lambda: stage.after.of(StartFrame))
            await asyncio.sleep(0.2)
            await worker.queue_frame(speech(1000, 2000, stage.reply(2000)))
            await asyncio.sleep(0.5)
            await mic.say(b"\xe8\x03" * 3200)
            await worker.queue_frame(InterruptionFrame())
            await asyncio.sleep(1)

    run_virtual(scenario())
    with wave.open(str(tmp_path / "call.wav")) as wav:
        assert (wav.getnchannels(), wav.getframerate()) == (2, 24_000)
        both = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    user, bot = (np.flatnonzero(np.abs(both[:, side]) > 500) for side in (0, 1))
    assert abs(len(user) / 24 - 200) < 5
    assert abs(user[0] / 24 - (200 + 500)) < 60
    assert abs(bot[0] / 24 - 200) < 60
    silent_after_ms = bot[-1] / 24 - (200 + 500 + 200)
    assert -20 <= silent_after_ms <= 80, "one chunk and the device buffer"
    assert set(np.diff(bot)) == {1}, "no gap while it plays"


class Dam(FrameProcessor):
    """Holds back the first 600 ms of microphone sound, as a slow start would."""

    def __init__(self, *, unmark: bool) -> None:
        super().__init__()
        self.unmark = unmark
        self.begun: float | None = None
        self.held: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            now = asyncio.get_running_loop().time()
            self.begun = now if self.begun is None else self.begun
            if self.unmark:
                frame.metadata.clear()
            self.held.append(frame)
            if now - self.begun < 0.6:
                return
            for held in self.held:
                await self.push_frame(held, direction)
            self.held.clear()
        else:
            await self.push_frame(frame, direction)


@pytest.mark.parametrize("unmark", [False, True], ids=["our microphone", "any other"])
def test_sound_that_reaches_the_sink_late_is_recorded_when_it_was_taken(tmp_path, unmark):
    stage = Stage()
    sink = FileSink(tmp_path / "call.wav")

    async def scenario():
        mic = MicSource()
        async with running(
            mic, Dam(unmark=unmark), stage.caller, stage.playback, sink, stage.after
        ):
            await stage.after.until(lambda: stage.after.of(StartFrame))
            for pause_s in (0.3, 0.3):
                await asyncio.sleep(pause_s)
                await mic.say(b"\xe8\x03" * 1600)
            await asyncio.sleep(1)

    run_virtual(scenario())
    with wave.open(str(tmp_path / "call.wav")) as wav:
        user = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[::2]
    said = np.flatnonzero(np.abs(user) > 500) / 24
    first, second = said[said < 550], said[said >= 550]
    for beep, begin_ms in ((first, 280), (second, 660)):
        assert abs(beep[0] - begin_ms) < 25
        assert abs(len(beep) - 24 * 100) < 24


def test_a_sink_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(UsageError, match="choose another place"):
        FileSink(tmp_path / "no" / "such" / "folder.wav")
