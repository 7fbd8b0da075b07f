"""The turn machine: its tables, one story per row that matters, and its promises as properties."""

import dataclasses
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline_live.turn import events as e
from pipeline_live.turn.machine import TurnMachine
from pipeline_live.turn.policy import BargeIn, TurnPolicy
from pipeline_live.turn.tables import ANSWER, GATE, HOLD, USER, Answer, Do, Gate, Playout, User

FACTS = [
    kind
    for _, kind in inspect.getmembers(e, inspect.isclass)
    if issubclass(kind, e.Fact) and kind is not e.Fact
]
ACTIONS = [
    kind
    for _, kind in inspect.getmembers(e, inspect.isclass)
    if issubclass(kind, e.Action) and kind is not e.Action
]


def fact(kind: type[e.Fact], at_ms: int, **fields: object) -> e.Fact:
    defaults: dict[str, object] = {
        "samples": 2400,
        "levels": b"",
        "text": "word ",
        "onset_ms": at_ms,
        "code": 1006,
        "reply": 1,
        "announce": True,
        "answer": True,
        "ended_ms": None,
    }
    names = {f.name for f in dataclasses.fields(kind)} - {"at_ms"}
    return kind(at_ms, **{name: fields.get(name, defaults[name]) for name in names})


def names(actions: list[e.Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


class Story:
    """Feeds facts, 10 ms apart unless told otherwise."""

    def __init__(self, policy: TurnPolicy | None = None) -> None:
        self.machine = TurnMachine(policy)
        self.at_ms = 0

    def __call__(self, kind: type[e.Fact], *, after_ms: int = 10, **fields: object) -> list[str]:
        self.at_ms += after_ms
        return names(self.machine.handle(fact(kind, self.at_ms, **fields)))


def test_every_row_leads_to_a_state_of_its_own_region_and_names_a_known_step():
    regions = ((GATE, Gate), (USER, User), (HOLD, Playout), (ANSWER, Answer))
    for table, states in regions:
        for (state, kind), row in table.items():
            assert isinstance(state, states)
            assert isinstance(row.to, states)
            assert issubclass(kind, e.Fact)
            assert all(isinstance(step, Do) for step in row.do)


def test_every_step_of_the_tables_is_used_and_every_shut_state_can_be_left():
    tables = (GATE, USER, HOLD, ANSWER)
    steps = {step for table in tables for row in table.values() for step in row.do}
    assert steps == set(Do)
    for shut in (Gate.SWALLOWING, Gate.CLOSING):
        for way_out in (e.TurnCompleted, e.BoundaryAssumed, e.ConnectionOpened, e.ConnectionLost):
            assert GATE[shut, way_out].to is Gate.IDLE
        for kind in e.CONTENT:
            assert GATE[shut, kind].do == (Do.DROP,)


@pytest.mark.parametrize("kind", FACTS + ACTIONS, ids=lambda kind: kind.__name__)
def test_facts_and_actions_are_frozen_and_documented(kind):
    assert kind.__dataclass_params__.frozen
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


@pytest.mark.parametrize("state", list(Gate))
@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
def test_every_fact_is_welcome_in_every_state(state, kind):
    story = Story()
    if state is not Gate.IDLE:
        story(e.AudioReceived)
    if state is Gate.SWALLOWING:
        story(e.StopRequested)
    if state is Gate.CLOSING:
        story(e.Interrupted)
    assert story.machine.gate is state
    story(kind)


def test_a_quiet_reply():
    story = Story()
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]
    assert story(e.TranscriptReceived) == ["Deliver"]
    assert story(e.AudioReceived) == ["Deliver"]
    assert story(e.GenerationCompleted) == []
    assert story(e.TurnCompleted) == ["EndTurn"]


def test_an_interruption_by_the_server():
    story = Story()
    story(e.AudioReceived)
    assert story(e.Interrupted) == ["FlushPlayout", "ReportInterruption"]
    assert story(e.AudioReceived) == ["Drop"]
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]


