"""What a person sees: the level line on a terminal only, and each decision in a line."""

from __future__ import annotations

import io

import pytest

from pipeline_live.session import Call, InterruptionReport
from pipeline_live.talk.follower import Follower, described
from pipeline_live.talk.screen import Screen, bar
from pipeline_live.turn import Reply
from pipeline_live.turn.events import (
    EndUserTurn,
    HoldPlayout,
    ReportAnomaly,
    ReportFalseAlarm,
    Source,
    StartReply,
    StartUserTurn,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """The lines as they look in the end."""
        lines = []
        for written in self.getvalue().split("\n"):
            row = ""
            for part in written.split("\r"):
                row = part + row[len(part) :]
            lines.append(row.rstrip())
        return lines


@pytest.mark.parametrize(
    ("level_db", "filled"), [(-90, 0), (-60, 0), (-30, 6), (-5, 11), (0, 12), (3, 12)]
)
def test_a_bar_has_always_the_same_width(level_db: float, filled: int) -> None:
    assert bar(level_db) == "#" * filled + "." * (12 - filled)


def test_on_a_terminal_lines_push_the_levels_down() -> None:
    out = Terminal()
    screen = Screen(out)
    screen.levels(-60, -10, "bot speaks")
    screen.event(1234, "bot", "held")
    screen.levels(-20, -60, "held")
    assert out.shown() == ["   1.23 s  bot  held", f"you [{bar(-20)}]  bot [{bar(-60)}]  held"]
    screen.close()
    assert out.shown()[-1] == ""


def test_a_level_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    Screen(out).levels(-60, -60, "listening")
    assert len(out.getvalue()) == 19


def test_without_a_terminal_there_are_only_lines() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.levels(-60, -10, "bot speaks")
    screen.line("hello")
    screen.close()
    assert out.getvalue() == "hello\n"


def test_a_pipe_that_nobody_reads_does_not_end_the_call() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Screen(Broken()).line("hello")


def test_each_decision_is_a_line_and_the_state_follows() -> None:
    out = io.StringIO()
    follower = Follower(Call(), Screen(out))
    states = []
    for at_ms, action in enumerate(
        [
            StartReply(Reply(1)),
            HoldPlayout(),
            ReportFalseAlarm(900, 320, False),
            HoldPlayout(),
            ReportFalseAlarm(900, 1500, True),
            StartUserTurn(0),
            EndUserTurn(),
            ReportAnomaly("odd"),
        ]
    ):
        follower.perform(action, at_ms * 1000)
        states.append(follower.state(100))
    assert out.getvalue().splitlines() == [
        "   0.00 s  bot  answers (reply 1)",
        "   1.00 s  bot  held: that may be you",
        "   2.00 s  bot  resumed after 320 ms: it was nothing",
        "   3.00 s  bot  held: that may be you",
        "   4.00 s  bot  resumed after 1500 ms: nothing was decided",
        "   5.00 s  you  speak",
        "   6.00 s  you  are silent",
        "   7.00 s  call odd",
    ]
    speaks = "bot speaks"
    assert states == [speaks, "held", speaks, "held", speaks, "you speak", speaks, speaks]
    assert follower.state(0) == "listening"


def test_an_interruption_says_how_fast_it_was_and_what_was_heard() -> None:
    report = InterruptionReport(1, Source.LOCAL_SPEECH, 1000, 1064, 1290, 1290, 1110, 2300, "Hello")
    assert described(report) == (
        "INTERRUPTED by your voice; held after 64 ms; decided after 290 ms; silent after 110 ms; "
        "2.3 s were heard: 'Hello'"
    )
    stop = InterruptionReport(1, Source.STOP, None, None, 5, 5, None, 0, "")
    assert described(stop) == "INTERRUPTED by a stop; 0.0 s were heard"


def test_every_cause_has_words() -> None:
    for source in Source:
        described(InterruptionReport(1, source, None, None, 5, 5, None, 0, ""))
