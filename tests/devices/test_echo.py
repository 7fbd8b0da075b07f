"""Echo cancellation: the reference lines up, the echo goes, the user stays."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipeline_live.audio import (
    INPUT_RATE,
    OUTPUT_RATE,
    bytes_of,
    ms_to_samples,
    read_wav,
    resample,
    to_array,
    to_pcm,
)
from pipeline_live.devices.echo import SETTLE_AGAIN_MS, SETTLE_MS, EchoCanceller, Reference
from pipeline_live.emulator import synthesize
from pipeline_live.errors import UsageError
from pipeline_live.session import Ears
from pipeline_live.session.ears import Verdict

PIECE_MS = 20


# --- the reference ------------------------------------------------------------------------------


def ms(length: int, value: int = 1) -> bytes:
    return value.to_bytes(2, "little") * ms_to_samples(length, INPUT_RATE)


def lag_ms(reference: Reference) -> int:
    return len(reference._sound) // 32


def run(reference: Reference, length_ms: int) -> None:
    for _ in range(length_ms // 10):
        reference.feed(ms(10))
        reference.take(160)


def lined_up() -> Reference:
    reference = Reference(INPUT_RATE)
    run(reference, 400)
    assert 10 <= lag_ms(reference) <= 30
    return reference


def test_a_reference_is_always_as_long_as_the_sound() -> None:
    reference = Reference(INPUT_RATE)
    assert reference.take(160) == ms(10, 0)
    reference.feed(ms(5))
    assert reference.take(160) == ms(5) + ms(5, 0)


def test_jitter_shifts_nothing() -> None:
    reference = lined_up()
    shifts, lag = reference.shifts, lag_ms(reference)
    for late in (1, 2, 1, 1, 2, 0, 1) * 20:
        for _ in range(late):
            reference.take(160)
        reference.feed(ms(10 * late))
    assert reference.shifts == shifts
    assert lag_ms(reference) == lag


@pytest.mark.parametrize("gap_ms", [50, 90, 200, 3000])
@pytest.mark.parametrize("made_up_for", [True, False])
def test_after_a_stall_it_is_lined_up_as_before(gap_ms: int, made_up_for: bool) -> None:
    """Whether the loudspeaker takes what it missed in one go, or was silent meanwhile."""
    reference = lined_up()
    shifts = reference.shifts
    for _ in range(gap_ms // 10):
        reference.take(160)
    if made_up_for:
        reference.feed(ms(gap_ms))
    run(reference, 500)
    assert 10 <= lag_ms(reference) <= 30
    assert reference.shifts > shifts, "who listens must know that it was shifted"


def test_a_clock_that_runs_ahead_is_followed() -> None:
    reference = lined_up()
    for number in range(3000):
        reference.feed(ms(10) + (ms(1) if number % 20 == 0 else b""))
        reference.take(160)
    assert lag_ms(reference) <= Reference.SPARE_MS + 20


def test_a_reference_that_nobody_takes_is_bounded() -> None:
    reference = Reference(INPUT_RATE)
    for _ in range(1000):
        reference.feed(ms(10))
        assert len(reference._sound) <= bytes_of(ms_to_samples(Reference.MOST_MS, INPUT_RATE))


# --- the canceller, in a made-up room -----------------------------------------------------------


@cache
def voice(words: str, name: str = "low") -> bytes:
    return synthesize(words, name).pcm


def bot() -> bytes:
    """Mono at 24 kHz, about 7 s."""
    return voice(
        "The old harbour is almost four hundred years old. It began as a row of wooden huts, "
        "where fishermen dried their nets. Later came the merchants.",
        "high",
    )


def in_the_room(played: bytes, delay_ms: int = 80) -> np.ndarray:
    """What a microphone at 16 kHz hears of it: later, quieter, with 60 ms of the room."""
    dry = to_array(resample(played, OUTPUT_RATE, INPUT_RATE)).astype(float)
    tail = np.random.default_rng(1).standard_normal(960) * np.exp(-np.arange(960) / 200) * 0.1
    tail[0] = 0.5
    wet = np.convolve(dry, tail)
    return np.concatenate([np.zeros(ms_to_samples(delay_ms, INPUT_RATE)), wet])


def cleaned(echo: EchoCanceller, played: bytes, microphone: np.ndarray) -> bytes:
    pcm = to_pcm(microphone.astype(np.int16))
    clean = b""
    far, near = ms_to_samples(PIECE_MS, OUTPUT_RATE) * 2, ms_to_samples(PIECE_MS, INPUT_RATE) * 2
    for number in range(len(pcm) // near):
        echo.played(played[number * far :][:far].ljust(far, b"\0"), OUTPUT_RATE)
        clean += echo.clean(pcm[number * near :][:near])
    return clean


def started(pcm: bytes) -> list[int]:
    """When the ears are sure of speech, in ms."""
    return list(_verdicts(pcm, Verdict.STARTED))


def _verdicts(pcm: bytes, verdict: Verdict) -> Iterator[int]:
    ears = Ears()
    for begin in range(0, len(pcm) - 640, 640):
        for heard in ears.hear(pcm[begin : begin + 640], INPUT_RATE):
            if heard.verdict is verdict:
                yield begin // 32


def test_the_bot_does_not_hear_itself_from_its_first_word_on() -> None:
    room = in_the_room(bot())
    assert started(to_pcm(room.astype(np.int16))), "the ears must hear the echo without help"
    clean = cleaned(EchoCanceller(), bot(), room)
    assert started(clean) == []
    assert list(_verdicts(clean, Verdict.SUSPECTED)) == []


def test_a_user_over_the_bot_is_heard() -> None:
    room = in_the_room(bot())
    user = to_array(resample(voice("Sorry, stop for a moment please."), OUTPUT_RATE, INPUT_RATE))
    begin_ms = 4000
    begin = ms_to_samples(begin_ms, INPUT_RATE)
    room[begin : begin + len(user)] += user
    heard = started(cleaned(EchoCanceller(), bot(), room.clip(-32768, 32767)))
    assert heard, "the user is not heard"
    assert begin_ms < heard[0] < begin_ms + 1000


def test_while_it_learns_the_room_the_microphone_is_silent_but_only_under_the_bot() -> None:
    echo = EchoCanceller()
    noise = np.random.default_rng(2).standard_normal(INPUT_RATE) * 1000
    assert to_array(cleaned(echo, b"", noise)).any(), "the bot is silent: the user is heard"
    begin = bytes_of(ms_to_samples(400, OUTPUT_RATE))
    half = bot()[begin:][: bytes_of(ms_to_samples(SETTLE_MS // 2, OUTPUT_RATE))]
    under = cleaned(echo, half, noise[: ms_to_samples(SETTLE_MS // 2, INPUT_RATE)])
    assert not to_array(under).any()
    cleaned(echo, bot(), in_the_room(bot()))
    assert to_array(cleaned(echo, half, noise)).any(), "it has learned by now"


def test_after_a_stall_the_microphone_is_silent_again_but_shorter() -> None:
    echo = EchoCanceller()
    cleaned(echo, bot(), in_the_room(bot()))
    noise = np.random.default_rng(2).standard_normal(INPUT_RATE * 3) * 3000
    loud = bot()[bytes_of(ms_to_samples(400, OUTPUT_RATE)) :]
    for _ in range(2):
        echo.stalled()
        under = to_array(cleaned(echo, loud, noise))
        assert not under[: ms_to_samples(SETTLE_AGAIN_MS - 40, INPUT_RATE)].any()
        assert under[ms_to_samples(SETTLE_AGAIN_MS * 2, INPUT_RATE) :].any()


def test_without_the_package_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    with pytest.raises(UsageError) as caught:
        EchoCanceller()
    assert str(caught.value) == (
        "microphone and loudspeaker need pywebrtc-audio, which is not installed; "
        "pip install 'pipecat-pipeline-live[local]'"
    )


# --- real rooms ---------------------------------------------------------------------------------


@pytest.mark.shared
def test_in_real_rooms_no_echo_is_taken_for_a_user(shared: Path) -> None:
    """Six recordings of the AEC challenge: no start of speech where only the far end speaks."""
    folder = shared / "audio" / "labelled"
    pairs = sorted(folder.glob("aec_*_mic.wav"))
    assert len(pairs) == 6
    raw_false = clean_false = 0
    for pair in pairs:
        near = json.loads(Path(str(pair).replace("_mic.wav", ".json")).read_text()).get(
            "near_end_segments_ms", []
        )
        played = read_wav(str(pair).replace("_mic", "_lpb"), OUTPUT_RATE)
        microphone = read_wav(pair, INPUT_RATE)
        latency = np.concatenate([np.zeros(640), to_array(microphone)])
        clean = cleaned(EchoCanceller(), played, latency)

        def false(pcm: bytes, segments: list[list[int]] = near) -> int:
            return sum(not any(a <= at <= b + 500 for a, b in segments) for at in started(pcm))

        raw_false += false(microphone)
        clean_false += false(clean)
    assert raw_false >= 6, "the recordings are no trial"
    assert clean_false == 0
