"""How a fault is written, and when it strikes."""

import pytest

from pipeline_live.emulator import Emulator, Fault
from pipeline_live.emulator.faults import KINDS, fault_table
from pipeline_live.emulator.faults.kinds import NUMBERS, Moment
from pipeline_live.emulator.faults.mischief import Mischief
from pipeline_live.emulator.faults.situation import Cause, Situation
from pipeline_live.emulator.messages import Text
from pipeline_live.emulator.script import Reply
from pipeline_live.errors import UsageError

WANTED = [*range(1, 19), 20, 21, 22, 23, 25, 26, 28]


def test_every_misbehaviour_that_a_server_can_show_has_a_name():
    assert {int(number[1:]) for number in NUMBERS} == set(WANTED)
    table = fault_table()
    assert all(name in table for name in KINDS)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stall", Fault("stall")),
        ("F3", Fault("stall")),
        ("stall@turn=2,after_ms=900", Fault("stall", turn=2, values={"after_ms": 900})),
        ("text-lost@probability=0.05,seed=7", Fault("text-lost", probability=0.05, seed=7)),
        ("faint@gain=.5,times=3", Fault("faint", times=3, values={"gain": 0.5})),
        ("F17@at_ms=5,reason=deadline", Fault("server-error", 5, values={"reason": "deadline"})),
    ],
)
def test_a_fault_in_words(text, fault):
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stal", "no fault 'stal'; did you mean stall?"),
        ("F24", "no fault 'F24'; there are phantom-interrupt, "),
        ("stall@after=9", "no setting of the fault stall 'after'; did you mean after_ms?"),
        ("stall@zzz=9", "there are at_ms, turn, probability, seed, times, connection, after_ms"),
        ("stall@turn", "write turn as turn=VALUE"),
        ("stall@turn=0", "fault stall: turn is 0; give a whole number from 1"),
        ("stall@turn=two", "turn is 'two'; give a whole number from 1"),
        ("stall@probability=2", "give a number from 0 to 1"),
        ("stall@after_ms=soon", "after_ms is 'soon'; give a number, usually 800"),
        ("stall@after_ms=0.5", "give a whole number, usually 800"),
        ("handshake-refused@turn=2", "turn is 2; give none, for a handshake comes before any"),
        ("rejected@reason=BAD", "give RESPONSE_REJECTED or NEED_MORE_INPUT"),
        ("server-error@code=99", "give a WebSocket close code, 1000 to 4999"),
    ],
)
def test_a_fault_that_makes_no_sense_is_one_line(text, words):
    with pytest.raises(UsageError) as refusal:
        Fault.parse(text)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_emulator_takes_faults_in_words():
    with pytest.raises(UsageError, match="did you mean stall"):
        Emulator(faults=["stal"])


# --- when ------------------------------------------------------------------------------------


def lost(fault, count=400, **arguments):
    """Which of many texts, one a turn and a second, are lost."""
    situation = Situation(opened_ms=1000)
    mischief = Mischief([fault], situation, **arguments)
    gone = []
    for n in range(count):
        situation.turn = n
        if not mischief.hears(Text("Hi."), 1000 + n * 1000):
            gone.append(n + 1)
    return gone


@pytest.mark.parametrize(
    ("fault", "turns"),
    [
        (Fault("text-lost"), [1, 2, 3, 4, 5, 6]),
        (Fault("text-lost", turn=3), [3]),
        (Fault("text-lost", turn=3, times=2), [3, 4]),
        (Fault("text-lost", times=2), [1, 2]),
        (Fault("text-lost", at_ms=3000), [4]),
        (Fault("text-lost", at_ms=3000, times=2), [4, 5]),
        (Fault("text-lost", at_ms=3000, turn=2), []),
        (Fault("text-lost", connection=1), [1, 2, 3, 4, 5, 6]),
        (Fault("text-lost", connection=2), []),
        (Fault("text-lost", probability=0.0), []),
    ],
)
def test_when_a_fault_strikes(fault, turns):
    assert lost(fault, 6) == turns


def test_a_probability_is_a_share_and_a_seed_decides_which():
    often = lost(Fault("text-lost", probability=0.25, seed=1))
    assert 70 <= len(often) <= 130
    assert often == lost(Fault("text-lost", probability=0.25, seed=1), seed=99)
    assert often != lost(Fault("text-lost", probability=0.25, seed=2))
    unseeded = Fault("text-lost", probability=0.25)
    assert lost(unseeded, seed=3) == lost(unseeded, seed=3) != lost(unseeded, seed=4)
    assert lost(unseeded) != lost(unseeded, connection=2)


def test_one_kind_of_fault_can_be_asked_for_twice():
    situation = Situation(turn=1)
    mischief = Mischief([Fault("unanswered", turn=1), Fault("unanswered", turn=3)], situation)
    said = []
    for turn in range(1, 6):
        situation.turn = turn
        reply = mischief.answer(Reply(f"{turn}."), Cause.SPEECH, 0)
        said.append(reply and reply.text)
    assert said == [None, "", None, "", "5."]


@pytest.mark.parametrize(
    ("text", "moment", "delay_ms"),
    [
        ("server-error", Moment.OPENED, 0),
        ("server-error@at_ms=700", Moment.OPENED, 700),
        ("server-error@turn=2,after_ms=50", Moment.REPLY, 50),
        ("server-error@probability=0.1", Moment.REPLY, 0),
        ("phantom-interrupt", Moment.REPLY, 800),
        ("phantom-interrupt@at_ms=700", Moment.OPENED, 700),
        ("tool-call-fails@at_ms=700,after_ms=5", Moment.CALL, 5),
        ("stall@at_ms=700", Moment.REPLY, 800),
    ],
)
def test_when_what_happens_by_itself_happens(text, moment, delay_ms):
    fault = Fault.parse(text)
    assert (fault.moment, fault.delay_ms) == (moment, delay_ms)
