"""The sound kept from before a user's turn."""

import pytest
from google.genai.types import Blob
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.session.pre_roll import KEEP_MS, PreRoll, ms_of, rate_of


@pytest.mark.parametrize(
    ("mime", "rate"),
    [
        ("audio/pcm", 16_000),
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm; channels=1; rate=8000", 8000),
        ("audio/pcm;rate=fast", 16_000),
        (None, 16_000),
    ],
)
def test_the_rate_is_what_the_mime_type_says(mime, rate):
    assert rate_of(Blob(data=b"", mime_type=mime)) == rate


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(0, 3000))
def test_the_newest_sound_comes_back_whole_and_in_order(pieces, ms):
    pre_roll, everything = PreRoll(), b""
    for position, piece_ms in enumerate(pieces):
        data = (position + 1).to_bytes(2, "little") * (16 * piece_ms)
        pre_roll.keep(Blob(data=data, mime_type="audio/pcm;rate=16000"))
        everything += data
    taken = b"".join(blob.data for blob in pre_roll.take(ms))
    assert everything.endswith(taken)
    assert len(taken) <= 32 * ms
    assert len(taken) >= min(32 * ms, 32 * KEEP_MS, len(everything)) - 32 * 300
    assert pre_roll.take(ms) == []


def test_pieces_without_sound_take_no_room():
    kept = PreRoll()
    for _ in range(5):
        kept.keep(Blob(mime_type="audio/pcm"))
    assert kept.take(KEEP_MS) == []


def test_it_cuts_inside_a_piece():
    pre_roll = PreRoll()
    pre_roll.keep(Blob(data=bytes(3200), mime_type="audio/pcm;rate=16000"))
    (blob,) = pre_roll.take(30)
    assert ms_of(blob) == 30
