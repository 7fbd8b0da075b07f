"""Tells a person what the call decides, while it happens."""

from __future__ import annotations

from pipeline_live.session import Call, InterruptionReport
from pipeline_live.talk.screen import Screen
from pipeline_live.turn.events import (
    Action,
    EndUserTurn,
    HoldPlayout,
    ReportAnomaly,
    ReportFalseAlarm,
    ReportInterruption,
    Source,
    StartReply,
    StartUserTurn,
)

_CAUSES = {
    Source.LOCAL_SPEECH: "by your voice",
    Source.SERVER: "by your voice, as the server heard it",
    Source.STOP: "by a stop",
    Source.TEXT: "by text",
}


class Follower:
    """A hand of the call that only tells.

    Args:
        call: The call.
        screen: Where to tell.
    """

    def __init__(self, call: Call, screen: Screen) -> None:
        self._call = call
        self._screen = screen
        self._user_speaks = False
        self._held = False
        call.attach(self)

    def perform(self, action: Action, at_ms: int) -> None:
        """Tell what concerns a person."""
        match action:
            case StartReply(reply=reply):
                self._tell(at_ms, "bot", f"answers (reply {reply.number})")
            case StartUserTurn():
                self._user_speaks = True
                self._tell(at_ms, "you", "speak")
            case EndUserTurn():
                self._user_speaks = False
                self._tell(at_ms, "you", "are silent")
            case HoldPlayout():
                self._held = True
                self._tell(at_ms, "bot", "held: that may be you")
            case ReportFalseAlarm(held_for_ms=held_for_ms, expired=expired):
                self._held = False
                why = "nothing was decided" if expired else "it was nothing"
                self._tell(at_ms, "bot", f"resumed after {held_for_ms} ms: {why}")
            case ReportInterruption():
                self._held = False
                if self._call.interruption is not None:
                    self._tell(at_ms, "bot", described(self._call.interruption))
            case ReportAnomaly(what=what):
                self._tell(at_ms, "call", what)
            case _:
                pass

    def state(self, waiting_ms: int) -> str:
        """Who has the floor, in a word or two."""
        if self._held:
            return "held"
        if self._user_speaks:
            return "you speak"
        return "bot speaks" if waiting_ms else "listening"

    def _tell(self, at_ms: int, who: str, what: str) -> None:
        self._screen.event(at_ms, who, what)


def described(report: InterruptionReport) -> str:
    """An interruption in one line: by whom, how fast, and what was heard."""
    stages = report.stages()
    times = [
        f"{word} {stages[name]} ms"
        for name, word in (
            ("onset_to_held", "held after"),
            ("onset_to_decided", "decided after"),
            ("onset_to_silent", "silent after"),
        )
        if name in stages
    ]
    heard = f"{report.heard_ms / 1000:.1f} s were heard"
    words = f": {report.heard_text!r}" if report.heard_text else ""
    return f"INTERRUPTED {'; '.join([_CAUSES[report.source], *times, heard])}{words}"
