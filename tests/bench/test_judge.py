from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, resample, to_array
from pipeline_live.bench.clips import Clip
from pipeline_live.bench.judge import ALLOWED_TAIL_MS, judge, locate
from pipeline_live.bench.scenarios import Side
from pipeline_live.errors import PipelineLiveError
from pipeline_live.report.lines import Line
from pipeline_live.report.reading import Sound

from .calls_made import (
    BEGUN_MS,
    CLIP,
    END_MS,
    REPLY_MS,
    babble,
    line,
    lines,
    reply,
    seen,
    sound,
    trial,
)

ONSET_MS = 3100  # sound() lays the clip to 3000, its onset is at 100


def judged(recording, *more, name="server", clip=CLIP, acted_ms=2990):
    return judge(trial(name, clip), Side.OURS, recording, lines(acted_ms, *more), reply())


@settings(max_examples=15, deadline=None)
@given(st.integers(BEGUN_MS + 200, 4000), st.integers(1, 2000))
def test_a_bot_that_stops_at_a_known_time_reads_that_time(clip_ms, stop_ms):
    onset_ms = clip_ms + CLIP.onset_ms
    recording = sound((BEGUN_MS, BEGUN_MS + 100), (clip_ms, onset_ms + stop_ms), clip_ms=clip_ms)
    one = judged(recording, seen(onset_ms + stop_ms))
    assert one.to_silence_ms == pytest.approx(stop_ms, abs=1)
    assert one.decision_ms == stop_ms
    assert one.stale_ms == 0
    assert one.silenced


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2000), st.integers(1, 300))
def test_a_leak_after_a_decision_is_found_to_the_millisecond(later_ms, leak_ms):
    free_ms = ONSET_MS + 200 + ALLOWED_TAIL_MS
    leak = (free_ms + 25 + later_ms, free_ms + 25 + later_ms + leak_ms)
    one = judged(sound((BEGUN_MS, ONSET_MS + 220), leak), seen(ONSET_MS + 200))
    assert one.stale_ms == pytest.approx(leak_ms, abs=1)
    assert one.to_silence_ms == pytest.approx(leak[1] - ONSET_MS, abs=1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60_000), st.integers(0, 5))
def test_a_clip_is_found_at_its_very_sample(at, seed):
    clip = to_array(resample(babble(500, seed), INPUT_RATE, OUTPUT_RATE))
    recorded = np.zeros(80_000, np.int16)
    recorded[at : at + len(clip)] = clip
    assert locate(recorded, clip) == at


@pytest.mark.parametrize(
    ("recorded", "clip"),
    [
        (np.zeros(9000, np.int16), to_array(babble(100))),
        (to_array(babble(300, 1)), to_array(babble(100, 2))),
        (to_array(babble(100)), to_array(babble(300))),
        (to_array(babble(300)), np.zeros(100, np.int16)),
    ],
    ids=["silence", "another", "cut", "nothing"],
)
def test_a_clip_that_is_not_there_is_not_found(recorded, clip):
    assert locate(recorded, clip) is None


@pytest.mark.parametrize(
    ("more", "decision_ms"),
    [
        ([line("HoldPlayout", 3200), line("FlushPlayout", 3350), seen(3351)], 100),
        ([line("FlushPlayout", 3350), seen(3352)], 250),
        ([line("ReportInterruption", 3350), seen(3352)], 250),
        ([seen(3352)], 252),
        # A hold that was taken back decided nothing.
        (
            [
                line("HoldPlayout", 3150),
                line("ResumePlayout", 3250),
                line("HoldPlayout", 3400),
                line("FlushPlayout", 3500),
            ],
            300,
        ),
        ([line("HoldPlayout", 3150), line("ResumePlayout", 3250), seen(3500)], 400),
        # What happened long before the onset was about something else.
        ([line("FlushPlayout", 1000), line("FlushPlayout", 3300)], 200),
        # The label may be late.
        ([line("HoldPlayout", 3080), line("FlushPlayout", 3300)], -20),
        ([line("HoldPlayout", 3150), line("ResumePlayout", 3250)], None),
        ([], None),
    ],
)
def test_which_moment_is_the_decision(more, decision_ms):
    one = judged(sound((BEGUN_MS, 3700)), *more)
    assert one.decision_ms == decision_ms
    assert one.after_decision_ms == (None if decision_ms is None else 600 - decision_ms)
    assert (one.stale_ms is None) == (decision_ms is None)


def test_a_reply_said_to_its_end_was_not_silenced():
    one = judged(sound((BEGUN_MS, BEGUN_MS + REPLY_MS)))
    assert not one.silenced
    assert one.to_silence_ms == BEGUN_MS + REPLY_MS - ONSET_MS


