"""The ears: suspicion, confirmation, dismissal, pauses and the end of a turn, window by window."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import run_virtual

from pipeline_live.session import Call, Ears, EarsPolicy
from pipeline_live.session.ears import Verdict
from pipeline_live.turn import Floor
from pipeline_live.vad import Window

RATE = 16_000
WINDOW = 512
LOUD, FAINT, QUIET = 0.6, 0.37, 0.05

S, C, D, P, E = (
    Verdict.SUSPECTED,
    Verdict.STARTED,
    Verdict.DISMISSED,
    Verdict.PAUSED,
    Verdict.ENDED,
)


class Listener:
    """Feeds windows and notes each verdict with the window after which it came, from 1."""

    def __init__(self, policy: EarsPolicy | None = None) -> None:
        self.ears = Ears(policy)
        self.count = 0
        self.found: list[tuple[int, Verdict]] = []

    def hear(self, *probabilities: float) -> list[tuple[int, Verdict]]:
        before = len(self.found)
        for probability in probabilities:
            self.count += 1
            window = Window(self.count * WINDOW, probability)
            for heard in self.ears.judge([window], WINDOW, RATE):
                self.found.append((self.count, heard.verdict))
        return self.found[before:]


@pytest.mark.parametrize(
    ("what", "windows", "verdicts"),
    [
        ("one loud window is nothing", [LOUD, *[QUIET] * 20], []),
        ("two are suspicious, and nothing if no more follow", [LOUD] * 2, [(2, S)]),
        ("one is enough when it is certain", [0.8], [(1, S)]),
        (
            "a short burst is dismissed after the bridge",
            [LOUD] * 4 + [QUIET] * 8,
            [(2, S), (10, D)],
        ),
        ("nine windows are speech", [LOUD] * 9, [(2, S), (9, C)]),
        (
            "a gap within the bridge counts for nothing",
            [LOUD] * 4 + [QUIET] * 5 + [LOUD] * 5,
            [(2, S), (14, C)],
        ),
        (
            "a gap beyond it starts anew",
            [LOUD] * 4 + [QUIET] * 6 + [LOUD] * 5,
            [(2, S), (10, D), (12, S)],
        ),
        ("faint windows begin nothing", [FAINT] * 40, []),
        (
            "the turn ends after its silence",
            [LOUD] * 9 + [QUIET] * 22,
            [(2, S), (9, C), (14, P), (31, E)],
        ),
        ("faint windows keep it alive", [LOUD] * 9 + [FAINT] * 40, [(2, S), (9, C)]),
        (
            "after a pause within the turn speech is judged anew",
            [LOUD] * 9 + [QUIET] * 8 + [LOUD] * 9,
            [(2, S), (9, C), (14, P), (19, S), (26, C)],
        ),
    ],
)
def test_verdicts(what, windows, verdicts):
    assert Listener().hear(*windows) == verdicts, what


def test_the_onset_is_where_the_burst_began():
    ears = Ears()
    told = []
    for number in range(1, 10):
        told += ears.judge([Window(number * WINDOW, LOUD)], WINDOW, RATE)
    assert [(one.verdict, one.ago_ms) for one in told] == [(S, 64), (C, 288)]


def test_a_complete_turn_ends_in_its_pause_and_an_incomplete_one_waits():
    listener = Listener()
    listener.ears.patient = True
    listener.hear(*[LOUD] * 9)
    assert listener.ears.end_turn() == [], "nobody pauses"
    assert [v for _, v in listener.hear(*[QUIET] * 30)] == [P]
    assert listener.ears.pause == 1
    listener.hear(LOUD)
    assert listener.ears.pause == 0
    assert [v for _, v in listener.hear(*[QUIET] * 7)] == [P]
    assert listener.ears.pause == 2
    assert [one.verdict for one in listener.ears.end_turn()] == [E]
    assert listener.ears.end_turn() == []


def test_speech_right_after_a_turn_that_was_judged_complete_is_another_one():
    """Goes red when the burst outlives its turn: then nobody hears what follows."""
    listener = Listener()
    listener.hear(*[LOUD] * 9, *[QUIET] * 5)
    assert [one.verdict for one in listener.ears.end_turn()] == [E]
    assert [v for _, v in listener.hear(*[LOUD] * 9)] == [S, C]


def test_deaf_ears_end_what_they_heard():
    listener = Listener()
    listener.hear(*[LOUD] * 3)
    assert [one.verdict for one in listener.ears.deafen()] == [D]
    listener.hear(*[LOUD] * 9)
    assert [one.verdict for one in listener.ears.deafen()] == [E]
    assert listener.ears.deafen() == []


@given(st.lists(st.sampled_from([LOUD, FAINT, QUIET, 0.9]), max_size=120))
def test_every_suspicion_is_decided_and_every_turn_ends(probabilities):
    listener = Listener()
    listener.hear(*probabilities)
    listener.hear(*[QUIET] * 30)
    bursts = [v for _, v in listener.found if v in (S, C, D)]
    assert all(
        first is S and then in (C, D) for first, then in zip(bursts[::2], bursts[1::2], strict=True)
    )
    assert len(bursts) % 2 == 0
    speaking = False
    for _, verdict in listener.found:
        if verdict is C:
            speaking = True
        elif verdict in (P, E):
            assert speaking
            speaking = verdict is P
    assert not speaking
    assert not listener.ears.speaking


class Judge:
    """An endpointer whose verdicts the test gives."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int, partial]] = []

    def judge(self, pcm, rate, tell):
        self.asked.append((pcm, rate, tell))


def test_the_call_asks_at_each_pause_and_a_late_verdict_counts_for_nothing():
    async def scenario() -> None:
        judge = Judge()
        call = Call(floor=Floor.LOCAL, ears=EarsPolicy(), endpointer=judge)
        sound = bytes(2 * WINDOW)

        def hear(*probabilities: float) -> None:
            for probability in probabilities:
                hear.at += WINDOW
                call.hear_windows([Window(hear.at, probability)], sound, RATE)

        hear.at = 0
        hear(*[LOUD] * 9, *[QUIET] * 7)
        assert len(judge.asked) == 1
        pcm, rate, tell = judge.asked[0]
        assert (len(pcm), rate) == (14 * len(sound), RATE)
        hear(LOUD)
        tell(True)
        assert call.ears.speaking, "the user went on"
        hear(*[QUIET] * 7)
        judge.asked[1][2](False)
        assert call.ears.speaking
        judge.asked[1][2](True)
        assert not call.ears.speaking
        assert call.timeline.counts["SpeechEnded"] == 1
        hear(*[QUIET] * 300)
        hear(*[LOUD] * 9, *[QUIET] * 7)
        assert len(judge.asked[2][0]) == 8 * RATE * 2, "eight seconds and no more"
        call.end()

    run_virtual(scenario())
