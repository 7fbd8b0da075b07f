"""Spans of sound: exact on the bot's side, sensible on the user's."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline_live.report.speech import Span, audible_spans, speech_spans

from .calls import PER_MS, RATE, tone


def with_sound(total_ms: int, *sounds: tuple[int, int]) -> np.ndarray:
    samples = np.zeros(total_ms * PER_MS, np.int16)
    for start_ms, end_ms in sounds:
        samples[start_ms * PER_MS : end_ms * PER_MS] = tone(end_ms - start_ms)
    return samples


def in_ms(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(round(span.start / PER_MS), round(span.end / PER_MS)) for span in spans]


@pytest.mark.parametrize(
    ("sounds", "gap_ms", "expected"),
    [
        ([], 20, []),
        ([(100, 200), (220, 400)], 20, [(100, 400)]),
        ([(0, 1000)], 20, [(0, 1000)]),
        ([(100, 200), (250, 400)], 20, [(100, 200), (250, 400)]),
        ([(100, 200), (250, 400)], 100, [(100, 400)]),
        ([(100, 200), (215, 400), (500, 501)], 20, [(100, 400), (500, 501)]),
    ],
)
def test_audible_spans(
    sounds: list[tuple[int, int]], gap_ms: int, expected: list[tuple[int, int]]
) -> None:
    assert in_ms(audible_spans(with_sound(1000, *sounds), gap_ms)) == expected


@pytest.mark.parametrize(
    ("value", "is_heard"),
    [
        (0, False),
        (1, False),
        (32, False),
        (33, True),
        (-33, True),
        (-32768, True),
    ],
)
def test_a_single_sample_is_heard_from_minus_60_dbfs(value: int, is_heard: bool) -> None:
    samples = np.zeros(100, np.int16)
    samples[40] = value
    assert audible_spans(samples) == ((Span(40, 41),) if is_heard else ())


@pytest.mark.parametrize("noise_dbfs", [None, -75, -55, -45])
def test_speech_is_found_above_any_room(noise_dbfs: int | None) -> None:
    samples = with_sound(4000, (1000, 1800), (2600, 3000)).astype(np.float64)
    if noise_dbfs is not None:
        noise = np.random.default_rng(1).normal(size=samples.size)
        samples += noise * 32768 * 10 ** (noise_dbfs / 20)
    found = in_ms(speech_spans(samples.astype(np.int16)))
    assert len(found) == 2
    assert np.allclose(found, [(1000, 1800), (2600, 3000)], atol=5)


@pytest.mark.parametrize("noise_dbfs", [None, -75, -55])
def test_a_room_without_speech_is_silent(noise_dbfs: int | None) -> None:
    level = 0.0 if noise_dbfs is None else 32768 * 10 ** (noise_dbfs / 20)
    noise = np.random.default_rng(2).normal(size=3 * RATE) * level
    assert speech_spans(noise.astype(np.int16)) == ()


def test_noise_that_swells_is_not_speech() -> None:
    time_s = np.arange(4 * RATE) / RATE
    swell_db = 4 * np.sin(2 * np.pi * time_s)
    noise = np.random.default_rng(3).normal(size=time_s.size) * 100 * 10 ** (swell_db / 20)
    assert speech_spans(noise.astype(np.int16)) == ()


def test_a_click_is_not_speech_and_a_pause_between_words_does_not_divide() -> None:
    assert in_ms(speech_spans(with_sound(3000, (100, 120), (1000, 1300), (1500, 1800)))) == [
        (1000, 1800)
    ]


def test_a_recording_shorter_than_a_frame_has_no_speech() -> None:
    assert speech_spans(np.full(10, 9000, np.int16)) == ()
