"""Where the emulator's order or timing differs from a recording. Pure but for reading the file.

The emulator is played several times, each with another seed. Its order is wrong when no run has the
recorded one. An interval is wrong when the recorded value lies outside those of all runs, by more
than a network may add.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline_live.emulator.check.events import Event, Kind, Take
from pipeline_live.emulator.check.replay import replay
from pipeline_live.emulator.messages import Refused

RUNS = 16
ALLOWED_MS = 30
ALLOWED_SHARE = 0.10

# They come when they like; only whether they come is compared.
_FREE = frozenset({Kind.RESUMPTION, Kind.EMPTY, Kind.EMPTY_CONTENT})
_SERVER = frozenset(
    {
        Kind.READY,
        Kind.STARTED,
        Kind.ENDED,
        Kind.HEARD,
        Kind.THOUGHT,
        Kind.AUDIO,
        Kind.WORDS,
        Kind.WORDS_OPEN,
        Kind.WORDS_DONE,
        Kind.CALL,
        Kind.CANCELLATION,
        Kind.INTERRUPTED,
        Kind.GENERATED,
        Kind.COMPLETE,
    }
)
_SPEECH = frozenset({Kind.AUDIO, Kind.WORDS})
# Event lists leave it out.
_NOISE = frozenset({Kind.EMPTY, Kind.EMPTY_CONTENT})
_FEW = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """One kind of interval.

    Attributes:
        name: From what to what, and the unit.
        recorded: Its values in the recording.
        least: The emulator's smallest.
        most: The emulator's largest.
    """

    name: str
    recorded: tuple[int, ...]
    least: int | None
    most: int | None

    @property
    def outside(self) -> tuple[int, ...]:
        """Recorded values that the emulator could not have produced."""
        if self.least is None or self.most is None:
            return self.recorded
        return tuple(
            value
            for value in self.recorded
            if not self.least - _slack(value) <= value <= self.most + _slack(value)
        )

    def __str__(self) -> str:
        """One line."""
        least, most = min(self.recorded), max(self.recorded)
        theirs = f"{least}" if least == most else f"{least} to {most}"
        ours = "never" if self.least is None else f"{self.least} to {self.most}"
        verdict = f"OUTSIDE: {', '.join(map(str, self.outside))}" if self.outside else "ok"
        return f"{self.name:<44} recorded {theirs:<13} emulator {ours:<13} {verdict}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        take: The recording's name.
        order: Differences of order, one line each; empty when there is none.
        intervals: All that the recording has.
        fields: Fields that the service sent and the emulator did not. They do not count: which
            fields come depends on what the model had to say.
        refusal: Why the emulator would not hold the session at all.
    """

    take: str
    order: tuple[str, ...] = ()
    intervals: tuple[Interval, ...] = ()
    fields: tuple[str, ...] = ()
    refusal: str = ""
    compared: int = field(default=0, compare=False)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.refusal or self.order or any(one.outside for one in self.intervals))

    def __str__(self) -> str:
        """For people."""
        lines = [f"{self.take}: {'the same' if self.same else 'DIFFERS'}"]
        if self.refusal:
            return "\n".join([*lines, f"  refused  {self.refusal}"])
        lines += [f"  order    {line}" for line in self.order or [f"ok, {self.compared} events"]]
        timing = [str(one) for one in self.intervals] or ["the recording has no times"]
        lines += [f"  timing   {line}" for line in timing]
        lines += [f"  field    not sent by the emulator: {name}" for name in self.fields]
        return "\n".join(lines)


def check(take: Take, runs: int = RUNS) -> Report:
    """Hold the emulator against a recording.

    Args:
        take: The recording.
        runs: How many seeds to try.
    """
    try:
        played = [replay(take, seed) for seed in range(runs)]
    except Refused as refusal:
        return Report(take.name, refusal=str(refusal))
    recorded = order_of(take)
    own = [order_of(one, framed=take.framed) for one in played]
    nearest = max(own, key=lambda one: difflib.SequenceMatcher(None, recorded, one).ratio())
    sent = frozenset[str]().union(*(one.fields for one in played))
    return Report(
        take.name,
        (*_differences(recorded, nearest), *_one_sided(take, played)),
        tuple(_intervals(take, played)),
        tuple(sorted(take.fields - sent)),
        compared=len(recorded),
    )


# --- order ---------------------------------------------------------------------------------------


def order_of(take: Take, *, framed: bool | None = None) -> list[str]:
    """What the server said, in order; sound and words that follow each other are one.

    Args:
        take: A session.
        framed: Tell how words and sound share messages; by default, where that is known.
    """
    said = [event for event in take.events if event.kind in _SERVER]
    framed = take.framed if framed is None else framed
    order: list[str] = []
    for is_speech, group in itertools.groupby(said, lambda event: event.kind in _SPEECH):
        if is_speech:
            order.append(_framing(list(group)) if framed else "speech")
        else:
            order += [kind.value for kind, _ in itertools.groupby(event.kind for event in group)]
    return order


def _framing(speech: Sequence[Event]) -> str:
    sound = {event.message for event in speech if event.kind is Kind.AUDIO}
    words = {event.message for event in speech if event.kind is Kind.WORDS}
    if not words:
        return "sound"
    if not sound:
        return "words"
    return "sound and words together" if sound & words else "sound and words apart"


