"""Whether a look shows what was expected: a table for each kind of expectation."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_live.config import spec
from pipeline_live.trial.judge import Look, deadline_ms, happened, instead, wish


def expect(**fields: Any) -> dict[str, Any]:
    return {**spec.EXPECT.defaults(), **fields}


def look(**fields: Any) -> Look:
    return Look(**{"now_ms": 5000, "begun_ms": 1000, "ended_ms": 2000, **fields})


HOURS = ("hours", {"day": "monday", "n": 2})

CASES = [
    (expect(answered=True), look(answered=True), True),
    (expect(answered=True), look(), False),
    (expect(heard="table for two"), look(heard="Sure, a TABLE - for two."), True),
    (expect(heard="table for two"), look(heard="a stable for two"), False),
    (expect(heard="table for"), look(heard="a table, for-ever"), True),
    (expect(heard="two"), look(heard="twofold"), False),
    (expect(heard="Zürich"), look(heard="nach zürich."), True),
    (expect(tool_called="hours"), look(tools=[HOURS]), True),
    (expect(tool_called="hours"), look(tools=[("book", {})]), False),
    (expect(tool_called="hours", **{"with": {"day": "monday"}}), look(tools=[HOURS]), True),
    (expect(tool_called="hours", **{"with": {"day": "sunday"}}), look(tools=[HOURS]), False),
    (expect(tool_called="hours", **{"with": {"area": "in"}}), look(tools=[HOURS]), False),
    (expect(interrupted=True), look(interrupted=True), True),
    (expect(interrupted=True), look(), False),
    (expect(silent=True), look(silent_ms=4000), True),
    (expect(silent=True), look(silent_ms=4800), False),
    (expect(silent=True), look(), False),
]


@pytest.mark.parametrize(("expected", "seen", "verdict"), CASES)
def test_each_expectation(expected: dict[str, Any], seen: Look, verdict: bool) -> None:
    assert happened(expected, seen) is verdict


def test_times_count_from_the_lines_end_or_its_beginning() -> None:
    within = {"within_ms": 700}
    assert deadline_ms(expect(answered=True, **within), look()) == 2700
    assert deadline_ms(expect(heard="x", **within), look(ended_ms=None)) is None
    assert deadline_ms(expect(interrupted=True, **within), look(ended_ms=None)) == 1700
    assert deadline_ms(expect(silent=True, **within), look(ended_ms=None)) == 2000


@pytest.mark.parametrize(
    ("expected", "seen", "says"),
    [
        (
            expect(heard="two"),
            look(heard=" a table "),
            'to hear "two" within 10000 ms; heard: "a table"',
        ),
        (expect(heard="two"), look(), 'to hear "two" within 10000 ms; nothing was heard'),
        (
            expect(tool_called="book", within_ms=5),
            look(tools=[HOURS]),
            "a call of book within 5 ms; tools called: hours(day='monday', n=2)",
        ),
        (
            expect(tool_called="book", **{"with": {"n": 1}}),
            look(),
            "a call of book with {'n': 1} within 10000 ms; no tool was called",
        ),
        (
            expect(answered=True, absent=True),
            look(answered=True),
            "not an answer within 10000 ms; it answered",
        ),
        (
            expect(interrupted=True),
            look(),
            "an interruption within 10000 ms; no reply was interrupted",
        ),
        (expect(silent=True), look(), "silence within 10000 ms; it went on speaking"),
    ],
)
def test_a_failure_says_what_was_wanted_and_what_was_seen(
    expected: dict[str, Any], seen: Look, says: str
) -> None:
    assert f"{wish(expected)}; {instead(expected, seen)}" == says


def test_every_field_of_an_expectation_is_used_here() -> None:
    used = {name for expected, _, _ in CASES for name, value in expected.items() if value}
    assert used | {"absent", "within_ms"} == {field.name for field in spec.EXPECT.fields}
