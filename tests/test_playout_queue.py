"""The playout queue: exact lengths, nothing lost or twice at a hold, nothing stale, no click."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_live.audio import FADE_MS, ms_to_samples, samples_of, to_array, to_pcm
from pipeline_live.playout_queue import PlayoutQueue

RATE = 24_000
FADE = ms_to_samples(FADE_MS, RATE)
PEAK = 16_000
STEP = PEAK // FADE + 1 + int(PEAK * 2 * np.pi * 200 / RATE) + 1
"""The steepest step of a fade from the loudest sample, and of the tone itself."""


def tone(samples: int, start: int = 0) -> bytes:
    at = np.arange(start, start + samples)
    return to_pcm((PEAK * np.sin(2 * np.pi * 200 * at / RATE)).astype(np.int16))


def pulled(queue: PlayoutQueue[str], samples: int, piece: int = 240) -> bytes:
    return b"".join(queue.pull(piece) for _ in range(samples // piece))


def steepest(pcm: bytes) -> int:
    return int(np.abs(np.diff(to_array(pcm).astype(int), prepend=0)).max())


def test_what_goes_in_comes_out() -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    queue.put(tone(2400), "a")
    assert queue.waiting == 2400
    out = pulled(queue, 2400)
    assert out[FADE * 2 :] == tone(2400)[FADE * 2 :]
    assert queue.waiting == 0
    assert queue.take_played() == [("a", 2400)]
    assert queue.take_played() == []


@pytest.mark.parametrize("piece", [1, 7, 100, 240, 480])
def test_a_pull_has_the_length_that_was_asked_for(piece: int) -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    assert queue.pull(piece) == bytes(2 * piece)
    queue.put(tone(500), "a")
    assert {samples_of(queue.pull(piece)) for _ in range(600 // piece)} == {piece}


def test_a_hold_loses_nothing_and_goes_on_at_the_sample() -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    queue.put(tone(7200), "a")
    before = pulled(queue, 2400)
    queue.hold()
    held = pulled(queue, 2400)
    assert queue.take_played() == [("a", 2400)]
    assert not to_array(held)[FADE:].any()
    assert queue.waiting == 4800
    queue.resume()
    after = pulled(queue, 4800)
    assert after[FADE * 2 :] == tone(7200)[4800 + FADE * 2 :]
    assert steepest(before + held + after) <= STEP


def test_sound_that_comes_during_a_hold_is_kept() -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    queue.put(tone(2400), "a")
    pulled(queue, 1200)
    queue.hold()
    queue.put(tone(2400, 2400), "a")
    assert queue.waiting == 3600
    queue.resume()
    assert pulled(queue, 3600)[FADE * 2 :] == tone(4800)[2400 + FADE * 2 :]


def test_a_flush_is_silent_after_the_fade_and_spares_the_others() -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    queue.put(tone(4800), "dead")
    queue.put(tone(2400), "alive")
    before = pulled(queue, 1200)
    queue.flush(lambda tag: tag == "dead")
    assert queue.waiting == 2400
    after = pulled(queue, 2640)
    assert queue.take_played() == [("dead", 1200), ("alive", 2400)]
    assert steepest(before + after) <= STEP
    assert samples_of(after) - FADE == 2520


def test_a_flush_of_a_held_queue_adds_no_sound() -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    queue.put(tone(4800), "a")
    pulled(queue, 1200)
    queue.hold()
    pulled(queue, 240)
    queue.flush()
    assert not to_array(pulled(queue, 2400)).any()
    queue.put(tone(240), "b")
    assert to_array(queue.pull(240)).any(), "a flush must end the hold"


def test_a_queue_that_runs_dry_falls_and_rises() -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    queue.put(tone(1250), "a")
    out = pulled(queue, 1440)
    assert not queue.sounding
    queue.put(tone(1200, 1250), "a")
    out += pulled(queue, 1200)
    assert steepest(out) <= STEP


def test_an_odd_byte_is_joined_to_what_follows_but_not_over_tags() -> None:
    queue: PlayoutQueue[str] = PlayoutQueue(RATE)
    sound = tone(1000)
    queue.put(sound[:101], "a")
    queue.put(sound[101:501], "a")
    assert queue.waiting == 250
    queue.put(sound[:100], "b")
    assert queue.waiting == 300
    assert pulled(queue, 240)[FADE * 2 :] == sound[FADE * 2 : 480]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 1500)),
        st.tuples(st.just("pull"), st.integers(1, 600)),
        st.tuples(st.sampled_from(["hold", "resume", "flush"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_there_is_no_click_and_the_count_is_right(
    steps: list[tuple[str, int]],
) -> None:
    queue: PlayoutQueue[int] = PlayoutQueue(RATE)
    out, put, counted, flushed = b"", 0, 0, 0
    for number, (what, size) in enumerate(steps):
        if what == "put":
            queue.put(tone(size, put), number)
            put += size
        elif what == "pull":
            pcm = queue.pull(size)
            assert samples_of(pcm) == size
            out += pcm
            counted += sum(samples for _, samples in queue.take_played())
        elif what == "flush":
            flushed += queue.waiting
            queue.flush()
        else:
            getattr(queue, what)()
        assert counted + queue.waiting + flushed == put
    assert not out or steepest(out) <= STEP
