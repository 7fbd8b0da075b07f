from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.bench.clips import Clip
from pipeline_live.bench.scenarios import SCENARIOS, Act
from pipeline_live.bench.schedule import WATCHED_MS, expected_ms, schedule

from .calls_made import babble


def clips(count: int) -> list[Clip]:
    return [Clip(f"clip{n}", "made", babble(400, n), 50, 380) for n in range(count)]


@given(st.integers(1, 40), st.integers(1, 6))
def test_every_scenario_meets_the_same_clips_within_its_limits(calls, count):
    speech = clips(count)
    trials = schedule(SCENARIOS, speech, speech, calls, speech)
    for scenario in SCENARIOS:
        mine = [trial for trial in trials if trial.scenario is scenario]
        if scenario.act is Act.STOP:
            assert [trial.clip for trial in mine] == [None] * calls
        else:
            assert [trial.clip for trial in mine] == speech[:calls]
        for trial in mine:
            assert scenario.first_ms <= trial.offset_ms <= scenario.last_ms
    assert len({trial.name for trial in trials}) == len(trials)


def test_the_same_number_gives_the_same_moment_whatever_follows():
    few, many = (schedule(SCENARIOS[:1], clips(9), [], calls) for calls in (3, 9))
    assert [trial.offset_ms for trial in many[:3]] == [trial.offset_ms for trial in few]
    assert len({trial.offset_ms for trial in many}) == 9


def test_a_barge_in_is_watched_to_the_end_of_the_clip_and_for_leaks():
    short = Clip("no", "word", babble(400), 50)
    long = Clip("story", "read", babble(6000), 50)
    one, two = schedule(SCENARIOS[:1], [short, long], [], 2)
    assert one.watch_ms == 50 + WATCHED_MS
    assert two.watch_ms == 6000


def test_side_by_side_takes_less_time_and_a_deaf_server_the_whole_reply():
    trials = schedule(SCENARIOS, clips(3), clips(3), 3, clips(3))
    together = expected_ms(trials, 14_000, together=True)
    assert together < expected_ms(trials, 14_000, together=False)
    assert together < expected_ms(trials, 20_000, together=True)


def test_the_default_run_takes_less_than_four_minutes():
    from pipeline_live.bench.clips import ASKED_MS, NOISE_MS, SPOKEN_MS
    from pipeline_live.bench.command import _BEFORE_MS, DEFAULT_CALLS

    speech = [Clip("s", "made", babble(SPOKEN_MS + 300), 300)] * DEFAULT_CALLS
    noise = [Clip("n", "made", babble(NOISE_MS))] * DEFAULT_CALLS
    questions = [Clip("q", "made", babble(ASKED_MS + 600), 300, ASKED_MS)] * DEFAULT_CALLS
    trials = schedule(SCENARIOS, speech, noise, DEFAULT_CALLS, questions)
    assert _BEFORE_MS + expected_ms(trials, 16_000, together=True) < 4 * 60_000