def test_an_interruption_by_local_speech():
    story = Story()
    story(e.AudioReceived)
    assert story(e.SpeechStarted) == [
        "FlushPlayout",
        "AnnounceInterruption",
        "ReportInterruption",
        "StartUserTurn",
    ]
    assert story(e.AudioReceived) == ["Drop"]
    assert story(e.Interrupted) == ["SuppressInterrupted"]
    assert story(e.AudioReceived) == ["Drop"]
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert story(e.SpeechEnded) == ["EndUserTurn"]
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]


def test_a_stop_that_everybody_knows_of_is_not_announced():
    story = Story()
    story(e.AudioReceived)
    assert story(e.StopRequested, announce=False) == [
        "FlushPlayout",
        "StopServer",
        "ReportInterruption",
    ]


def test_the_server_is_told_of_a_stop_only_while_its_turn_is_open():
    story = Story()
    story(e.AudioReceived, samples=48_000)
    story(e.TurnCompleted)
    assert "StopServer" not in story(e.StopRequested)
    story(e.AudioReceived)
    assert "StopServer" in story(e.StopRequested)
    assert "StopServer" not in story(e.StopRequested)


def test_nothing_to_interrupt_is_no_interruption():
    story = Story()
    assert story(e.StopRequested) == []
    assert story(e.SpeechStarted) == ["StartUserTurn"]
    assert story(e.Interrupted) == []


def test_speech_after_the_turn_silences_what_still_plays():
    story = Story()
    story(e.AudioReceived, samples=48_000)
    story(e.TurnCompleted)
    assert "FlushPlayout" in story(e.SpeechStarted)
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]


def test_the_gate_opens_by_itself_when_the_turn_complete_never_comes():
    story = Story()
    story(e.AudioReceived)
    story(e.Interrupted)
    deadline = story.machine.deadline_ms
    assert deadline == story.at_ms + story.machine.policy.closing_quiet_ms
    assert story(e.TimeReached, after_ms=399) == []
    assert story(e.TimeReached, after_ms=1) == ["ReportAnomaly", "EndTurn"]
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]


def test_dead_sound_puts_the_deadline_off():
    story = Story()
    story(e.AudioReceived)
    story(e.Interrupted)
    story(e.AudioReceived, after_ms=300)
    assert story.machine.deadline_ms == story.at_ms + story.machine.policy.closing_quiet_ms


def test_a_generated_reply_is_swallowed_until_its_playback_would_have_ended():
    story = Story()
    story(e.AudioReceived, samples=240_000)
    story(e.GenerationCompleted)
    story(e.StopRequested)
    assert story.machine.deadline_ms == 10 + 10_000 + story.machine.policy.complete_slack_ms


def test_an_answer_that_was_asked_for_opens_the_gate_without_a_boundary():
    story = Story()
    story(e.AudioReceived)
    story(e.StopRequested)
    story(e.AudioReceived)
    story(e.InputTranscribed)
    assert story(e.AudioReceived, after_ms=100) == ["Drop"]
    assert story(e.AudioReceived, after_ms=1000) == ["EndTurn", "StartReply", "Deliver"]


def test_a_boundary_that_was_assumed_does_not_end_the_next_reply():
    story = Story()
    for _ in range(2):  # one whole reply teaches the machine that generationComplete comes
        story(e.AudioReceived)
        story(e.GenerationCompleted)
        story(e.TurnCompleted)
    story(e.AudioReceived)
    story(e.Interrupted)
    story(e.TimeReached, after_ms=400)
    story(e.AudioReceived)
    assert story(e.TurnCompleted) == ["IgnoreTurnComplete"]
    assert story(e.AudioReceived) == ["Deliver"]
    story(e.GenerationCompleted)
    assert story(e.TurnCompleted) == ["EndTurn"]


def test_a_late_interrupted_after_its_own_turn_complete_does_not_shut_the_gate():
    story = Story()
    story(e.AudioReceived)
    story(e.StopRequested)
    story(e.TurnCompleted)
    assert story(e.Interrupted) == ["SuppressInterrupted"]
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]
    assert story(e.Interrupted) == ["FlushPlayout", "ReportInterruption"]