def _differences(recorded: Sequence[str], own: Sequence[str]) -> Iterator[str]:
    matcher = difflib.SequenceMatcher(None, recorded, own, autojunk=False)
    for tag, first, last, own_first, own_last in matcher.get_opcodes():
        if tag == "equal":
            continue
        before = f"after {recorded[first - 1]} (event {first})" if first else "at the start"
        theirs, ours = recorded[first:last], own[own_first:own_last]
        if not ours:
            yield f"{before} the service sent {_named(theirs)}, the emulator did not"
        elif not theirs:
            yield f"{before} the emulator sent {_named(ours)}, the service did not"
        else:
            yield f"{before} the service sent {_named(theirs)}, the emulator {_named(ours)}"


def _named(kinds: Sequence[str]) -> str:
    return ", then ".join(kinds)


def _one_sided(take: Take, played: Sequence[Take]) -> Iterator[str]:
    """Messages without a place in the order that one side sends and the other never does."""
    theirs = {event.kind for event in take.events}
    ours = {event.kind for one in played for event in one.events}
    for kind in sorted(_FREE):
        if not take.framed and kind in _NOISE:
            continue
        if kind in theirs - ours:
            yield f"the service sent {kind}, the emulator never did"
        if kind in ours - theirs:
            yield f"the emulator sent {kind}, the service never did"


# --- timing --------------------------------------------------------------------------------------


def _slack(value: int) -> float:
    return ALLOWED_MS + ALLOWED_SHARE * abs(value)


def _intervals(take: Take, played: Sequence[Take]) -> Iterator[Interval]:
    if not take.timed:
        return
    own: dict[str, list[int]] = {}
    for one in played:
        for name, values in measure(one.events).items():
            own.setdefault(name, []).extend(values)
    for name, values in measure(take.events).items():
        seen = own.get(name)
        yield Interval(
            name, tuple(values), min(seen) if seen else None, max(seen) if seen else None
        )


def measure(events: Sequence[Event]) -> dict[str, list[int]]:
    """Every interval of a session by its name, in milliseconds unless the name says otherwise."""
    meter = _Meter()
    for event in events:
        if event.at_ms is not None:
            meter.take(event, event.at_ms)
    return meter.found


class _Meter:
    """Walks over a session and notes what lies how far apart."""

    def __init__(self) -> None:
        self.found: dict[str, list[int]] = {}
        self._last: dict[Kind, int] = {}
        self._cause: Kind | None = None
        self._sound: list[Event] = []

    def take(self, event: Event, at_ms: int) -> None:
        match event.kind:
            case Kind.READY:
                self._since(Kind.SETUP, event)
            case Kind.RESUMPTION:
                self._since(Kind.READY, event, once=True)
            case Kind.STARTED:
                self._since(Kind.SPEECH_START, event, once=True)
            case Kind.HEARD | Kind.ENDED:
                self._since(Kind.SPEECH_END, event, once=event.kind is Kind.ENDED)
                self._cause = event.kind
            case Kind.CONTENT | Kind.TEXT | Kind.RESULTS | Kind.ACTIVITY_END:
                self._cause = event.kind
            case Kind.SPEECH_START:
                self._cause = None
                self._last.pop(Kind.STARTED, None)
            case Kind.CALL:
                self._since_cause(event)
            case Kind.AUDIO:
                if not self._sound:
                    self._since_cause(event)
                self._sound.append(event)
            case Kind.GENERATED:
                self._measure_delivery(at_ms)
            case Kind.INTERRUPTED:
                early = Kind.STARTED if Kind.STARTED in self._last else Kind.SPEECH_START
                self._since(Kind.CONTENT if self._cause is Kind.CONTENT else early, event)
            case Kind.COMPLETE:
                self._measure_end(event, at_ms)
            case _:
                pass
        self._last[event.kind] = at_ms

    def _note(self, name: str, value: int) -> None:
        self.found.setdefault(name, []).append(value)

    def _since(self, earlier: Kind, event: Event, *, once: bool = False) -> None:
        """Note how long after ``earlier`` this is; ``once``: only for the first that follows."""
        if earlier in self._last and event.at_ms is not None:
            self._note(f"{earlier} to {_name(event)}", event.at_ms - self._last[earlier])
            if once:
                del self._last[earlier]

    def _since_cause(self, event: Event) -> None:
        if self._cause is not None:
            self._since(self._cause, event)
        self._cause = None

    def _measure_delivery(self, at_ms: int) -> None:
        if not self._sound:
            return
        first_ms, last_ms = self._sound[0].at_ms, self._sound[-1].at_ms
        assert first_ms is not None
        assert last_ms is not None
        self._note("last sound to generationComplete", at_ms - last_ms)
        total_ms = _total_ms(self._sound)
        if total_ms and last_ms > first_ms and len(self._sound) > _FEW:
            self._note("delivery, % of real time", total_ms * 100 // (last_ms - first_ms))
            self._note("sound in a message, mean ms", total_ms // len(self._sound))

    def _measure_end(self, event: Event, at_ms: int) -> None:
        total_ms = _total_ms(self._sound)
        if Kind.INTERRUPTED in self._last:
            self._since(Kind.INTERRUPTED, event, once=True)
        elif total_ms and self._sound[0].at_ms is not None:
            self._note("end of playback to turnComplete", at_ms - self._sound[0].at_ms - total_ms)
        self._sound = []


def _total_ms(sound: Sequence[Event]) -> int:
    return sum(event.audio_ms or 0 for event in sound)


def _name(event: Event) -> str:
    return "first sound" if event.kind is Kind.AUDIO else event.kind.value
