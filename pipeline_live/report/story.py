"""What a timeline tells besides its interruptions: holds, faults, waits, and sound on its way.

Pure: lines in, a `Story` out. A name that is not known here is only counted; the one exception is
an action called ``Report...``, which is meant for people and is shown under its name.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline_live.report.lines import Line

SAMPLES_PER_MS = 24
# Reports of playout come every 20 ms; pieces this close sound as one.
PLAYED_GAP_MS = 60
# Without reports playout is drawn in steps of this length.
ASSUMED_STEP_MS = 100
# A user who hears nothing for so long after a turn wonders.
UNANSWERED_MS = 5000


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of call time."""

    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        """Length in milliseconds."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class Hold:
    """Playout was held.

    Attributes:
        span: From the hold to what ended it.
        resumed: True when it went on, False when the reply was ended.
    """

    span: Segment
    resumed: bool


class Kind(enum.StrEnum):
    """What an event means to whoever looks at a call."""

    ALARM = "alarm"
    """Playout was held for nothing."""
    FAULT = "fault"
    """Something went wrong, here or at the server."""
    NEWS = "news"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Event:
    """A moment that deserves a label."""

    at_ms: int
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Sound that arrived from the server.

    Attributes:
        at_ms: When.
        length_ms: How much.
        dropped: True when it belonged to a dead reply and was thrown away.
    """

    at_ms: int
    length_ms: int
    dropped: bool


@dataclass(frozen=True, slots=True)
class Story:
    """A call as its timeline tells it; all moments are call time in milliseconds.

    Attributes:
        whole: From the first line to the last.
        user: The user's turns, as the local ears or the server heard them.
        bot: Where the bot was heard, by the sink's reports or by assumption.
        reported: Whether a sink reported what was played.
        holds: Where playout was held.
        dismissed_ms: When suspected speech turned out to be nothing.
        events: What deserves a label.
        arrivals: Sound from the server.
        waiting: How much received sound waits to be played, as (moment, ms) steps.
        received_ms: How much sound was received of each reply, by its number.
        counts: How often each name occurs, as (kind, name, count), in order of first appearance.
    """

    whole: Segment
    user: tuple[Segment, ...] = ()
    bot: tuple[Segment, ...] = ()
    reported: bool = False
    holds: tuple[Hold, ...] = ()
    dismissed_ms: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    waiting: tuple[tuple[int, int], ...] = ()
    received_ms: dict[int, int] = field(default_factory=dict)
    counts: tuple[tuple[str, str, int], ...] = ()


def tell(lines: Sequence[Line]) -> Story:
    """Read a parsed timeline, in order of time.

    Raises:
        UsageError: A known line lacks a field; the text says where.
    """
    end_ms = lines[-1].t_ms if lines else 0
    teller = _Teller(end_ms)
    for line in lines:
        teller.take(line)
    counts = Counter((line.kind, line.name) for line in lines)
    played = teller.playout.reported or teller.playout.assumed(end_ms)
    return Story(
        whole=Segment(lines[0].t_ms if lines else 0, end_ms),
        user=teller.user_turns(),
        bot=_joined(played),
        reported=bool(teller.playout.reported),
        holds=teller.all_holds(),
        dismissed_ms=tuple(teller.dismissed_ms),
        events=teller.all_events(),
        arrivals=tuple(teller.playout.arrivals),
        waiting=teller.playout.waiting(played),
        received_ms=teller.playout.received_ms(),
        counts=tuple((kind, name, count) for (kind, name), count in counts.items()),
    )


@dataclass(frozen=True, slots=True)
class _Played:
    span: Segment
    reply: int


