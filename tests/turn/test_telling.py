"""Telling the model what was heard: only when that cannot cut anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.turn import events as e
from pipeline_live.turn.machine import TurnMachine
from pipeline_live.turn.policy import TurnPolicy
from pipeline_live.turn.tables import Answer, Gate, User


class Story:
    """Feeds facts 10 ms apart; one second of a reply's words is heard before it is cut."""

    def __init__(self, *, tell: bool = True) -> None:
        self.machine = TurnMachine(TurnPolicy(tell_heard=tell))
        self.machine.ledger.attach_sink()
        self.at_ms = 0
        self.told: list[str] = []

    def __call__(self, kind: type[e.Fact], *values: object) -> None:
        self.at_ms += 10
        for action in self.machine.handle(kind(self.at_ms, *values)):
            if isinstance(action, e.TellHeard):
                self.told.append(action.heard_text)

    def reply(self, text: str = "aaa bbb ccc ddd") -> int:
        self(e.TranscriptReceived, text)
        self(e.AudioReceived, 96_000)
        self(e.GenerationCompleted)
        assert self.machine.reply is not None
        self(e.PlayoutAdvanced, self.machine.reply.number, 48_000)
        return self.machine.reply.number

    def speech(self) -> None:
        self(e.SpeechStarted, self.at_ms)


def test_after_a_stop_the_model_is_told_at_the_boundary():
    story = Story()
    story.reply()
    story(e.StopRequested)
    assert story.told == []
    story(e.Interrupted)
    story(e.TurnCompleted)
    assert story.told == ["aaa bbb"]


def test_it_waits_until_a_suspicion_is_decided():
    story = Story()
    story.reply()
    story(e.StopRequested)
    story(e.SpeechSuspected, story.at_ms)
    story(e.TurnCompleted)
    assert story.told == []
    story(e.SpeechDismissed)
    assert story.told == ["aaa bbb"]


@pytest.mark.parametrize("by_server", [True, False])
def test_after_a_barge_in_it_waits_until_the_answer_was_heard(by_server):
    story = Story()
    story.reply()
    if by_server:
        story(e.Interrupted)
    else:
        story.speech()
        story(e.Interrupted)
    story(e.TurnCompleted)
    if not by_server:
        story(e.SpeechEnded)
    story(e.InputTranscribed, "wait")
    number = story.reply("eee fff ggg hhh")
    story(e.TurnCompleted)
    assert story.told == [], "the answer is still being heard"
    story(e.PlayoutAdvanced, number, 96_000)
    assert story.told == ["aaa bbb"]


def test_a_reply_that_was_heard_to_its_end_needs_no_note():
    story = Story()
    number = story.reply()
    story(e.PlayoutAdvanced, number, 95_990)
    story(e.StopRequested)
    story(e.TurnCompleted)
    assert story.told == []


def test_by_default_nothing_is_told():
    story = Story(tell=False)
    story.reply()
    story(e.StopRequested)
    story(e.TurnCompleted)
    assert story.told == []


FACTS = st.sampled_from(
    [
        (e.AudioReceived, 4800),
        (e.TranscriptReceived, "word "),
        (e.GenerationCompleted,),
        (e.TurnCompleted,),
        (e.Interrupted,),
        (e.StopRequested,),
        (e.TextSent,),
        (e.AnswerRequested,),
        (e.InputTranscribed, "hm"),
        (e.ActivityStarted,),
        (e.ActivityEnded,),
        (e.SpeechSuspected, 0),
        (e.SpeechDismissed,),
        (e.SpeechStarted, 0),
        (e.SpeechEnded,),
        (e.PlayoutAdvanced, 1, 4800),
        (e.PlayoutAdvanced, 2, 9600),
        (e.TimeReached,),
    ]
)


@given(st.lists(FACTS, max_size=60))
def test_whatever_happens_a_note_comes_only_when_nothing_can_be_cut(facts):
    story = Story()
    for fact in facts:
        before = len(story.told)
        story(*fact)
        if len(story.told) > before:
            machine = story.machine
            assert machine.gate is Gate.IDLE
            assert machine.user is User.QUIET
            assert machine.answer is Answer.NONE
            assert not machine.ledger.waiting()
