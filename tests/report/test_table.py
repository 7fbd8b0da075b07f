"""The table: aligned, bounded, complete, and safe to print."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_live.report.measure import measure
from pipeline_live.report.table import (
    FOOTNOTE,
    display_width,
    headline,
    shorten,
    summary,
    table,
    totals,
)

from .calls import Call, example

EXAMPLE = """\
   what            at  to silence  stale  heard  heard
#  interrupted    (s)        (ms)   (ms)    (s)  words
----------------------------------------------------------
1  local speech  2.18         230      0   1.50  Sure. The
2  server        5.05         840    140   1.50  Of course
3  stop          8.01          50      0   1.50  Sure. The
"""


def test_the_example_reads_like_this() -> None:
    assert table(measure(example().record())) == f"{EXAMPLE}\n{FOOTNOTE}"


def test_many_words_fill_the_hundred_columns_and_no_more() -> None:
    lines = table(measure(Call().interrupted(500, text="word" * 100).record())).splitlines()
    assert [len(line) for line in lines[2:4]] == [100, 100]


def test_an_unknown_onset_is_a_dash_and_a_quiet_call_says_so() -> None:
    phantom = Call().interrupted(500, source="server").record()
    assert table(measure(phantom)).splitlines()[3].split()[:5] == ["1", "server", "0.50", "-", "0"]
    assert table(measure(Call().record())) == "no interruption in this call"


@settings(max_examples=50)
@given(texts=st.lists(st.text(max_size=150), min_size=1, max_size=12), source=st.text(max_size=40))
def test_nothing_that_was_heard_breaks_the_table(texts: list[str], source: str) -> None:
    call = Call(duration_ms=100)
    for number, text in enumerate(texts):
        call.interrupted(100 + 1_000_000 * number, source=source, text=text)
    text = table(measure(call.record()))
    lines = text.split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 3 + len(texts) + 1 + len(FOOTNOTE.split("\n"))
    assert max(map(display_width, lines)) <= 100
    text.encode()


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short", 5, "short"),
        ("a\n b\t\x1b[31mc", 20, "a b [31mc"),
        ("one two three four", 11, "one t…four"),
        ("日本語日本語", 7, "日…本語"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("", 3, ""),
        ("zero\u200bwidth \u202eturned", 20, "zerowidth turned"),
        ("broken \ud800", 10, "broken \ufffd"),
    ],
)
def test_shorten_keeps_both_ends(text: str, width: int, expected: str) -> None:
    assert shorten(text, width) == expected


@given(text=st.text(), width=st.integers(0, 40))
def test_shortened_fits(text: str, width: int) -> None:
    assert display_width(shorten(text, width)) <= width


def test_summary_and_totals_are_plain_data() -> None:
    measures = measure(example().record())
    first, leaking, _ = json.loads(json.dumps(summary(measures)))
    assert first == {
        "number": 1,
        "reply": 1,
        "source": "local_speech",
        "held_ms": None,
        "at_ms": 2180,
        "onset_ms": 2000,
        "reference_ms": 2000,
        "silence_ms": 2230,
        "time_to_silence_ms": 230,
        "stale_ms": 0,
        "allowed_until_ms": 2250,
        "until_ms": 4000,
        "heard_ms": 1500,
        "received_ms": None,
        "heard_text": "Sure. The",
    }
    assert (leaking["number"], leaking["stale_ms"]) == (2, 140)
    assert totals(measures) == {
        "duration_ms": 12_000,
        "user_speech_ms": 1800,
        "bot_speech_ms": 6010,
        "interruptions": 3,
        "time_to_silence_median_ms": 230,
        "time_to_silence_worst_ms": 840,
        "stale_ms": 140,
    }


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            example(),
            "12.0 s · user spoke 1.8 s · bot was heard 6.0 s · 3 interruptions · "
            "time to silence 230 ms median, 840 ms worst · stale 140 ms",
        ),
        (
            Call().interrupted(500, source="server"),
            "10.0 s · user spoke 0.0 s · bot was heard 0.0 s · 1 interruption · stale 0 ms",
        ),
        (Call(), "10.0 s · user spoke 0.0 s · bot was heard 0.0 s · 0 interruptions"),
    ],
)
def test_headline(call: Call, expected: str) -> None:
    assert headline(measure(call.record())) == expected