@dataclass(slots=True)
class _Playout:
    """Sound that came, was played, or was thrown away."""

    arrivals: list[Arrival] = field(default_factory=list)
    delivered: list[tuple[int, int, int]] = field(default_factory=list)  # moment, reply, samples
    reported: list[_Played] = field(default_factory=list)
    flushed: dict[int, int] = field(default_factory=dict)  # reply: moment
    _so_far: dict[int, int] = field(default_factory=dict)

    def arrive(self, at_ms: int, samples: int, reply: int | None) -> None:
        """Sound came; None when it was dropped."""
        self.arrivals.append(Arrival(at_ms, samples // SAMPLES_PER_MS, reply is None))
        if reply is not None:
            self.delivered.append((at_ms, reply, samples))

    def advance(self, at_ms: int, reply: int, samples: int) -> None:
        """The sink reports how much of a reply was played in total."""
        ms = (samples - self._so_far.get(reply, 0)) // SAMPLES_PER_MS
        if ms > 0:
            self._so_far[reply] = samples
            self.reported.append(_Played(Segment(at_ms - ms, at_ms), reply))

    def received_ms(self) -> dict[int, int]:
        """How much was received of each reply."""
        samples: Counter[int] = Counter()
        for _, reply, more in self.delivered:
            samples[reply] += more
        return {reply: total // SAMPLES_PER_MS for reply, total in samples.items()}

    def assumed(self, end_ms: int) -> list[_Played]:
        """Playout in real time, each reply from its first sound on, one after the other."""
        first: dict[int, int] = {}
        for at_ms, reply, _ in self.delivered:
            first.setdefault(reply, at_ms)
        played, free_ms = [], 0
        for reply, received in self.received_ms().items():
            begin = max(first[reply], free_ms)
            over = max(begin, min(begin + received, self.flushed.get(reply, end_ms), end_ms))
            for start in range(begin, over, ASSUMED_STEP_MS):
                played.append(_Played(Segment(start, min(start + ASSUMED_STEP_MS, over)), reply))
            free_ms = over
        return played

    def waiting(self, played: Sequence[_Played]) -> tuple[tuple[int, int], ...]:
        """How much waits to be played after each change."""
        changes: list[tuple[int, int, int | None]] = [
            *(
                (at_ms, reply, samples // SAMPLES_PER_MS)
                for at_ms, reply, samples in self.delivered
            ),
            *((one.span.end_ms, one.reply, -one.span.duration_ms) for one in played),
            *((at_ms, reply, None) for reply, at_ms in self.flushed.items()),
        ]
        left: Counter[int] = Counter()
        total, steps = 0, []
        for at_ms, reply, change in sorted(changes, key=lambda change: change[0]):
            after = 0 if change is None else max(0, left[reply] + change)
            total += after - left[reply]
            left[reply] = after
            steps.append((at_ms, total))
        return tuple(steps)


class _Teller:
    """Takes the lines one by one."""

    def __init__(self, end_ms: int) -> None:
        self.end_ms = end_ms
        self.playout = _Playout()
        self.dismissed_ms: list[int] = []
        self._arrived: int | None = None  # samples of the sound whose fate the next action tells
        self._holds: list[Hold] = []
        self._held_ms: int | None = None
        self._events: list[Event] = []
        self._turns: list[Segment] = []
        self._turn_ms: int | None = None
        self._server_turns: list[Segment] = []
        self._server_turn_ms: int | None = None
        self._asked_ms: int | None = None
        self._connections = 0

    def take(self, line: Line) -> None:
        """Keep what ``line`` says."""
        if line.kind == "fact":
            self._arrived = line.get("samples", int) if line.name == "AudioReceived" else None
        take = _TAKE.get((line.kind, line.name))
        if take is not None:
            take(self, line)
        elif line.kind == "action" and line.name.startswith("Report"):
            self._event(line, Kind.FAULT, _in_words(line.name.removeprefix("Report")))

    # --- what each line means --------------------------------------------------------------------

    def _deliver(self, line: Line) -> None:
        if self._arrived is not None:
            self.playout.arrive(line.t_ms, self._arrived, line.get("reply", int))
            self._arrived = None

    def _drop(self, line: Line) -> None:
        if self._arrived is not None:
            self.playout.arrive(line.t_ms, self._arrived, None)
            self._arrived = None

    def _advance(self, line: Line) -> None:
        self.playout.advance(line.t_ms, line.get("reply", int), line.get("samples", int))

    def _flush(self, line: Line) -> None:
        for reply in line.get("replies", list):
            if isinstance(reply, int):
                self.playout.flushed[reply] = line.t_ms
        self._end_hold(line, resumed=False)

    def _hold(self, line: Line) -> None:
        self._held_ms = line.t_ms

    def _resume(self, line: Line) -> None:
        self._end_hold(line, resumed=True)

    def _end_hold(self, line: Line, *, resumed: bool) -> None:
        if self._held_ms is not None:
            self._holds.append(Hold(Segment(self._held_ms, line.t_ms), resumed))
            self._held_ms = None

    def _false_alarm(self, line: Line) -> None:
        why = "to its limit" if line.get("expired", bool, False) else "for nothing"
        self._event(line, Kind.ALARM, f"held {line.get('held_for_ms', int)} ms {why}")

    def _spared(self, line: Line) -> None:
        why = "the reply is protected" if line.get("protected", bool) else "nobody was heard"
        self._event(line, Kind.NEWS, f"played on: {why}")

    def _dismissed(self, line: Line) -> None:
        self.dismissed_ms.append(line.t_ms)

    def _start_user(self, line: Line) -> None:
        self._close_question(line.t_ms)
        self._turn_ms = line.get("onset_ms", int, line.t_ms)

    def _end_user(self, line: Line) -> None:
        if self._turn_ms is not None:
            self._turns.append(Segment(self._turn_ms, line.t_ms))
        self._turn_ms = None
        self._asked_ms = line.t_ms

    def _start_activity(self, line: Line) -> None:
        self._server_turn_ms = line.t_ms

    def _end_activity(self, line: Line) -> None:
        if self._server_turn_ms is not None:
            self._server_turns.append(Segment(self._server_turn_ms, line.t_ms))
        self._server_turn_ms = None

    def _ask(self, line: Line) -> None:
        """Text, a turn or a tool's result was sent; what was asked before it still waits."""
        if self._asked_ms is None:
            self._asked_ms = line.t_ms

    def _answer(self, line: Line) -> None:
        """The answer begins, or nobody wants it any more."""
        self._close_question(line.t_ms)

    def _close_question(self, at_ms: int) -> None:
        """The wait for an answer is over, or the user speaks again: how long was it?"""
        if self._asked_ms is not None and at_ms - self._asked_ms >= UNANSWERED_MS:
            waited = (at_ms - self._asked_ms) / 1000
            event = Event(self._asked_ms, Kind.FAULT, f"no answer for {waited:.1f} s")
            self._events.append(event)
        self._asked_ms = None

    def _anomaly(self, line: Line) -> None:
        self._event(line, Kind.FAULT, line.get("what", str))

    def _lost(self, line: Line) -> None:
        self._event(line, Kind.FAULT, f"connection lost ({line.get('code', int, 1006)})")

    def _opened(self, line: Line) -> None:
        self._connections += 1
        if self._connections > 1:
            self._event(line, Kind.NEWS, "connected again")

    def _tool(self, line: Line) -> None:
        self._event(line, Kind.NEWS, "function called")

    def _end_turn(self, line: Line) -> None:
        if line.get("synthesized", bool, False):
            self._event(line, Kind.NEWS, "end of turn made up here")

    def _event(self, line: Line, kind: Kind, text: str) -> None:
        self._events.append(Event(line.t_ms, kind, text))

    # --- at the end ------------------------------------------------------------------------------

    def user_turns(self) -> tuple[Segment, ...]:
        """By the local ears; by the server where those do not listen. Open ones last to the end."""
        for turns, open_ms in (
            (self._turns, self._turn_ms),
            (self._server_turns, self._server_turn_ms),
        ):
            if open_ms is not None:
                turns.append(Segment(open_ms, self.end_ms))
        return tuple(self._turns or self._server_turns)

    def all_holds(self) -> tuple[Hold, ...]:
        """With one that is open at the end."""
        if self._held_ms is not None:
            self._holds.append(Hold(Segment(self._held_ms, self.end_ms), False))
        return tuple(self._holds)

    def all_events(self) -> tuple[Event, ...]:
        """In order of time."""
        self._close_question(self.end_ms)
        return tuple(sorted(self._events, key=lambda event: event.at_ms))


_TAKE: dict[tuple[str, str], Callable[[_Teller, Line], Any]] = {
    ("action", "Deliver"): _Teller._deliver,
    ("action", "Drop"): _Teller._drop,
    ("fact", "PlayoutAdvanced"): _Teller._advance,
    ("action", "FlushPlayout"): _Teller._flush,
    ("action", "HoldPlayout"): _Teller._hold,
    ("action", "ResumePlayout"): _Teller._resume,
    ("action", "ReportSparing"): _Teller._spared,
    ("action", "ReportFalseAlarm"): _Teller._false_alarm,
    ("action", "ReportInterruption"): lambda teller, line: teller._end_hold(line, resumed=False),
    ("action", "ReportAnomaly"): _Teller._anomaly,
    ("fact", "SpeechDismissed"): _Teller._dismissed,
    ("action", "StartUserTurn"): _Teller._start_user,
    ("action", "EndUserTurn"): _Teller._end_user,
    ("fact", "ActivityStarted"): _Teller._start_activity,
    ("fact", "ActivityEnded"): _Teller._end_activity,
    ("fact", "AnswerRequested"): _Teller._ask,
    ("action", "StartReply"): _Teller._answer,
    ("fact", "StopRequested"): _Teller._answer,
    ("fact", "ConnectionLost"): _Teller._lost,
    ("fact", "ConnectionOpened"): _Teller._opened,
    ("fact", "ToolCalled"): _Teller._tool,
    ("action", "EndTurn"): _Teller._end_turn,
}


def _joined(played: Sequence[_Played]) -> tuple[Segment, ...]:
    """Pieces of playout, close ones made one."""
    segments: list[Segment] = []
    for one in played:
        if segments and one.span.start_ms - segments[-1].end_ms <= PLAYED_GAP_MS:
            start = segments.pop().start_ms
            segments.append(Segment(start, one.span.end_ms))
        else:
            segments.append(one.span)
    return tuple(segments)


def _in_words(name: str) -> str:
    """``AnswerOverdue`` as ``answer overdue``."""
    return " ".join(re.findall(r"[A-Z]?[^A-Z]+|[A-Z]+", name)).lower() or "report"