def test_a_new_connection_is_a_boundary():
    story = Story()
    story(e.AudioReceived)
    story(e.StopRequested)
    assert story(e.ConnectionOpened) == ["EndTurn"]
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]


def test_a_stray_turn_complete_ends_nothing_but_an_empty_answer_ends_its_turn():
    story = Story()
    assert story(e.TurnCompleted) == ["IgnoreTurnComplete"]
    story(e.AnswerRequested)
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert story(e.TurnCompleted) == ["IgnoreTurnComplete"]


def test_heard_words_follow_the_playout():
    story = Story()
    for word in ("one ", "two ", "six ", "ten "):
        story(e.TranscriptReceived, text=word)
        story(e.AudioReceived, samples=24_000)
    story(e.GenerationCompleted)
    story.machine.ledger.attach_sink()
    story(e.PlayoutAdvanced, reply=1, samples=50_000)
    actions = story.machine.handle(fact(e.StopRequested, story.at_ms + 1))
    report = next(a for a in actions if isinstance(a, e.ReportInterruption))
    assert (report.heard_ms, report.heard_text) == (2083, "one two")


# --- hold and resume ---------------------------------------------------------------------------


def test_suspected_speech_holds_and_dismissed_speech_resumes():
    story = Story()
    story(e.AudioReceived)
    assert story(e.SpeechSuspected) == ["AnnounceSuspicion", "HoldPlayout"]
    assert story(e.AudioReceived) == ["Deliver"], "what comes meanwhile is kept"
    assert story(e.SpeechDismissed) == ["AnnounceDismissal", "ResumePlayout", "ReportFalseAlarm"]
    assert story(e.SpeechDismissed) == ["AnnounceDismissal"]


@pytest.mark.parametrize(
    ("decision", "source"),
    [
        (e.SpeechStarted, e.Source.LOCAL_SPEECH),
        (e.Interrupted, e.Source.SERVER),
        (e.StopRequested, e.Source.STOP),
    ],
)
def test_a_decision_ends_the_hold_together_with_the_reply(decision, source):
    story = Story()
    story(e.AudioReceived, after_ms=100)
    story.at_ms = 1100
    story.machine.handle(e.SpeechSuspected(1100, 1040))
    kind = {"onset_ms": 1040} if decision is e.SpeechStarted else {}
    actions = story.machine.handle(fact(decision, 1300, **kind))
    assert "FlushPlayout" in names(actions)
    assert "ResumePlayout" not in names(actions)
    report = next(a for a in actions if isinstance(a, e.ReportInterruption))
    assert report.source is source
    assert report.onset_ms == (None if source is e.Source.STOP else 1040)
    assert report.held_ms == 1100
    assert story.machine.playout is Playout.PLAYING


def test_a_hold_has_a_limit_and_speech_that_goes_on_still_ends_the_reply():
    story = Story(TurnPolicy(hold_limit_ms=1500))
    story(e.AudioReceived)
    story(e.SpeechSuspected)
    held_at = story.at_ms
    assert story.machine.deadline_ms == held_at + 1500
    actions = story.machine.handle(e.TimeReached(held_at + 1500))
    assert names(actions) == ["ResumePlayout", "ReportFalseAlarm"]
    assert actions[1] == e.ReportFalseAlarm(held_at, 1500, True)
    story.at_ms = held_at + 1500
    assert "FlushPlayout" in story(e.SpeechStarted)


def test_nothing_is_held_when_nothing_plays():
    story = Story()
    assert story(e.SpeechSuspected) == ["AnnounceSuspicion"]
    assert story(e.SpeechStarted) == ["StartUserTurn"]
    assert story(e.SpeechEnded) == ["EndUserTurn"]


