"""The user's first words: not a sample from the onset on is missing at the server, on either floor.

What is looked at is what went up the wire, with the positions of the microphone's samples.
"""

import asyncio
import base64
from collections.abc import Iterable

import numpy as np
import pytest
from fakes import Line, run, session_on
from google.genai import types

from pipeline_live.bench.clips import Clip, load, made_speech, pick, read_manifest
from pipeline_live.session import Call, EarsPolicy
from pipeline_live.turn import Floor

RATE = 16_000
BEFORE_MS, AFTER_MS = 1500, 1000
PIECE = 640


def microphone(clip: Clip, gain: float) -> bytes:
    """The clip with faint noise around it, in which every second has samples of its own."""
    noise = np.random.default_rng(1).integers(-2, 3, RATE * (BEFORE_MS + AFTER_MS) // 1000)
    before, after = np.split(noise, [RATE * BEFORE_MS // 1000])
    said = np.frombuffer(clip.pcm, "<i2") * gain
    return np.concatenate((before, said, after)).astype("<i2").tobytes()


def went_up(line: Line) -> Iterable[tuple[str, bytes]]:
    for message in line.sent:
        (kind, value), *_ = message["realtime_input"].items()
        yield kind, base64.urlsafe_b64decode(value["data"]) if kind == "audio" else b""


def activity(line: Line) -> bytes | None:
    """The sound of the first activity; None without one."""
    sound: bytes | None = None
    for kind, pcm in went_up(line):
        if kind == "activityStart":
            sound = b""
        elif kind == "activityEnd":
            break
        elif sound is not None:
            sound += pcm
    return sound


def say(clip: Clip, floor: Floor, gain: float = 1.0) -> tuple[bytes, Line]:
    """What the microphone heard, and the line that it was sent on."""
    line, sound = Line(), microphone(clip, gain)

    async def scenario() -> None:
        ears = EarsPolicy() if floor is Floor.LOCAL else None
        pieces = 20 if floor is Floor.LOCAL else -(-len(sound) // PIECE)
        async with session_on(line, Call(floor=floor, ears=ears)) as session:
            for at in range(0, len(sound), PIECE):
                blob = types.Blob(data=sound[at : at + PIECE], mime_type=f"audio/pcm;rate={RATE}")
                await session.send_realtime_input(audio=blob)
                await asyncio.sleep(0)
            while sum(kind == "audio" for kind, _ in went_up(line)) < pieces:
                await asyncio.sleep(0)

    run(scenario())
    return sound, line


def missing_ms(clip: Clip, floor: Floor, gain: float = 1.0) -> int:
    """How much of the user's speech, from its true onset on, the server did not get in its turn."""
    sound, line = say(clip, floor, gain)
    if floor is Floor.SERVER:
        assert b"".join(pcm for _, pcm in went_up(line)) == sound, "all of it, in order, once"
        return 0
    heard = activity(line)
    assert heard is not None, f"{clip.name}: no activity"
    begin = sound.find(heard)
    assert begin >= 0, f"{clip.name}: what was sent is no piece of what was said"
    return max(0, begin // 2 * 1000 // RATE - BEFORE_MS - clip.onset_ms)


@pytest.mark.parametrize("floor", [Floor.SERVER, Floor.LOCAL])
@pytest.mark.parametrize("gain", [1.0, 0.2])
def test_nothing_of_made_speech_is_missing(floor, gain):
    assert [missing_ms(clip, floor, gain) for clip in made_speech(3)] == [0, 0, 0]


@pytest.mark.parametrize("floor", [Floor.SERVER, Floor.LOCAL])
def test_nothing_of_recorded_speech_is_missing(floor, shared):
    folder = shared / "audio"
    entries = pick(read_manifest(folder).speech, 12)
    clips = load(folder, entries, longest_ms=1500)
    assert {clip.name: missing_ms(clip, floor) for clip in clips} == {c.name: 0 for c in clips}


def test_the_measure_finds_what_is_missing(monkeypatch):
    monkeypatch.setattr("pipeline_live.session.user_line.ONSET_PAD_MS", -300)
    (clip,) = made_speech(1)
    assert missing_ms(clip, Floor.LOCAL) >= 150
