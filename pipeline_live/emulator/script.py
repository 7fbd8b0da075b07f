"""What the emulated model says: by the number of the user's turn, by what was said, or else.

A script holds no times of its own beyond a reply's delay; when a reply is spoken is decided by
``mind``. ``script_file`` reads scripts from YAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pipeline_live.emulator.names import unknown_name
from pipeline_live.emulator.voice import FASTEST, SLOWEST, VOICES
from pipeline_live.errors import UsageError


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A function that the model calls.

    Attributes:
        name: Its name.
        args: Its arguments.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one user turn.

    Attributes:
        text: What is spoken; with a tool, after the tool's response. Empty: nothing is said.
        delay_ms: From the end of the user's turn to the first audio; None for the model's own.
        heard: What the model understood, sent as inputTranscription; None for a neutral
            placeholder such as "(1.8 s of speech)".
        tool: Name of a function to call first, or several calls that go out in one message.
        args: Arguments of a function that was given by its name.
        voice: One of ``VOICES``; None for the session's.
        speed: How many times faster than usual it is spoken.
        length_ms: How long it lasts: the text is spoken over and over, and broken off after a
            word; None for once and whole.
        interim: Said first, while it is still being thought about: a turn of its own for models
            that tell when they are idle, the first words of the same turn for the others.
        grounding: What Google Search is said to have found, as ``groundingMetadata`` has it.

    Raises:
        UsageError: There is no such voice, or a number is out of its range.
    """

    text: str
    delay_ms: int | None = None
    heard: str | None = None
    tool: str | Sequence[ToolUse] | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    voice: str | None = None
    speed: float = 1.0
    length_ms: int | None = None
    interim: str = ""
    grounding: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.voice is not None and self.voice not in VOICES:
            raise UsageError(unknown_name("voice", self.voice, VOICES))
        if not SLOWEST <= self.speed <= FASTEST:
            raise UsageError(f"speed {self.speed} of a reply; give {SLOWEST} to {FASTEST}")
        for name, ms in (("delay_ms", self.delay_ms), ("length_ms", self.length_ms)):
            if ms is not None and ms < 0:
                raise UsageError(f"{name} {ms} of a reply; give 0 or more")

    @property
    def calls(self) -> tuple[ToolUse, ...]:
        """The functions that are called first."""
        if self.tool is None:
            return ()
        return (ToolUse(self.tool, self.args),) if isinstance(self.tool, str) else (*self.tool,)


GREETING = "Hello! I am glad you called. What can I do for you today?"

ANSWERS = (
    "That is a good question. Let me think about it for a moment. The short answer is yes, but it "
    "depends on when you would like to start, and on how many people are coming with you.",
    "Sure, I can help with that. We have a table by the window at seven, and another one near the "
    "bar at half past eight. Most guests prefer the window, because you can see the harbor and the "
    "boats coming home in the evening. Shall I book it for you?",
    "Certainly. Here is how it works. First you fill in the form with your name and your address. "
    "Then we check it, which takes about two days. After that you get a letter with a number, and "
    "with that number you can follow your order on our page, change the day of delivery, or cancel "
    "it at any time without giving a reason.",
    "I understand. Let me put that down. Is there anything else you would like to add?",
    "The weather looks mixed. This morning there is some rain from the west, with a cold wind near "
    "the coast. Around noon the clouds break up, and in the afternoon it stays dry and sunny. If "
    "you plan a walk, wait until two, and take a light jacket with you for the way back.",
    "Great choice. Many people ask for that one, and nobody has complained so far. It comes in "
    "three sizes and two colors, and the smaller ones fit in any bag.",
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An answer to certain words.

    Attributes:
        when: Looked for anywhere in what the user said, whatever the case of its letters.
        reply: The answer.
    """

    when: re.Pattern[str]
    reply: Reply

    @classmethod
    def of(cls, when: str, reply: Reply | str) -> Self:
        """A pattern from a regular expression in words.

        Raises:
            re.error: It is none.
        """
        return cls(re.compile(when, re.IGNORECASE), _as_reply(reply))


@dataclass(frozen=True, slots=True)
class Script:
    """Replies by turn, then by pattern, then the rest.

    Attributes:
        replies: The n-th answers the n-th user turn; a plain string is a reply's text, None leaves
            the turn to the patterns.
        default: Answers for all other turns, over and over; by default made-up ones, opened by a
            greeting when a client asks for the first turn with clientContent.
        patterns: Answers to what a user says; the first that fits is taken.
        greeting: What opens a call when a client asks the model to begin; None for the first reply,
            or a made-up one.
    """

    replies: Sequence[Reply | str | None] = ()
    default: Sequence[Reply | str] | Reply | str | None = None
    patterns: Sequence[Pattern] = ()
    greeting: Reply | str | None = None

    def reply(self, turn: int, said: str = "", *, greet: bool = False) -> Reply:
        """The answer to user turn number ``turn``, counted from 0.

        Args:
            turn: The number.
            said: What the user said, as far as that is known.
            greet: Nothing was said yet, and the client asks the model to begin.
        """
        if greet and not said and self.greeting is not None:
            return _as_reply(self.greeting)
        scripted = self.replies[turn] if turn < len(self.replies) else None
        if scripted is not None:
            return _as_reply(scripted)
        for pattern in self.patterns if said else ():
            if pattern.when.search(said):
                return pattern.reply
        return self._rest(max(turn - len(self.replies), 0), greet=greet)

    def _rest(self, later: int, *, greet: bool) -> Reply:
        if self.default is None:
            if greet:
                return Reply(GREETING)
            return Reply(ANSWERS[later % len(ANSWERS)])
        if isinstance(self.default, Reply | str):
            return _as_reply(self.default)
        return _as_reply(self.default[later % len(self.default)]) if self.default else Reply("")

    def made_up(self, reply: Reply) -> bool:
        """Whether nobody scripted this reply."""
        return self.default is None and reply.text in ANSWERS

    def heard(self, turn: int) -> str | None:
        """What the model understands of user turn number ``turn`` however it sounds, or None."""
        scripted = self.replies[turn] if turn < len(self.replies) else self.reply(turn)
        return None if scripted is None else _as_reply(scripted).heard

    def likely(self, count: int) -> list[Reply]:
        """What the first ``count`` turns are likely to need, soonest first, each text once."""
        first = (self.reply(0, greet=True), *(self.reply(n) for n in range(count)))
        replies = (*first, *(pattern.reply for pattern in self.patterns))
        return list({reply.text: reply for reply in replies if reply.text}.values())


def _as_reply(reply: Reply | str) -> Reply:
    return Reply(reply) if isinstance(reply, str) else reply