@pytest.mark.parametrize("first", [[], [e.TranscriptReceived]], ids=["sound", "words"])
def test_a_reply_that_begins_under_suspicion_is_held_from_its_first_sample(first):
    story = Story()
    story(e.SpeechSuspected)
    for kind in first:
        assert "HoldPlayout" not in story(kind)
    assert story(e.AudioReceived)[-2:] == ["Deliver", "HoldPlayout"]
    assert story(e.AudioReceived) == ["Deliver"]
    assert story(e.SpeechDismissed) == ["AnnounceDismissal", "ResumePlayout", "ReportFalseAlarm"]
    assert story(e.AudioReceived) == ["Deliver"]


def test_a_reply_that_began_under_suspicion_ends_when_the_user_does_speak():
    story = Story()
    story(e.SpeechSuspected)
    story(e.AudioReceived)
    assert "FlushPlayout" in story(e.SpeechStarted)
    assert story.machine.playout is Playout.PLAYING
    assert story(e.AudioReceived) == ["Drop"]


@pytest.mark.parametrize("over", [e.SpeechDismissed, e.SpeechStarted, e.TextSent, e.StopRequested])
def test_a_reply_that_begins_after_the_suspicion_is_not_held(over):
    story = Story()
    story(e.SpeechSuspected)
    story(over)
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]


def test_a_hold_that_expired_is_not_renewed_by_the_same_reply():
    story = Story(TurnPolicy(hold_limit_ms=1500))
    story(e.SpeechSuspected)
    story(e.AudioReceived)
    story.at_ms += 1500
    assert story(e.TimeReached)[:1] == ["ResumePlayout"]
    assert story(e.AudioReceived) == ["Deliver"]


@pytest.mark.parametrize("barge_in", [BargeIn.CUT, BargeIn.OFF])
def test_under_another_policy_no_reply_begins_held(barge_in):
    story = Story(TurnPolicy(barge_in=barge_in))
    story(e.SpeechSuspected)
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]


def test_a_protected_reply_does_not_begin_held():
    story = Story()
    story(e.ProtectionRequested)
    story(e.SpeechSuspected)
    assert "HoldPlayout" not in story(e.AudioReceived)


def test_a_hold_of_a_reply_that_ended_meanwhile_is_let_go():
    story = Story()
    story.machine.ledger.attach_sink()
    story(e.AudioReceived, samples=2400)
    story(e.TurnCompleted)
    assert story(e.SpeechSuspected) == ["AnnounceSuspicion", "HoldPlayout"]
    story(e.PlayoutAdvanced, reply=1, samples=2400)
    assert story(e.SpeechStarted) == ["ResumePlayout", "StartUserTurn"]


def test_speech_within_a_user_turn_is_judged_anew_over_a_reply_that_began_in_a_pause():
    story = Story()
    story(e.SpeechStarted)
    story(e.AudioReceived)
    assert story(e.SpeechSuspected) == ["AnnounceSuspicion", "HoldPlayout"]
    assert "FlushPlayout" in story(e.SpeechStarted)


@pytest.mark.parametrize(
    ("barge_in", "suspected", "started"),
    [
        (BargeIn.HOLD, ["HoldPlayout"], True),
        (BargeIn.CUT, [], True),
        (BargeIn.OFF, [], False),
    ],
)
def test_the_policy_says_what_local_speech_may_do(barge_in, suspected, started):
    story = Story(TurnPolicy(barge_in=barge_in))
    story(e.AudioReceived)
    assert story(e.SpeechSuspected) == ["AnnounceSuspicion", *suspected]
    assert ("FlushPlayout" in story(e.SpeechStarted)) == started


# --- promises, whatever happens ----------------------------------------------------------------


RAISED = (
    e.AnswerRefused,
    e.BoundaryAssumed,
    e.HoldExpired,
    e.InterruptionSpared,
    e.TimeReached,
)


