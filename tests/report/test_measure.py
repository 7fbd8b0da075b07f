"""Measures against planted truths: what was put into the sound must come out as a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_live.report.measure import Answer, CallMeasures, InterruptionMeasure, measure
from pipeline_live.report.reading import CallRecord
from pipeline_live.report.story import Segment

from .calls import Call, example

SHORT_MS = 1  # how exact "within 1 ms" is


def only(call: Call) -> InterruptionMeasure:
    (one,) = measure(call.record()).interruptions
    return one


def base() -> Call:
    """A reply from 1000, a user from 3000 (VAD says 3040), a decision at 3200."""
    return Call().reply(1000, 1).user(3000, 4000).speech(3150, 3040).interrupted(3200)


PERFECT = (3000, 3200, 200, 0)

# What was planted; then onset, silence, time to silence, stale.
PLANTED: list[tuple[str, Callable[[], Call], tuple[int | None, int | None, int | None, int]]] = [
    ("perfect sink", lambda: base().bot(1000, 3200), PERFECT),
    ("held before the decision", lambda: base().bot(1000, 3100), (3000, 3100, 100, 0)),
    ("the allowed tail, to its last sample", lambda: base().bot(1000, 3270), (3000, 3270, 270, 0)),
    ("one millisecond too much", lambda: base().bot(1000, 3271), (3000, 3271, 271, 1)),
    (
        "a leak after a silence",
        lambda: base().bot(1000, 3200).bot(5000, 5137),
        (3000, 5137, 2137, 137),
    ),
    (
        "two leaks",
        lambda: base().bot(1000, 3200).bot(4000, 4040).bot(4075, 4175),
        (3000, 4175, 1175, 140),
    ),
    ("a bot that never stops", lambda: base().bot(1000, 10_000), (3000, 10_000, 7000, 6730)),
    (
        "a next reply is not a leak",
        lambda: base().bot(1000, 3200).reply(3500, 2).bot(3500, 9000),
        PERFECT,
    ),
    (
        "a leak up to the next reply's first sample",
        lambda: base().bot(1000, 3200).bot(3400, 9000).reply(3500, 2),
        (3000, 3500, 500, 100),
    ),
    (
        "a next reply within the allowed tail",
        lambda: base().bot(1000, 3210).reply(3210, 2).bot(3210, 9000),
        (3000, 3210, 210, 0),
    ),
    (
        "a pause between words around the onset",
        lambda: base().bot(1000, 2600).bot(3150, 3210),
        (3000, 3210, 210, 0),
    ),
    ("silent before the user spoke", lambda: base().bot(1000, 2500), (3000, 2500, 0, 0)),
    ("never heard", base, (3000, None, 0, 0)),
    (
        "an earlier reply does not count",
        lambda: base().reply(200, 0).bot(200, 900),
        (3000, None, 0, 0),
    ),
    (
        "the next reply is begun before the old one is given up",
        lambda: base().bot(1000, 3190).reply(3195, 2),
        (3000, 3190, 190, 0),
    ),
    ("sound below -60 dBFS", lambda: base().bot(1000, 3200).bot(5000, 6000, peak=32), PERFECT),
    (
        "a decision after the recording",
        lambda: Call().bot(0, 9000).interrupted(20_000),
        (None, 9000, None, 0),
    ),
]


@pytest.mark.parametrize(
    ("call", "expected"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED]
)
def test_planted(
    call: Callable[[], Call], expected: tuple[int | None, int | None, int | None, int]
) -> None:
    one = only(call())
    found = (one.onset_ms, one.silence_ms, one.time_to_silence_ms, one.stale_ms)
    for value, truth in zip(found, expected, strict=True):
        assert (value is None) == (truth is None), found
        if value is not None and truth is not None:
            assert abs(value - truth) <= SHORT_MS, found
    assert (one.stale_ms == 0) == (expected[3] == 0)


@pytest.mark.parametrize(
    ("what", "call", "onset_ms", "reference_ms"),
    [
        ("the clip's word wins", base().clip(2700, 2980), 2980, 2980),
        ("the latest clip", base().clip(500, 800).clip(2700, 2980), 2980, 2980),
        ("a clip after the decision", base().clip(3100, 3300), 3000, 3000),
        ("a clip of another time", Call(12_000).clip(500, 600).interrupted(3700), None, None),
        ("a clip just in time", Call(12_000).clip(500, 600).interrupted(3600), 600, 600),
        ("energy near the VAD", base(), 3000, 3000),
        ("no energy near: the VAD", Call().speech(3150, 3040).interrupted(3200), 3040, 3040),
        (
            "speech out of steady noise: the VAD",
            Call().user(100, 4000).speech(3150, 3040).interrupted(3200),
            3040,
            3040,
        ),
        (
            "the server was faster than the VAD",
            Call().user(3000, 4000).interrupted(3200, source="server").speech(3400, 3040),
            3000,
            3000,
        ),
        (
            "the server was faster, and the VAD places the onset after its decision",
            Call().user(3000, 4000).interrupted(3200, source="server").speech(3600, 3280),
            3000,
            3000,
        ),
        (
            "somebody spoke soon after a phantom",
            Call().user(3300, 4000).interrupted(3200, source="server").speech(3500, 3320),
            None,
            None,
        ),
        ("a phantom", Call().user(7000, 8000).interrupted(3200, source="server"), None, None),
        (
            "stop counts from its request, whoever speaks",
            base().fact("StopRequested", 4100).interrupted(4110, source="stop"),
            None,
            4100,
        ),
        ("stop without a request", Call().interrupted(500, source="stop"), None, 500),
    ],
)
def test_reference(what: str, call: Call, onset_ms: int | None, reference_ms: int | None) -> None:
    one = measure(call.record()).interruptions[-1]
    assert (one.onset_ms, one.reference_ms) == (onset_ms, reference_ms), what


def test_stale_starts_after_this_sinks_tail() -> None:
    call = base().bot(1000, 3300).note("PlayoutConfigured", 0, chunk_ms=10, device_buffer_ms=15)
    one = only(call)
    assert one.allowed_until_ms == 3235
    assert one.stale_ms == 65


def test_even_one_stale_sample_is_not_rounded_away() -> None:
    call = base().bot(1000, 3200)
    record = call.record()
    bot = record.sound.bot.copy()
    bot[record.to_sample(6000)] = 500
    (one,) = measure(replace(record, sound=replace(record.sound, bot=bot))).interruptions
    assert one.stale_ms == 1


def test_the_call_as_a_whole() -> None:
    measures = measure(example().record())
    assert measures.whole == Segment(0, 12_000)
    assert measures.user == (Segment(2000, 3000), Segment(4800, 5600))
    assert measures.bot == (
        Segment(500, 2230),
        Segment(4000, 5090),
        Segment(5500, 5640),
        Segment(7000, 8050),
        Segment(9000, 11_000),
    )
    assert measures.stale == (Segment(5500, 5640),)
    assert [one.time_to_silence_ms for one in measures.interruptions] == [230, 840, 50]
    assert [one.until_ms for one in measures.interruptions] == [4000, 7000, 9000]
    assert [(one.heard_ms, one.heard_text) for one in measures.interruptions] == [
        (1500, "Sure. The"),
        (1500, "Of course"),
        (1500, "Sure. The"),
    ]


def test_a_call_without_interruptions_has_no_measures_and_no_stale_sound() -> None:
    measures = measure(Call().bot(0, 5000).record())
    assert (measures.interruptions, measures.stale) == ((), ())


def moved(measures: CallMeasures, by_ms: int) -> CallMeasures:
    def segments(old: tuple[Segment, ...]) -> tuple[Segment, ...]:
        return tuple(Segment(s.start_ms + by_ms, s.end_ms + by_ms) for s in old)

    def moment(t_ms: int | None) -> int | None:
        return None if t_ms is None else t_ms + by_ms

    return CallMeasures(
        whole=segments((measures.whole,))[0],
        answers=tuple(
            replace(answer, span=segments((answer.span,))[0]) for answer in measures.answers
        ),
        stages=measures.stages,
        measured=measures.measured,
        user=segments(measures.user),
        bot=segments(measures.bot),
        stale=segments(measures.stale),
        interruptions=tuple(
            replace(
                one,
                at_ms=one.at_ms + by_ms,
                onset_ms=moment(one.onset_ms),
                reference_ms=moment(one.reference_ms),
                silence_ms=moment(one.silence_ms),
                allowed_until_ms=one.allowed_until_ms + by_ms,
                until_ms=one.until_ms + by_ms,
            )
            for one in measures.interruptions
        ),
    )


@settings(max_examples=30)
@given(by_ms=st.integers(-5_000, 3_600_000))
def test_measures_do_not_depend_on_when_the_call_began(by_ms: int) -> None:
    call = example()
    before = measure(call.record())
    for line in call.lines:
        for key in {"t_ms", "onset_ms"} & line.keys():
            line[key] += by_ms
    assert measure(call.record()) == moved(before, by_ms)


@given(
    at_ms=st.integers(1500, 2500),
    tail_ms=st.integers(-300, 70),
    quiet_ms=st.integers(71, 500),
    leak_ms=st.integers(0, 300),
    next_ms=st.integers(0, 500),
)
def test_any_leak_is_found_to_the_millisecond(
    at_ms: int, tail_ms: int, quiet_ms: int, leak_ms: int, next_ms: int
) -> None:
    stop_ms, leak_at_ms = at_ms + tail_ms, at_ms + quiet_ms
    call = Call(4000).reply(200, 1).bot(200, stop_ms).clip(900, 1000).interrupted(at_ms)
    call.bot(leak_at_ms, leak_at_ms + leak_ms)
    call.reply(leak_at_ms + leak_ms + next_ms, 2).bot(leak_at_ms + leak_ms + next_ms, 3950)
    one = only(call)
    assert one.stale_ms == leak_ms
    last_ms = leak_at_ms + leak_ms if leak_ms else stop_ms
    assert one.silence_ms is not None
    assert abs(one.silence_ms - last_ms) <= SHORT_MS
    assert one.time_to_silence_ms == max(0, one.silence_ms - 1000)


# --- between interruptions ----------------------------------------------------------------------


def stages(record: CallRecord) -> dict[str, tuple[int, ...]]:
    return {stage.name: stage.times_ms for stage in measure(record).stages}


def test_each_stage_is_timed_from_the_true_onset() -> None:
    held = base().bot(1000, 3150)
    held.lines[-1] |= {"held_ms": 3090}
    assert stages(held.record()) == {
        "speech to hold": (90,),
        "speech to decision": (200,),
        "speech to silence": (150,),
    }
    assert stages(example().record()) == {
        "speech to decision": (180, 250),
        "speech to silence": (230, 840),
        "Stop to silence": (50,),
        "end of speech to answer": (1000, 1400),
    }


def test_the_wait_for_an_answer_ends_with_the_first_sound_and_counts_once() -> None:
    call = Call().user(500, 1500).turn(500, 1500).reply(1900, 1).bot(2100, 3000)
    call.reply(4000, 2).bot(4000, 5000)  # the model goes on by itself
    assert measure(call.record()).answers == (Answer(1, Segment(1500, 2100)),)
    assert measure(call.silent_record()).answers == (), "the ears were sure after the answer"


def test_a_noise_that_was_no_turn_asks_for_nothing() -> None:
    call = Call().user(500, 1500).turn(500, 1500).user(2600, 2700).reply(2900, 1).bot(3100, 4000)
    assert measure(call.record()).answers == (Answer(1, Segment(1500, 3100)),)


def test_without_a_recording_at_the_sink_stale_sound_is_not_claimed() -> None:
    call = base().bot(1000, 3500).note("PlayoutSilent", 3195, silent_ms=3260)
    call.lines[-2] |= {"held_ms": 3190}
    played = call.record()
    told = replace(played, measured=False)
    assert only(call).stale_ms == 230
    for record in (told, call.silent_record()):
        measures = measure(record)
        (one,) = measures.interruptions
        assert (measures.measured, measures.stale, one.stale_ms) == (False, (), None)
        assert one.silence_ms == 3260
    del call.lines[-1]  # nobody says when the last sample was over
    (unknown,) = measure(call.silent_record()).interruptions
    assert (unknown.silence_ms, unknown.time_to_silence_ms) == (None, None)


def test_speech_that_was_only_suspected_is_known_from_the_report() -> None:
    call = Call().reply(1000, 1).user(3000, 4000).interrupted(3060, source="server")
    assert only(call).onset_ms is None
    call.lines[-1] |= {"onset_ms": 3020}
    assert only(call).onset_ms == 3000
