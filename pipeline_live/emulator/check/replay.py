"""The client's side of a recording, played to the emulated model in virtual time.

A client reacts to its server, so what it did is placed by what it had seen: so and so long after
the last milestone before it, for example a barge-in 1002 ms after the first sound of the second
reply. Where a recording has no times, it acts shortly after that milestone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from pipeline_live.audio import (
    INPUT_RATE,
    OUTPUT_RATE,
    bytes_of,
    ms_to_samples,
    resample,
    silence,
)
from pipeline_live.emulator.check.events import (
    Event,
    Json,
    Kind,
    Take,
    field_of,
    fields_of,
    said_by_server,
)
from pipeline_live.emulator.families import admit
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import Audio, Setup
from pipeline_live.emulator.mind import Mind
from pipeline_live.emulator.script import Reply, Script
from pipeline_live.emulator.stage import Send, Speak
from pipeline_live.emulator.voice import Speech, Word, synthesize
from pipeline_live.emulator.wire import read_message

MILESTONES = frozenset(
    {
        Kind.READY,
        Kind.ENDED,
        Kind.AUDIO,
        Kind.CALL,
        Kind.INTERRUPTED,
        Kind.GENERATED,
        Kind.COMPLETE,
    }
)
_ACTS = frozenset(
    {
        Kind.CONTENT,
        Kind.TEXT,
        Kind.SPEECH_START,
        Kind.ACTIVITY_START,
        Kind.ACTIVITY_END,
        Kind.RESULTS,
        Kind.OTHER_INPUT,
    }
)
_TRIGGERS = frozenset({Kind.CONTENT, Kind.TEXT, Kind.ACTIVITY_END})
# After the user's speech, these say that the server took it for a whole turn.
_ANSWERS = frozenset({Kind.ENDED, Kind.HEARD, Kind.CALL, Kind.COMPLETE})
_SOON_MS = 50
_WORD_MS = 350
# What a reply that was cut had still to say is unknown; it was more than what came.
_UNSENT_MS = 10_000
_PATIENCE_MS = 20_000
_LONGEST_MS = 30 * 60_000
_FILLER = "Could you please tell me a little more about all of that, and what it would mean for me?"


@dataclass(slots=True)
class _Act:
    """What the client does next.

    Attributes:
        event: As recorded.
        after: How many milestones of its kind must have been seen, and of which kind.
        delay_ms: How long after that.
        sound: What it says, for a stretch of speech.
    """

    event: Event
    after: tuple[Kind, int] | None
    delay_ms: int
    sound: bytes = b""


@dataclass(slots=True)
class _Answer:
    """What the recorded model said to one turn of the user."""

    heard: str = ""
    call: Json = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    audio_ms: int = 0
    messages: int = 0
    generated: bool = False


def replay(take: Take, seed: int) -> Take:
    """Play ``take``'s client to the emulator; what both sides did, as a recording of its own.

    Args:
        take: A recorded session.
        seed: Decides the emulator's intervals.

    Raises:
        Refused: The emulator would not hold this session.
    """
    played = _Replay(take, seed)
    played.run()
    return replace(
        take,
        name="emulator",
        events=tuple(played.events),
        timed=True,
        framed=True,
        fields=frozenset(played.fields),
    )


class _Replay:
    def __init__(self, take: Take, seed: int) -> None:
        answers = answers_in(take)
        self._take = take
        self._lengths = {_text(answer): answer.audio_ms for answer in answers}
        self._acts = list(acts_in(take))
        self._mind = _mind_for(take, answers, seed)
        self.events: list[Event] = [Event(Kind.SETUP, 0)]
        self.fields: set[str] = set()
        self._seen: dict[Kind, list[int]] = {}
        self._calls: list[str] = []
        self._message = 0
        self._microphone = any(act.event.kind is Kind.SPEECH_START for act in self._acts)
        self._pending = bytearray()
        self._starts = False
        self._now_ms = 0

    def run(self) -> None:
        """Until all that was recorded happened, or nothing happens any more."""
        expected = sum(event.kind is Kind.COMPLETE for event in self._take.events)
        chunk_ms, next_chunk_ms = self._take.chunk_ms, 0.0
        every_ms = self._take.chunk_ms if self._take.every_ms is None else self._take.every_ms
        idle_since_ms = 0
        before = -1
        while self._now_ms < _LONGEST_MS:
            self._listen()
            if len(self.events) != before:
                before, idle_since_ms = len(self.events), self._now_ms
            done = not self._acts and len(self._seen.get(Kind.COMPLETE, ())) >= expected
            if self._now_ms - idle_since_ms > (1000 if done else _PATIENCE_MS):
                break
            self._act()
            if self._microphone and Kind.READY in self._seen and self._now_ms >= next_chunk_ms:
                self._send_sound(chunk_ms)
                next_chunk_ms = max(next_chunk_ms, self._now_ms - every_ms) + every_ms
            self._now_ms += 1

    # --- the server --------------------------------------------------------------------------

    def _listen(self) -> None:
        for item in self._mind.due(self._now_ms):
            if isinstance(item, Speak):
                speech = _speech(item.text, self._lengths.get(item.text, 0))
                self._mind.spoken(item.ticket, speech, self._now_ms)
            if not isinstance(item, Send):
                continue
            self._message += 1
            self.fields.update(fields_of(item.frame))
            for event in said_by_server(item.frame, item.at_ms, self._message):
                self._take_in(event)
        # Speech that was handed in just now may be due at once.
        if self._mind.next_due_ms is not None and self._mind.next_due_ms <= self._now_ms:
            self._listen()

    def _take_in(self, event: Event) -> None:
        self.events.append(event)
        if event.kind is Kind.CALL:
            self._calls.append(str(event.body.get("id", "")))
        if event.kind in MILESTONES and not _goes_on(self.events):
            self._seen.setdefault(event.kind, []).append(self._now_ms)

    # --- the client --------------------------------------------------------------------------

    def _act(self) -> None:
        while self._acts and self._is_due(self._acts[0]):
            act = self._acts.pop(0)
            if act.event.kind is Kind.SPEECH_START:
                self._pending += act.sound
                self._starts = True
                continue
            self.events.append(replace(act.event, at_ms=self._now_ms))
            message = read_message(json.dumps(self._addressed(act.event)), vertex=self._take.vertex)
            self._mind.hear(message, self._now_ms)

    def _is_due(self, act: _Act) -> bool:
        if act.event.kind is Kind.SPEECH_START and self._pending:
            return False
        if act.after is None:
            return True
        kind, count = act.after
        seen = self._seen.get(kind, [])
        return len(seen) >= count and self._now_ms >= seen[count - 1] + act.delay_ms

    def _addressed(self, event: Event) -> Json:
        """The client's message; results get the ids that the emulator gave to its calls."""
        if event.kind is not Kind.RESULTS:
            return event.body
        ids = [str(call.body.get("id")) for call in self._take.events if call.kind is Kind.CALL]
        given = dict(zip(ids, self._calls, strict=False))
        body = field_of(event.body, "toolResponse") or {}
        results = [
            {**result, "id": given.get(str(result.get("id")), "")}
            for result in field_of(body, "functionResponses") or ()
        ]
        return {"toolResponse": {"functionResponses": results}}

    def _send_sound(self, chunk_ms: int) -> None:
        size = bytes_of(ms_to_samples(chunk_ms, INPUT_RATE))
        spoken = bytes(self._pending[:size])
        del self._pending[:size]
        if spoken and self._starts:
            self._starts = False
            self.events.append(Event(Kind.SPEECH_START, self._now_ms))
        if spoken and not self._pending:
            self.events.append(Event(Kind.SPEECH_END, self._now_ms))
        self._mind.hear(Audio(spoken.ljust(size, b"\0"), INPUT_RATE), self._now_ms)


