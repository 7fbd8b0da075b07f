"""Answers that are due: stopped before they begin, asked for in writing, protected, proven new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_machine import Story, fact, names

from pipeline_live.turn import events as e
from pipeline_live.turn.machine import TurnMachine
from pipeline_live.turn.policy import BargeIn, Phantom, TurnPolicy
from pipeline_live.turn.tables import Answer, Gate, Playout

REPLY = ["StartReply", "Deliver"]


# --- text over a reply --------------------------------------------------------------------------


def test_text_ends_the_reply_at_once_and_its_answer_is_whole():
    story = Story()
    story(e.AudioReceived)
    assert story(e.TextSent) == ["FlushPlayout", "AnnounceInterruption", "ReportInterruption"]
    story(e.AnswerRequested)
    assert story(e.AudioReceived) == ["Drop"]
    assert story(e.Interrupted) == ["SuppressInterrupted"]
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert story(e.AudioReceived) == REPLY


def test_text_ends_what_still_plays_after_its_turn_and_a_hold_with_it():
    story = Story()
    story(e.AudioReceived, samples=240_000)
    story(e.TurnCompleted)
    story(e.SpeechSuspected)
    actions = story.machine.handle(fact(e.TextSent, story.at_ms + 10))
    assert names(actions) == ["FlushPlayout", "AnnounceInterruption", "ReportInterruption"]
    assert actions[-1].source is e.Source.TEXT
    assert actions[-1].onset_ms is None
    assert story.machine.playout is Playout.PLAYING
    assert story(e.AudioReceived) == REPLY


@pytest.mark.parametrize(("left_ms", "ends"), [(300, False), (301, True)])
def test_text_lets_the_last_syllable_of_a_turn_that_is_over_be_said(left_ms, ends):
    story = Story()
    story(e.AudioReceived, samples=24 * left_ms, after_ms=0)
    assert "FlushPlayout" in names(story.machine.handle(fact(e.TextSent, 0))), "not over"
    story = Story()
    story(e.AudioReceived, samples=24 * left_ms, after_ms=0)
    story(e.TurnCompleted, after_ms=0)
    assert ("FlushPlayout" in story(e.TextSent, after_ms=0)) == ends


def test_text_while_nothing_plays_is_no_interruption():
    assert Story()(e.TextSent) == []


# --- a Stop between the question and the first sound of its answer ------------------------------


def asked(story: Story, how: str) -> None:
    if how == "text":
        story(e.TextSent)
        story(e.AnswerRequested)
    elif how == "local turn":
        story(e.SpeechStarted)
        story(e.SpeechEnded, after_ms=2000)
        story(e.AnswerRequested)
    else:
        story(e.InputTranscribed)
        story(e.ActivityEnded)


HOW = ["text", "local turn", "server's VAD"]


@pytest.mark.parametrize("how", HOW)
def test_the_answer_to_a_question_that_was_stopped_is_dropped_from_its_first_sample(how):
    story = Story()
    asked(story, how)
    assert story(e.StopRequested, after_ms=300) == ["StopServer"]
    assert story(e.StopRequested) == [], "once"
    for _ in range(3):
        assert story(e.AudioReceived, after_ms=400) == ["Drop"]
        assert story(e.TranscriptReceived) == ["Drop"]
    story(e.GenerationCompleted)
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert story(e.AudioReceived) == REPLY, "only one answer was meant"


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("later", [e.TextSent, e.SpeechStarted, e.ActivityStarted])
def test_a_stop_never_swallows_the_answer_to_a_later_question(how, later):
    story = Story()
    asked(story, how)
    story(e.StopRequested)
    story(later)
    assert story(e.AudioReceived, after_ms=300) == REPLY


@pytest.mark.parametrize("how", HOW)
def test_a_function_or_a_late_transcript_do_not_take_a_stop_back(how):
    story = Story()
    asked(story, how)
    story(e.StopRequested)
    for kind in (e.InputTranscribed, e.ActivityEnded, e.ToolCalled, e.AnswerRequested):
        story(kind, after_ms=1500)
    assert story(e.AudioReceived, after_ms=1500) == ["Drop"]


@pytest.mark.parametrize("ending", [[e.TurnCompleted], [e.Interrupted, e.TurnCompleted]])
def test_a_stopped_answer_that_ends_without_a_sound_leaves_nothing_behind(ending):
    story = Story()
    asked(story, "server's VAD")
    story(e.StopRequested)
    for kind in ending:
        story(kind)
    assert story(e.AudioReceived, after_ms=500) == REPLY


def test_what_begins_long_after_a_stop_is_heard():
    story = Story()
    asked(story, "text")
    story(e.StopRequested)
    assert story(e.AudioReceived, after_ms=story.machine.policy.unwanted_ms + 1) == REPLY


def test_a_new_connection_gives_no_answer_to_an_old_question():
    story = Story()
    asked(story, "text")
    story(e.StopRequested)
    story(e.ConnectionOpened)
    assert story(e.AudioReceived) == REPLY


def test_the_end_of_the_reply_before_does_not_take_a_stop_back():
    """The user barged in, asked, and pressed Stop; the server is behind with all of it."""
    story = Story()
    story(e.AudioReceived)
    asked(story, "local turn")
    story(e.StopRequested)
    assert story(e.Interrupted) == ["SuppressInterrupted"]
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert story(e.AudioReceived, after_ms=300) == ["Drop"]


@pytest.mark.parametrize(
    ("last_sound_ms", "dropped"), [(1000, True), (1300, True), (1301, False), (1900, False)]
)
def test_a_stop_right_after_the_last_word_counts_before_the_ears_are_sure(last_sound_ms, dropped):
    story = Story()
    story(e.SpeechStarted)
    story.at_ms = 1300
    story.machine.handle(fact(e.StopRequested, 1300))
    story.at_ms = 2000
    story(e.SpeechEnded, after_ms=0, ended_ms=last_sound_ms)
    assert story(e.AudioReceived, after_ms=500) == (["Drop"] if dropped else REPLY)


def test_a_stop_within_a_turn_that_goes_on_stops_nothing_later():
    story = Story()
    story(e.SpeechStarted)
    story(e.StopRequested)
    story(e.SpeechStarted, after_ms=500)
    story(e.SpeechEnded, after_ms=900, ended_ms=5)
    assert story(e.AudioReceived) == REPLY


def test_the_interruption_frame_of_a_user_turn_is_no_stop_of_the_answer():
    story = Story()
    asked(story, "text")
    assert story(e.StopRequested, answer=False) == []
    assert story(e.AudioReceived) == REPLY


def test_a_stop_with_nothing_due_does_nothing_to_the_next_reply():
    story = Story()
    story(e.AudioReceived)
    story(e.TurnCompleted)
    story(e.StopRequested, after_ms=5000)
    assert story(e.AudioReceived, after_ms=100) == REPLY


# --- a new reply without the old one's end ------------------------------------------------------


def interrupted(*, sent: bool = False) -> Story:
    story = Story()
    story(e.AudioReceived)
    if sent:
        story(e.GenerationCompleted)
    story(e.Interrupted)
    return story


def test_after_interrupted_and_a_whole_question_the_next_content_is_its_answer():
    story = interrupted()
    story(e.AudioReceived)
    story(e.InputTranscribed)
    story(e.ActivityEnded)
    assert story(e.AudioReceived, after_ms=1) == ["EndTurn", *REPLY]


def test_a_question_that_was_over_before_interrupted_proves_nothing():
    story = Story()
    story(e.AudioReceived)
    story(e.ActivityEnded)
    story(e.Interrupted)
    assert story(e.AudioReceived) == ["Drop"]


def test_that_all_of_the_old_reply_was_sent_proves_nothing_about_what_is_late():
    story = interrupted(sent=True)
    story(e.AnswerRequested)
    assert story(e.AudioReceived, after_ms=100) == ["Drop"]


@pytest.mark.parametrize(("quiet_ms", "opens"), [(185, False), (200, True), (350, True)])
def test_after_interrupted_a_short_silence_and_a_question_are_enough(quiet_ms, opens):
    story = interrupted()
    story(e.AudioReceived)
    story(e.AnswerRequested, after_ms=1)
    actions = story(e.AudioReceived, after_ms=quiet_ms - 1)
    assert actions == (["EndTurn", *REPLY] if opens else ["Drop"])


def test_when_its_turn_was_over_before_interrupted_any_content_is_a_new_reply():
    story = Story()
    story(e.AudioReceived)
    story(e.TurnCompleted)
    assert story(e.Interrupted) == ["FlushPlayout", "ReportInterruption"]
    assert story(e.AudioReceived, after_ms=0) == ["Drop"]  # bundled with it
    assert story(e.AudioReceived, after_ms=1) == REPLY
    assert story(e.Interrupted) == ["FlushPlayout", "ReportInterruption"]
    assert story(e.AudioReceived, after_ms=1) == ["Drop"]


@pytest.mark.parametrize("due", [e.AnswerRequested, e.InputTranscribed, e.ToolCalled])
def test_an_answer_that_was_under_way_may_still_come_in_after_interrupted(due):
    story = Story()
    story(e.AudioReceived)
    story(e.TurnCompleted)
    story(due)
    story(e.Interrupted)
    assert story(e.AudioReceived, after_ms=1) == ["Drop"]


def test_without_a_question_only_the_whole_wait_opens_the_gate():
    story = interrupted()
    assert story(e.AudioReceived, after_ms=399) == ["Drop"]


@pytest.mark.parametrize(("sent", "quiet_ms"), [(True, 400), (False, 1000)])
def test_while_the_server_has_not_said_interrupted_the_silence_is_longer(sent, quiet_ms):
    story = Story()
    story(e.AudioReceived)
    if sent:
        story(e.GenerationCompleted)
    story(e.TextSent)
    story(e.AnswerRequested, after_ms=0)
    assert story(e.AudioReceived, after_ms=quiet_ms - 1) == ["Drop"]
    story(e.AnswerRequested, after_ms=0)
    assert story(e.AudioReceived, after_ms=quiet_ms) == ["EndTurn", *REPLY]


def test_what_is_swallowed_counts_for_when_the_server_ends_its_turn():
    """The server goes on for 9 s of speech and says turnComplete when it would be played."""
    story = Story()
    story(e.AudioReceived, samples=24_000)
    story(e.StopRequested)
    for _ in range(8):
        story(e.AudioReceived, samples=24_000, after_ms=230)
    story(e.GenerationCompleted)
    assert story.machine.deadline_ms == 10 + 9000 + story.machine.policy.complete_slack_ms


# --- interrupted that nobody's voice explains ---------------------------------------------------


def playing_on(**policy: object) -> Story:
    story = Story(TurnPolicy(phantom=Phantom.PLAY_ON, **policy))
    story(e.AudioReceived, samples=240_000)
    return story


def test_by_default_a_phantom_ends_the_reply_as_everywhere():
    story = Story()
    story(e.AudioReceived)
    assert story(e.Interrupted) == ["FlushPlayout", "ReportInterruption"]


def test_a_phantom_may_be_told_to_leave_what_was_received_alone():
    story = playing_on()
    assert story(e.Interrupted) == ["SuppressInterrupted", "ReportSparing"]
    assert story(e.AudioReceived) == ["Drop"]
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert not story.machine.reply.dead
    assert story(e.AudioReceived, after_ms=500) == REPLY


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("way", [e.SpeechStarted, e.StopRequested, e.TextSent])
def test_what_plays_on_is_still_interrupted_by_everything_else(way, ended):
    story = playing_on()
    story(e.Interrupted)
    if ended:
        story(e.TurnCompleted)
    assert "FlushPlayout" in story(way)
    assert story.machine.reply.dead


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (e.SpeechDismissed, ["AnnounceDismissal", "ResumePlayout", "ReportFalseAlarm"]),
        (
            e.SpeechStarted,
            ["FlushPlayout", "AnnounceInterruption", "ReportInterruption", "StartUserTurn"],
        ),
    ],
)
def test_while_held_the_ears_have_the_last_word_where_a_phantom_may_play_on(verdict, expected):
    story = playing_on()
    story(e.SpeechSuspected)
    assert story(e.Interrupted) == ["SuppressInterrupted", "ReportSparing"]
    assert story(verdict) == expected


@pytest.mark.parametrize("explained", [e.InputTranscribed, e.AnswerRequested, e.SpeechStarted])
def test_what_a_word_or_a_request_explains_is_no_phantom(explained):
    story = playing_on(barge_in=BargeIn.OFF)
    story(explained)
    assert story(e.Interrupted) == ["FlushPlayout", "ReportInterruption"]


# --- a protected reply --------------------------------------------------------------------------


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("way", [e.SpeechStarted, e.StopRequested, e.TextSent])
def test_a_protected_reply_withstands_everything_on_our_side(way, early):
    story = Story()
    if early:
        story(e.ProtectionRequested)
    story(e.AudioReceived)
    if not early:
        story(e.ProtectionRequested)
    assert "HoldPlayout" not in story(e.SpeechSuspected)
    assert "FlushPlayout" not in story(way)
    assert story(e.AudioReceived) == ["Deliver"]
    story(e.GenerationCompleted)
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert "FlushPlayout" not in story(way), "nor while the rest plays"
    story(e.AudioReceived)
    assert story.machine.reply.number == 2
    assert not story.machine.reply.protected


def test_a_protected_reply_that_the_server_ends_is_played_as_far_as_it_came():
    story = Story()
    story(e.ProtectionRequested)
    story(e.AudioReceived)
    assert story(e.Interrupted) == ["SuppressInterrupted", "ReportSparing"]
    assert story(e.AudioReceived) == ["Drop"]
    assert story(e.TurnCompleted) == ["EndTurn"]
    assert not story.machine.reply.dead


def test_what_plays_beside_a_protected_reply_is_not_protected():
    story = Story()
    story(e.AudioReceived, samples=240_000)
    story(e.TurnCompleted)
    story(e.ProtectionRequested)
    story(e.AudioReceived)
    assert "HoldPlayout" in story(e.SpeechSuspected)
    actions = story.machine.handle(fact(e.SpeechStarted, story.at_ms + 10))
    (flush,) = (a for a in actions if isinstance(a, e.FlushPlayout))
    assert [reply.number for reply in flush.replies] == [1]
    assert story.machine.gate is Gate.REPLYING
    assert story.machine.playout is Playout.PLAYING


def test_protecting_a_reply_that_is_held_lets_it_go_on():
    story = Story()
    story(e.AudioReceived)
    story(e.SpeechSuspected)
    assert story(e.ProtectionRequested) == ["ResumePlayout", "ReportFalseAlarm"]


def test_the_server_is_shielded_from_the_user_until_the_protected_reply_was_sent_or_stalls():
    story = Story()
    shielded = story.machine.is_shielded
    story(e.ProtectionRequested)
    assert not shielded(story.at_ms)
    story(e.AudioReceived)
    assert shielded(story.at_ms + 3999)
    assert not shielded(story.at_ms + 4000)
    story(e.GenerationCompleted)
    assert not shielded(story.at_ms)


# --- promises -----------------------------------------------------------------------------------

STEPS = st.sampled_from(
    [
        e.AudioReceived,
        e.TranscriptReceived,
        e.GenerationCompleted,
        e.Interrupted,
        e.TurnCompleted,
        e.StopRequested,
        e.SpeechSuspected,
        e.SpeechDismissed,
        e.InputTranscribed,
        e.ToolCalled,
        e.ConnectionOpened,
    ]
)


@given(st.lists(st.tuples(STEPS, st.sampled_from([0, 20, 300])), max_size=25), st.sampled_from(HOW))
def test_whatever_was_stopped_a_question_asked_afterwards_is_answered_whole(history, how):
    story = Story()
    for kind, after_ms in history:
        story(kind, after_ms=after_ms)
    asked(story, how) if how != "server's VAD" else story(e.ActivityStarted)
    story(e.TurnCompleted)
    deadline_ms = story.machine.deadline_ms
    if deadline_ms is not None:
        story(e.TimeReached, after_ms=max(0, deadline_ms - story.at_ms))
    assert story.machine.answer is not Answer.UNWANTED
    begun = [name for name in story(e.AudioReceived) if name != "HoldPlayout"]  # which passes
    assert begun[-2:] == REPLY
    assert story(e.AudioReceived) == ["Deliver"]


def test_a_machine_that_was_told_nothing_waits_for_nothing():
    machine = TurnMachine()
    assert (machine.answer, machine.deadline_ms) == (Answer.NONE, None)
