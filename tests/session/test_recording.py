"""The recording of a call without a sink of ours: each side in its place, and only if asked."""

import asyncio
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from fakes import Line, audio, merged, said, session_on
from virtual_time import run_virtual

from pipeline_live.errors import UsageError
from pipeline_live.report import SOUND_NAME, TIMELINE_NAME
from pipeline_live.session import Call, Timeline, timeline
from pipeline_live.session.recording import MOST_WAITING_BYTES, Recording
from pipeline_live.session.timeline import FOLDER_VARIABLE, KEEP_VARIABLE
from pipeline_live.turn import Reply
from pipeline_live.turn.events import (
    AnswerRequested,
    AudioReceived,
    PlayoutAdvanced,
    StopRequested,
    TurnCompleted,
)

PIECE = b"\xe8\x03" * 320  # 20 ms of a microphone at 16 kHz


def ramp(ms):
    """Sound in which each sample tells where it belongs, and none is silent."""
    return (np.arange(24 * ms) % 20_000 + 1000).astype("<i2")


def sides(folder):
    with wave.open(str(folder / SOUND_NAME)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (24_000, 2, 2)
        both = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def lines(folder):
    return [json.loads(line) for line in (folder / TIMELINE_NAME).read_text().splitlines()]


def receive(call, ms):
    """A reply arrives, all at once."""
    call.apply(AudioReceived(call.now_ms(), 24 * ms))
    reply = call.machine.reply
    call.keep_sound(reply, ramp(ms).tobytes())
    return reply


async def listen(call, ms):
    for _ in range(ms // 20):
        await asyncio.sleep(0.02)
        call.hear(PIECE, 16_000)


def test_without_a_sink_a_reply_is_recorded_as_if_played_at_once_up_to_its_end(tmp_path):
    call = Call(timeline=Timeline.in_folder(tmp_path / "a" / "b", sound=True))

    async def scenario():
        await listen(call, 400)
        receive(call, 3000)
        await listen(call, 1000)
        call.apply(StopRequested(call.now_ms()))
        await listen(call, 1000)
        receive(call, 200)
        await listen(call, 400)

    run_virtual(scenario())
    call.timeline.close()
    user, bot = sides(tmp_path / "a" / "b")
    [started] = [line for line in lines(tmp_path / "a" / "b") if line["name"] == "SoundStarted"]
    assert started == {"t_ms": 0, "kind": "note", "name": "SoundStarted", "measured": False}
    assert np.count_nonzero(np.abs(user) > 500) > 24 * 2700
    heard = np.flatnonzero(bot)
    first, second = heard[heard < 24 * 2000], heard[heard > 24 * 2000]
    assert abs(first[0] - 24 * 400) < 24 * 21
    assert 24 * 960 <= len(first) <= 24 * 1010
    whole = ramp(3000)[: 24 * 960]
    assert np.array_equal(bot[first[0] :][: 24 * 960], whole), "in order, without a gap"
    assert abs(len(second) - 24 * 205) < 24 * 2, "the next reply, whole, and its decay"


def test_without_a_microphone_as_well_replies_are_recorded_one_after_the_other(tmp_path):
    call = Call(timeline=Timeline.in_folder(tmp_path, sound=True))

    async def scenario():
        call.apply(AnswerRequested(call.now_ms()))
        await asyncio.sleep(0.5)
        receive(call, 300)
        call.apply(TurnCompleted(call.now_ms()))
        await asyncio.sleep(0.1)
        receive(call, 200)
        call.apply(TurnCompleted(call.now_ms()))
        await asyncio.sleep(5)
        receive(call, 1000)
        await asyncio.sleep(0.4)
        call.end()

    run_virtual(scenario())
    call.timeline.close()
    user, bot = sides(tmp_path)
    assert not user.any()
    first, second, third = ramp(300), ramp(200), ramp(1000)[: 24 * 400]
    assert np.array_equal(bot[: 24 * 500], np.concatenate([first, second]))
    begin = 24 * 5100
    assert not bot[24 * 510 : begin].any()
    assert np.array_equal(bot[begin:][: 24 * 400], third)
    assert len(bot) <= begin + 24 * 410


@pytest.mark.parametrize("late_ms", [0, 7, 14])
def test_reports_that_come_late_leave_no_seam(tmp_path, late_ms):
    call = Call(timeline=Timeline.in_folder(tmp_path, sound=True))
    call.ledger.attach_sink()

    async def scenario():
        call.hear(PIECE, 16_000)
        reply = receive(call, 1000)
        for number in range(1, 51):
            await asyncio.sleep(0.02)
            late = late_ms if number % 3 == 0 else 0
            now = call.now_ms() + late
            call.apply(PlayoutAdvanced(now, reply.number, 480 * number))

    run_virtual(scenario())
    call.timeline.close()
    _, bot = sides(tmp_path)
    heard = np.flatnonzero(bot)
    assert np.array_equal(bot[heard[0] :][: 24 * 1000], ramp(1000))


def test_what_was_never_played_is_not_recorded_and_waits_within_a_bound(tmp_path):
    recording = Recording(tmp_path / "a.wav")
    recording.begin(0)
    minute = bytes(48_000 * 60)
    for number in range(30):
        recording.receive(Reply(number), minute, 0)
    assert len(recording.waiting()) <= 8
    recording.receive(Reply(99), bytes(MOST_WAITING_BYTES), 0)
    recording.flush(tuple(recording.waiting()))
    assert recording.waiting() == []
    recording.close()
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert wav.getnframes() == 0


@pytest.fixture
def logged(monkeypatch):
    said = []
    for module in ("recording", "timeline"):
        monkeypatch.setattr(f"pipeline_live.session.{module}.logger.error", said.append)
    return said


def test_a_full_disk_ends_the_recording_but_not_the_call(tmp_path, monkeypatch, logged):
    call = Call(timeline=Timeline.in_folder(tmp_path, sound=True))

    def full(*_):
        raise OSError(28, "No space left on device")

    async def scenario():
        call.hear(PIECE, 16_000)
        monkeypatch.setattr(call.timeline.recording._track, "hear", full)
        for _ in range(3):
            call.hear(PIECE, 16_000)
            receive(call, 20)

    run_virtual(scenario())
    call.timeline.close()
    assert logged == [f"{tmp_path / SOUND_NAME}: the recording ends here (No space left on device)"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_timeline_but_not_the_call(logged):
    call = Call(timeline=Timeline("/dev/full"))
    for at_ms in range(3):
        call.timeline.note("Anything", at_ms)
    call.timeline.close()
    assert logged == ["/dev/full: ends here (No space left on device)"]


@pytest.mark.parametrize(
    ("keep", "left"),
    [(None, [TIMELINE_NAME]), ("sound, words", [SOUND_NAME, TIMELINE_NAME])],
    ids=["nothing asked", "sound and words"],
)
def test_the_environment_leaves_a_folder_for_each_call(tmp_path, monkeypatch, keep, left):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "calls"))
    if keep:
        monkeypatch.setenv(KEEP_VARIABLE, keep)

    async def scenario():
        line, call = Line(), Call()
        async with session_on(line, call):
            line.feed(merged(audio(1000, samples=2400), said("Sesame.")))
            for _ in range(20):
                await asyncio.sleep(0.01)
                call.hear(PIECE[:320], 16_000)
        call.end()

    for _ in range(2):
        run_virtual(scenario())
    folders = sorted((tmp_path / "calls").iterdir())
    assert len(folders) == 2
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == left
        assert ("Sesame" in (folder / TIMELINE_NAME).read_text()) == bool(keep)
        assert {"AudioReceived", "StartReply"} < {line["name"] for line in lines(folder)}
        if keep:
            _, bot = sides(folder)
            assert np.count_nonzero(bot == 1000) == 2400


def test_a_timeline_that_somebody_gave_stays_open_when_the_call_ends(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "calls"))
    call = Call(timeline=Timeline(tmp_path / "own.jsonl"))
    call.end()
    call.timeline.note("Anything", 1)
    assert (tmp_path / "own.jsonl").read_text()
    call.timeline.close()
    assert not (tmp_path / "calls").exists()


def test_a_wish_that_nobody_knows_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv(KEEP_VARIABLE, "sound,video")
    with pytest.raises(UsageError, match="KEEP=sound,video: can hold words and sound"):
        Call()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_place_that_cannot_be_made_is_told(tmp_path, monkeypatch, below):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file" / below))
    with pytest.raises(UsageError, match="cannot be made"):
        Call()


def test_what_is_left_is_named_as_the_report_looks_for_it():
    assert (timeline.TIMELINE_NAME, timeline.SOUND_NAME) == (TIMELINE_NAME, SOUND_NAME)