def _goes_on(events: list[Event]) -> bool:
    """Whether the last event is sound that follows other sound of the same reply."""
    if events[-1].kind is not Kind.AUDIO:
        return False
    for event in reversed(events[:-1]):
        if event.kind is Kind.AUDIO:
            return True
        if event.kind in (Kind.GENERATED, Kind.COMPLETE, Kind.INTERRUPTED, Kind.CALL):
            return False
    return False


def _mind_for(take: Take, answers: list[_Answer], seed: int) -> Mind:
    replies = []
    for answer in answers:
        call = answer.call
        replies.append(
            Reply(
                _text(answer),
                heard=answer.heard or None,
                tool=str(call["name"]) if call else None,
                args=dict(call.get("args") or {}),
            )
        )
    setup = read_message(json.dumps({"setup": _fresh(take.setup)}), vertex=take.vertex)
    assert isinstance(setup, Setup)
    return Mind(
        setup,
        admit(setup, vertex=take.vertex),
        Session(id="emulator", voice="heart"),
        script=Script(replies, Reply("")),
        rng=random.Random(seed),
    )


def _fresh(setup: Json) -> Json:
    """The setup without the handle of a session that only the real service knows."""
    kept = dict(setup)
    for key in ("sessionResumption", "session_resumption"):
        if isinstance(kept.get(key), dict):
            kept[key] = {name: value for name, value in kept[key].items() if name != "handle"}
    return kept