def test_a_reply_that_was_held_and_then_said_to_its_end_was_not_silenced():
    halves = (BEGUN_MS, 3200), (3900, 3900 + REPLY_MS - 2700)
    one = judged(sound(*halves), line("HoldPlayout", 3200), line("ResumePlayout", 3900))
    assert not one.silenced
    assert one.holds == 1


@pytest.mark.parametrize("early_ms", [100, 200])
def test_a_reply_that_was_over_before_the_user_spoke_was_not_silenced_in_no_time(early_ms):
    """Up to what a label may be late it counts."""
    cut = sound((BEGUN_MS, ONSET_MS - early_ms))
    one = judged(cut, line("FlushPlayout", ONSET_MS - early_ms), seen(ONSET_MS + 300))
    figures = (one.to_silence_ms, one.decision_ms, one.after_decision_ms, one.stale_ms)
    assert figures == ((0, -100, 0, 0) if early_ms == 100 else (None,) * 4)


def test_stop_counts_from_the_request():
    one = judged(
        sound((BEGUN_MS, 2060), clip=None),
        line("FlushPlayout", 2003),
        name="stop",
        clip=None,
        acted_ms=2000,
    )
    assert (one.to_silence_ms, one.decision_ms, one.stale_ms) == (60, 3, 0)


@pytest.mark.parametrize(
    ("heard", "silenced", "noise_ms"),
    [((BEGUN_MS, END_MS), False, 4000), ((BEGUN_MS, 3000), True, 1000)],
    ids=["goes on", "silenced"],
)
def test_in_noise_only_false_alarms_count(heard, silenced, noise_ms):
    noise = Clip("noise", "car", babble(4000))
    one = judged(
        sound(heard, clip=noise),
        line("HoldPlayout", 2500),
        name="noise",
        clip=noise,
        acted_ms=2000,
    )
    assert one.silenced is silenced
    assert one.noise_ms == pytest.approx(noise_ms, abs=1)
    assert one.holds == 1
    assert not one.interrupted
    assert (one.to_silence_ms, one.decision_ms, one.stale_ms) == (None, None, None)


def test_a_recording_that_holds_not_what_was_played_is_refused():
    with pytest.raises(PipelineLiveError, match="does not hold the clip"):
        judged(sound((BEGUN_MS, 3300), clip=None))
    silent = sound((BEGUN_MS, 3300))
    with pytest.raises(PipelineLiveError, match="no reply"):
        judged(Sound(silent.user, np.zeros_like(silent.bot)))
    with pytest.raises(PipelineLiveError, match="timeline"):
        judge(trial("server"), Side.OURS, silent, [], reply())


@pytest.mark.parametrize(
    ("name", "side", "source", "by_server"),
    [
        ("server", Side.OURS, "server", True),
        ("server", Side.OURS, "local_speech", False),
        ("server", Side.STOCK, None, True),
        ("local", Side.STOCK, None, False),
    ],
)
def test_who_interrupted(name, side, source, by_server):
    report = Line(3240, "action", "ReportInterruption", {"source": source}, "t:1")
    more = [seen(3210), *([report] if source else [])]
    recording = sound((BEGUN_MS, 3300))
    one = judge(trial(name), side, recording, lines(2990, *more), reply())
    assert one.by_server is by_server
    quiet = judge(trial(name), side, recording, lines(2990), reply())
    assert not quiet.by_server


QUESTION = replace(CLIP, end_ms=800)


@pytest.mark.parametrize("name", ["answer", "answer-local"])
@pytest.mark.parametrize("answer_ms", [-300, 0, 1234])
def test_the_answer_is_timed_from_the_end_of_the_question(name, answer_ms):
    begin_ms = 3000 + 800 + answer_ms  # sound() lays the clip to 3000
    recording = sound((BEGUN_MS, 1500), (begin_ms, begin_ms + 500), clip=QUESTION)
    one = judged(recording, name=name, clip=QUESTION)
    assert one.answer_ms == pytest.approx(answer_ms, abs=1)
    assert (one.to_silence_ms, one.decision_ms, one.stale_ms) == (None, None, None)


def test_a_question_without_an_answer_has_no_time():
    recording = sound((BEGUN_MS, 1500), clip=QUESTION)
    assert judged(recording, name="answer", clip=QUESTION).answer_ms is None


def test_a_question_whose_end_nobody_knows_cannot_be_judged():
    with pytest.raises(PipelineLiveError, match="nobody knows when the question ends"):
        judged(sound((BEGUN_MS, 1500)), name="answer")
