import re

import numpy as np
import pytest

from pipeline_live.audio import ms_to_samples
from pipeline_live.bench import judge, proof
from pipeline_live.bench.proof import LEAK_MS, STOP_MS, tone, verdict, with_leak
from pipeline_live.errors import PipelineLiveError
from pipeline_live.report.reading import DEFAULT_CHUNK_MS, Sound
from pipeline_live.report.speech import audible_spans

from .calls_made import BEGUN_MS, CLIP, lines, seen, sound

ONSET_MS = 3100
DECIDED = lines(3000, seen(ONSET_MS + STOP_MS))


def perfect(late_ms: int = 0) -> Sound:
    return sound((BEGUN_MS, ONSET_MS + STOP_MS + late_ms))


@pytest.mark.parametrize("late_ms", [-19, 0, 19])
def test_a_perfect_bot_passes_within_a_chunk(late_ms):
    said = verdict(CLIP, perfect(late_ms), DECIDED)
    assert [int(n) for n in re.findall(r"\d+", said)] == [
        STOP_MS,
        STOP_MS + late_ms,
        LEAK_MS,
        LEAK_MS,
    ]


@pytest.mark.parametrize("late_ms", [-60, 25, 200])
def test_a_reading_that_is_off_is_refused(late_ms):
    with pytest.raises(PipelineLiveError, match=f"reads {STOP_MS + late_ms} ms of a bot"):
        verdict(CLIP, perfect(late_ms), DECIDED)


def test_stale_sound_where_there_is_none_is_refused():
    early = lines(3000, seen(ONSET_MS + STOP_MS - 150))
    with pytest.raises(PipelineLiveError, match="where there is none"):
        verdict(CLIP, perfect(), early)


def test_a_leak_that_is_not_found_is_refused(monkeypatch):
    monkeypatch.setattr(proof, "with_leak", lambda recording: recording)
    with pytest.raises(PipelineLiveError, match="reads 0 ms of stale sound where 120 ms were"):
        verdict(CLIP, perfect(), DECIDED)


REAL_SOUND_MS, REAL_DECISION_MS = judge._sound_ms, judge._Moments.decision_ms
BROKEN = {
    "finds the clip too late": (judge, "locate", lambda recorded, clip: 80_000),
    "hears half of the sound": (judge, "_sound_ms", lambda *of: REAL_SOUND_MS(*of) // 2),
    "hears no end": (judge, "audible_spans", lambda sound: audible_spans(sound)[:1]),
    "hears no whisper": (
        judge,
        "audible_spans",
        lambda sound: audible_spans(np.where(np.abs(sound) > 1000, sound, 0)),
    ),
    "allows too much": (judge, "ALLOWED_TAIL_MS", 300),
    "finds all silenced": (judge, "_is_silenced", lambda *of: True),
    "finds none silenced": (judge, "_is_silenced", lambda *of: False),
    "decides too late": (
        judge._Moments,
        "decision_ms",
        lambda *of: REAL_DECISION_MS(*of) + 2 * DEFAULT_CHUNK_MS + 21,
    ),
    "finds no decision": (judge._Moments, "decision_ms", lambda *of: None),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_judge_that_does_not_measure_right_is_refused(monkeypatch, broken):
    monkeypatch.setattr(*BROKEN[broken])
    with pytest.raises(PipelineLiveError):
        verdict(CLIP, perfect(), DECIDED)


def test_the_leak_is_planted_after_everything_else():
    before, after = (audible_spans(one.bot) for one in (perfect(), with_leak(perfect())))
    assert after[:-1] == before
    assert after[-1].samples == pytest.approx(ms_to_samples(LEAK_MS, 24_000), abs=24)
    whole = Sound(perfect().user, tone(12_000))
    with pytest.raises(PipelineLiveError, match="too short"):
        with_leak(whole)
