"""What a timeline tells besides interruptions, with and without names that nobody knows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_live.errors import UsageError
from pipeline_live.report.lines import LONGEST_MS, parse_timeline
from pipeline_live.report.measure import measure
from pipeline_live.report.page import page
from pipeline_live.report.picture import COLOURS, picture
from pipeline_live.report.reading import make_record
from pipeline_live.report.story import UNANSWERED_MS, Event, Hold, Kind, Segment, Story, tell

from .calls import Call, eventful


def story(call: Call) -> Story:
    return tell(parse_timeline(call.timeline()))


def events(call: Call) -> list[tuple[int, str, str]]:
    return [(event.at_ms, event.kind.value, event.text) for event in story(call).events]


def test_the_eventful_call() -> None:
    told = story(eventful())
    assert told.holds == (Hold(Segment(3000, 3240), True),)
    assert told.user == (Segment(500, 2300),)
    assert told.bot == (Segment(2000, 4980),)
    assert told.reported
    assert told.received_ms == {1: 8000}
    assert [(a.at_ms, a.length_ms, a.dropped) for a in told.arrivals] == [
        (2000, 8000, False),
        (5100, 400, True),
    ]
    assert told.waiting[0] == (2000, 8000)
    assert told.waiting[-1] == (5000, 0)
    assert told.events == (
        Event(3240, Kind.ALARM, "held 240 ms for nothing"),
        Event(6000, Kind.FAULT, "uplink full"),
        Event(6500, Kind.NEWS, "function called"),
    )
    assert ("fact", "Martian", 1) in told.counts


def test_a_hold_ends_with_its_reply_or_lasts_to_the_end() -> None:
    call = Call().holds(1000, 0, resumes=False).flush(1150, 1).holds(3000, 0, resumes=False)
    call.note("Last", 4000)
    assert story(call).holds == (
        Hold(Segment(1000, 1150), False),
        Hold(Segment(3000, 4000), False),
    )


def test_without_reports_playout_is_assumed_in_real_time_one_reply_after_the_other() -> None:
    call = Call().arrives(1000, 1, 2000).arrives(1150, 2, 3000).flush(4500, 2).note("Last", 9000)
    told = story(call)
    assert told.bot == (Segment(1000, 4500),)
    assert not told.reported
    assert max(told.waiting, key=lambda step: step[1]) == (1150, 4900)
    assert told.waiting[-1] == (4500, 0)


def test_where_no_ears_listen_the_server_tells_who_spoke() -> None:
    call = (
        Call().fact("ActivityStarted", 100).fact("ActivityEnded", 900).fact("ActivityStarted", 950)
    )
    assert story(call.note("Last", 1000)).user == (Segment(100, 900), Segment(950, 1000))
    assert story(call.turn(2000, 3000)).user == (Segment(2000, 3800),)


@pytest.mark.parametrize(
    ("then", "waited"),
    [
        (lambda call: call.reply(1800 + UNANSWERED_MS, 1), "no answer for 5.0 s"),
        (lambda call: call.turn(9000, 9500).reply(10_400, 1), "no answer for 7.5 s"),
        (lambda call: call.note("Last", 21_800), "no answer for 20.0 s"),
        (lambda call: call.reply(1799 + UNANSWERED_MS, 1), None),
        (lambda call: call.note("Last", 3000), None),
        (lambda call: call.fact("AnswerRequested", 1810).reply(7800, 1), "no answer for 6.0 s"),
        (lambda call: call.fact("StopRequested", 3000).note("Last", 9000), None),
    ],
    ids=["late", "asked again", "never", "just in time", "the call ended", "sent", "stopped"],
)
def test_a_question_that_waits_too_long_is_a_fault(then, waited) -> None:
    call = then(Call().turn(500, 1000))
    assert events(call) == ([(1800, "fault", waited)] if waited else [])


def test_text_that_nobody_answers_is_a_fault_too() -> None:
    call = Call().fact("AnswerRequested", 1000).fact("AnswerRequested", 2000).note("Last", 9000)
    assert events(call) == [(1000, "fault", "no answer for 8.0 s")]


def test_what_is_reported_under_an_unknown_name_is_shown_under_it() -> None:
    call = Call().fact("ConnectionOpened", 1).action("ReportAnswerOverdue", 10, waited_ms=3000)
    call.fact("ConnectionLost", 20, code=1011).fact("ConnectionOpened", 30)
    call.action("ReportSparing", 35, protected=True).action("ReportSparing", 36, protected=False)
    call.action("EndTurn", 40, synthesized=True).action("DanceNow", 50).note("ReportNothing", 60)
    assert events(call) == [
        (10, "fault", "answer overdue"),
        (20, "fault", "connection lost (1011)"),
        (30, "news", "connected again"),
        (35, "news", "played on: the reply is protected"),
        (36, "news", "played on: nobody was heard"),
        (40, "news", "end of turn made up here"),
    ]


def test_every_kind_of_event_has_a_colour() -> None:
    assert set(Kind) < set(COLOURS)


NAMES = [
    "Deliver", "Drop", "PlayoutAdvanced", "FlushPlayout", "HoldPlayout", "ResumePlayout",
    "ReportFalseAlarm", "ReportInterruption", "ReportAnomaly", "SpeechDismissed", "StartUserTurn",
    "EndUserTurn", "ActivityStarted", "ActivityEnded", "StartReply", "ConnectionLost", "EndTurn",
    "AudioReceived", "SoundStarted", "PlayoutSilent", "SpeechStarted", "StopRequested", "Martian",
]  # fmt: skip
VALUES = st.one_of(
    st.integers(-10, 10**7), st.text(max_size=5), st.booleans(), st.none(), st.lists(st.integers())
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["reply", "samples", "replies", "held_for_ms", "onset_ms", "silent_ms", "what", "code"]
        + ["source", "heard_ms", "heard_text", "held_ms", "synthesized", "expired", "measured"]
    ),
    VALUES,
)


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(
        st.tuples(
            st.integers(-LONGEST_MS, LONGEST_MS) | st.integers(0, 20_000),
            st.sampled_from(["fact", "action", "note"]),
            st.sampled_from(NAMES),
            FIELDS,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_timeline_is_drawn_or_refused_in_one_line(lines) -> None:
    call = Call()
    for t_ms, kind, name, fields in lines:
        call._line(kind, name, t_ms, fields)
    refusal = record = None
    try:
        record = make_record(parse_timeline(call.timeline(), "my.jsonl"), None)
    except UsageError as error:
        refusal = str(error)
    if record is None:
        assert refusal is not None
        assert refusal.startswith("my.jsonl:")
        assert "\n" not in refusal
        return
    measures = measure(record)
    picture(record, measures, "any")
    page(record, measures, "any").encode()
