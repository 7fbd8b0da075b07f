"""What the emulated model says: one reply per user turn, given or made up.

A script holds no times of its own beyond a reply's delay; when a reply is spoken is decided by
``mind``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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
        grounding: What Google Search is said to have found, as ``groundingMetadata`` has it.
    """

    text: str
    delay_ms: int | None = None
    heard: str | None = None
    tool: str | Sequence[ToolUse] | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    voice: str | None = None
    speed: float = 1.0
    grounding: Mapping[str, Any] | None = None

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
class Script:
    """Replies in order: the n-th answers the n-th user turn.

    Attributes:
        replies: The first turns' answers; a plain string is a reply's text.
        default: Answers for the turns after those, over and over; by default made-up ones, opened
            by a greeting when a client asks for the first turn with clientContent.
    """

    replies: Sequence[Reply | str] = ()
    default: Sequence[Reply | str] | Reply | str | None = None

    def reply(self, turn: int, *, greet: bool = False) -> Reply:
        """The answer to user turn number ``turn``, counted from 0.

        Args:
            turn: The number.
            greet: Nothing was said yet, and the client asks the model to begin.
        """
        if turn < len(self.replies):
            return _as_reply(self.replies[turn])
        later = turn - len(self.replies)
        if self.default is None:
            if greet:
                return Reply(GREETING)
            return Reply(ANSWERS[later % len(ANSWERS)])
        if isinstance(self.default, Reply | str):
            return _as_reply(self.default)
        return _as_reply(self.default[later % len(self.default)]) if self.default else Reply("")

    def texts(self, count: int) -> list[str]:
        """What the first ``count`` turns are likely to need spoken, soonest first, each once."""
        texts = [self.reply(0, greet=True).text, *(self.reply(n).text for n in range(count))]
        return [text for text in dict.fromkeys(texts) if text]


def _as_reply(reply: Reply | str) -> Reply:
    return Reply(reply) if isinstance(reply, str) else reply