class Promises(RuleBasedStateMachine):
    """Any facts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = TurnMachine()
        self.at_ms = 0
        self.dead: set[int] = set()
        self.started: list[int] = []
        self.open_turns = 0
        self.held = False
        self.heard: dict[int, int] = {}

    @rule(
        kind=st.sampled_from([k for k in FACTS if k not in RAISED]),
        after_ms=st.sampled_from([0, 1, 20, 200, 500, 1500, 5000]),
        samples=st.integers(1, 50_000),
        reply=st.integers(1, 4),
    )
    def happens(self, kind, after_ms, samples, reply):
        self.pass_time(after_ms)
        self.take(fact(kind, self.at_ms, samples=samples, reply=reply))

    def pass_time(self, ms: int) -> None:
        """Move on, waking the machine when it asked for it."""
        until = self.at_ms + ms
        while self.machine.deadline_ms is not None and self.machine.deadline_ms <= until:
            self.at_ms = max(self.at_ms, self.machine.deadline_ms)
            self.take(e.TimeReached(self.at_ms))
        self.at_ms = until

    def take(self, happened: e.Fact) -> None:
        gate_was = self.machine.gate
        for action in self.machine.handle(happened):
            match action:
                case e.StartReply(reply=reply):
                    assert not reply.dead
                    self.started.append(reply.number)
                    self.open_turns += 1
                case e.Deliver(reply=reply):
                    assert not reply.dead, "stale"
                    assert reply.number == self.started[-1]
                case e.HoldPlayout():
                    assert not self.held
                    self.held = True
                case e.ResumePlayout():
                    assert self.held
                    self.held = False
                case e.FlushPlayout(replies=replies):
                    self.held = False
                    assert all(reply.dead and not reply.protected for reply in replies)
                    self.dead |= {reply.number for reply in replies}
                case e.ReportInterruption(reply=number):
                    assert number in self.dead
                case e.EndTurn() if self.open_turns:
                    self.open_turns -= 1
                case _:
                    pass
        if isinstance(happened, e.StopRequested):
            arriving = self.machine.gate is Gate.REPLYING
            assert not arriving or gate_was is not Gate.REPLYING or self.machine.reply.protected

    @invariant()
    def every_reply_has_a_number_of_its_own_and_one_is_open_at_most(self):
        assert self.started == sorted(set(self.started))
        assert self.open_turns in (0, 1)

    @invariant()
    def the_deadline_is_never_in_the_past_and_never_missing(self):
        deadline = self.machine.deadline_ms
        shut = self.machine.gate in (Gate.SWALLOWING, Gate.CLOSING)
        assert (deadline is not None) == (shut or self.held)
        assert deadline is None or deadline > self.at_ms

    @invariant()
    def playout_is_held_exactly_while_the_machine_thinks_so(self):
        assert self.held == (self.machine.playout is Playout.HELD)

    @invariant()
    def heard_never_runs_back_nor_ahead_of_what_was_received(self):
        for number in self.started[-4:]:
            account = self.machine.ledger._accounts[number]
            assert self.heard.get(number, 0) <= account.played <= account.received
            self.heard[number] = account.played

    @invariant()
    def silence_opens_the_gate(self):
        """Whatever was said: after quiet on the wire the next reply comes through."""
        if self.machine.gate in (Gate.SWALLOWING, Gate.CLOSING):
            self.pass_time(0)
            assert self.machine.deadline_ms is not None
            limit = (
                self.at_ms + 60_000 + self.machine.ledger.received_samples(self.machine.reply) // 24
                if self.machine.reply
                else self.at_ms + 60_000
            )
            assert self.machine.deadline_ms <= limit


TestPromises = Promises.TestCase


@given(
    st.lists(
        st.sampled_from(
            [e.AudioReceived, e.TranscriptReceived, e.Interrupted, e.TurnCompleted, e.StopRequested]
        ),
        max_size=30,
    )
)
def test_after_any_history_a_whole_reply_comes_through_from_its_first_sample(history):
    story = Story()
    for kind in history:
        story(kind)
    story(e.TurnCompleted)
    if story.machine.deadline_ms is not None:
        story(e.TimeReached, after_ms=story.machine.deadline_ms - story.at_ms)
    assert story(e.AudioReceived) == ["StartReply", "Deliver"]
    assert story(e.AudioReceived) == ["Deliver"]
