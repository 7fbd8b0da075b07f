"""The alignment of a transcript with its sound: rules by example, promises by hypothesis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.turn.alignment import FRAME_MS, RATE, Alignment

LOUD, QUIET = 70, 10


def sound(*stretches: int) -> tuple[int, bytes]:
    """Speech and silence in turn, beginning with speech, so many ms each."""
    levels = b"".join(
        bytes([QUIET if number % 2 else LOUD]) * (ms // FRAME_MS)
        for number, ms in enumerate(stretches)
    )
    return len(levels) * RATE * FRAME_MS // 1000, levels


def aligned(text: str, *stretches: int) -> Alignment:
    alignment = Alignment()
    alignment.read(text)
    alignment.hear(*sound(*stretches))
    alignment.close()
    return alignment


def heard(alignment: Alignment, at_ms: int) -> str:
    return alignment.text[: alignment.heard(at_ms * RATE // 1000)]


def test_pauses_fall_on_punctuation():
    """Spread evenly, "Wait." would take a sixth of the sound; it takes the first stretch."""
    alignment = aligned("Wait. There is one thing more.", 900, 600, 1500)
    assert heard(alignment, 250) == ""
    assert heard(alignment, 1450) == "Wait."
    assert heard(alignment, 1700) == "Wait. There"
    assert heard(alignment, 3000) == alignment.text


def test_a_pause_without_punctuation_is_found_by_the_lengths_of_the_words():
    alignment = aligned("seven eleven seven", 1000, 400, 450)
    assert heard(alignment, 1390) == "seven eleven"


def test_a_point_inside_a_sentence_is_no_pause():
    alignment = aligned("At 3 p.m. we close. Goodbye now.", 1700, 500, 800)
    assert heard(alignment, 2200) == "At 3 p.m. we close."


def test_a_word_counts_once_half_of_it_was_heard():
    alignment = aligned("aaaa aaaa", 1000)
    starts_ms, ends_ms = 0, 1000 * 245 / (2 * 245 + 140)
    middle_ms = round((starts_ms + ends_ms) / 2)
    assert heard(alignment, middle_ms - 5) == ""
    assert heard(alignment, middle_ms + 5) == "aaaa"


def test_pauses_are_found_in_front_of_noise():
    """Noise 20 dB below the voice would be speech for a fixed threshold."""
    alignment = Alignment()
    alignment.read("Wait. There is one thing more.")
    samples, levels = sound(900, 600, 1500)
    alignment.hear(samples, bytes(max(level, LOUD - 20) for level in levels))
    alignment.close()
    assert heard(alignment, 1450) == "Wait."
    assert heard(alignment, 1700) == "Wait. There"


def test_text_far_ahead_of_its_sound_waits_for_it():
    alignment = Alignment()
    alignment.read("One two three four five six seven eight nine ten, all before any sound. ")
    alignment.hear(*sound(600, 300))
    assert len(heard(alignment, 900).split()) <= 3


def test_sound_without_text_yet_hears_no_more_than_the_text():
    alignment = Alignment()
    alignment.hear(*sound(3000))
    assert heard(alignment, 2000) == ""
    alignment.read("Hello")
    alignment.hear(*sound(1000))
    assert heard(alignment, 4000) == "Hello"
    alignment.read(" there, old friend")
    assert "there," in heard(alignment, 4000)


def test_a_word_is_never_long_before_its_text_came():
    alignment = Alignment()
    alignment.read("early ")
    alignment.hear(*sound(4000))
    alignment.read("late ")
    alignment.hear(*sound(1000))
    assert heard(alignment, 2700) == "early"


def test_pieces_that_cut_a_word_are_joined():
    alignment = Alignment()
    for piece in ("Go", "od mor", "ning", "."):
        alignment.read(piece)
    alignment.hear(*sound(900))
    alignment.close()
    assert heard(alignment, 100) == ""
    assert heard(alignment, 899) == "Good morning."


def test_signs_of_languages_without_blanks_count_one_by_one():
    alignment = aligned("\u4f60\u597d\uff0c\u5f88\u9ad8\u5174\u3002", 400, 300, 600)
    assert heard(alignment, 690) == "\u4f60\u597d\uff0c"


def test_loudness_that_nobody_measured_is_speech():
    alignment = Alignment()
    alignment.read("aaaa bbbb cccc dddd")
    alignment.hear(4 * RATE)
    alignment.close()
    assert heard(alignment, 2000) == "aaaa bbbb"


def test_the_pace_is_learned():
    alignment = aligned("This voice takes its time, and then some more of it.", 2600, 400, 2600)
    heard(alignment, 100)
    assert alignment.pace > 1.3


def test_a_long_reply_is_settled_on_the_way_and_keeps_little():
    alignment = Alignment()
    for number in range(60):
        alignment.read(f"Sentence number {number} is spoken here. ")
        alignment.hear(*sound(2000, 400))
        words = heard(alignment, 2400 * number + 2200).split()
        assert abs(len(words) - 6 * (number + 1)) <= 1
    assert alignment._settled > 250
    assert len(alignment._levels) * FRAME_MS < 30_000


@given(
    pieces=st.lists(
        st.one_of(
            st.text(alphabet="ab7 .,?\u4f60", max_size=12),
            st.lists(st.integers(0, 96), max_size=40).map(bytes),
        ),
        max_size=30,
    ),
    steps=st.lists(st.integers(0, 20_000), min_size=30, max_size=30),
    closes=st.booleans(),
)
def test_what_was_heard_grows_and_is_no_more_than_what_came(pieces, steps, closes):
    alignment = Alignment()
    position = received = before = 0
    for piece, step in zip(pieces, steps, strict=False):
        if isinstance(piece, str):
            alignment.read(piece)
        else:
            alignment.hear(len(piece) * 480, piece)
            received += len(piece) * 480
        position = min(received, position + step)
        now = alignment.heard(position)
        assert before <= now <= len(alignment.text)
        before = now
    if closes:
        alignment.close()
        assert before <= alignment.heard(received) <= len(alignment.text)


@pytest.mark.parametrize("size", [240, 480, 700, 7680])
def test_the_cutting_of_the_sound_changes_nothing_by_more_than_a_frame(size):
    samples, levels = sound(900, 600, 1500)
    whole, pieces = aligned("Wait. There is one thing more.", 900, 600, 1500), Alignment()
    pieces.read(whole.text)
    for start in range(0, samples, size):
        count = min(size, samples - start)
        frames = [(start + at) // 480 for at in range(0, count, 480)]
        pieces.hear(count, bytes(levels[frame] for frame in frames))
    pieces.close()
    for at_ms in range(0, 3000, 100):
        near = {heard(aligned(whole.text, 900, 600, 1500), at_ms + d) for d in (-40, 0, 40)}
        assert heard(pieces, at_ms) in near