# --- what was said -------------------------------------------------------------------------------


def turn_ends(take: Take) -> set[int]:
    """Places in ``take.events`` at which a turn of the user ends.

    A pause between two stretches of speech ends no turn; it does when the server says so before the
    next one.
    """
    ends: set[int] = set()
    paused: int | None = None
    for place, event in enumerate(take.events):
        if event.kind is Kind.SPEECH_END:
            paused = place
        elif event.kind is Kind.SPEECH_START:
            paused = None
        elif event.kind in _TRIGGERS:
            ends.add(place)
        elif event.kind in _ANSWERS and paused is not None:
            ends.add(paused)
            paused = None
    return ends


def answers_in(take: Take) -> list[_Answer]:
    """What the model said to each turn of the user, in order."""
    answers: list[_Answer] = []
    ends = turn_ends(take)
    for place, event in enumerate(take.events):
        if place in ends:
            answers.append(_Answer())
        elif answers:
            _add(answers[-1], event)
    return answers


def _add(answer: _Answer, event: Event) -> None:
    match event.kind:
        case Kind.HEARD:
            answer.heard = (answer.heard + event.text).strip()
        case Kind.CALL:
            answer.call = event.body
        case Kind.WORDS:
            answer.words.append(event.text)
        case Kind.AUDIO:
            answer.audio_ms += event.audio_ms or 0
            answer.messages += 1
        case Kind.GENERATED:
            answer.generated = True
        case Kind.INTERRUPTED if answer.messages and not answer.generated:
            answer.audio_ms += _UNSENT_MS
        case _:
            pass


def _text(answer: _Answer) -> str:
    """The words of an answer; as many as its sound takes, where they are unknown."""
    text = "".join(answer.words).strip()
    if text or not answer.messages:
        return text
    return " ".join(["word"] * max(answer.audio_ms // _WORD_MS, 1))


def _speech(text: str, audio_ms: int) -> Speech:
    """Sound as long as the recorded one, or as long as so many words usually take."""
    words = text.split()
    total_ms = audio_ms or len(words) * _WORD_MS
    each_ms = total_ms // max(len(words), 1)
    timed = [Word(word, n * each_ms, (n + 1) * each_ms) for n, word in enumerate(words)]
    return Speech(silence(total_ms, OUTPUT_RATE), tuple(timed))


def acts_in(take: Take) -> Iterator[_Act]:
    """What the client does, in order."""
    seen: dict[Kind, int] = {}
    last: Event | None = None
    sounds = list(_user_sounds(take))
    passed: list[Event] = []
    for event in take.events:
        passed.append(event)
        if event.kind in MILESTONES and not _goes_on(passed):
            seen[event.kind] = seen.get(event.kind, 0) + 1
            last = event
        if event.kind not in _ACTS:
            continue
        delay_ms = _SOON_MS
        if last is not None and last.at_ms is not None and event.at_ms is not None:
            delay_ms = max(event.at_ms - last.at_ms, 0)
        after = (last.kind, seen[last.kind]) if last is not None else None
        spoken = sounds.pop(0) if event.kind is Kind.SPEECH_START and sounds else b""
        yield _Act(event, after, delay_ms, spoken)


def _user_sounds(take: Take) -> Iterator[bytes]:
    """What the user's stretches of speech sound like, at 16 kHz, from onset to end."""
    if take.sounds:
        yield from take.sounds
        return
    answers, ends = iter(answers_in(take)), turn_ends(take)
    start_ms = stretches = 0
    for place, event in enumerate(take.events):
        heard = next(answers).heard if place in ends else ""
        if event.kind is Kind.SPEECH_START:
            start_ms = event.at_ms or 0
            stretches += 1
        if event.kind is Kind.SPEECH_END:
            length_ms = (event.at_ms or 0) - start_ms
            known = heard and stretches == 1 and not heard.startswith("word")
            yield _voice(heard, 0) if known else _voice(_FILLER, length_ms)
            stretches = 0 if place in ends else stretches


@cache
def _voice(text: str, length_ms: int) -> bytes:
    """Speech without the silence around it; cut at the word nearest to a length that is given."""
    speech = synthesize(text, "low")
    first_ms, last_ms = speech.words[0].start_ms, speech.words[-1].end_ms
    if length_ms:
        last_ms = min(
            (word.end_ms for word in speech.words), key=lambda ms: abs(ms - first_ms - length_ms)
        )
    pcm = resample(speech.pcm, OUTPUT_RATE, INPUT_RATE)
    start, end = (bytes_of(ms_to_samples(ms, INPUT_RATE)) for ms in (first_ms, last_ms))
    return pcm[start:end]
