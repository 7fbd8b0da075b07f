"""What the emulated model believes was said, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline_live.emulator import frames
from pipeline_live.emulator.messages import Json

_TOKENS_PER_SECOND = 25
_LETTERS_PER_TOKEN = 4


@dataclass(slots=True)
class Entry:
    """One turn of the model's history.

    Attributes:
        role: "user", "model", or "tool".
        text: The words. Of a cut reply only those that had been sent to the client.
        at_ms: When it was added, from the connection's start.
        cut: The reply was interrupted.
    """

    role: str
    text: str
    at_ms: int
    cut: bool = False


@dataclass(slots=True)
class Session:
    """One connection as the model saw it; tests read it.

    Attributes:
        id: Random name.
        model: As asked for.
        family: Which family served it.
        voice: The voice that spoke.
        setup: The client's setup object.
        handle: For resuming it later.
        history: What was said, oldest first.
        user_turns: Turns that the user took, by voice, text or content.
        replies: Replies that were begun.
        interruptions: Replies that were cut.
        nudges: Texts of blanks only, which mean nothing to this model.
        tool_calls: Calls that were made.
        ignored_results: Tool responses that nobody waited for.
        audio_in_ms: Sound received.
        audio_out_ms: Sound sent.
        pictures: Video frames received.
        open: The connection is up.
        close_code: WebSocket close code, once it is down.
        close_reason: Why it was closed.
    """

    id: str = ""
    model: str = ""
    family: str = ""
    voice: str = ""
    setup: Json = field(default_factory=dict)
    handle: str = ""
    history: list[Entry] = field(default_factory=list)
    user_turns: int = 0
    replies: int = 0
    interruptions: int = 0
    nudges: int = 0
    tool_calls: int = 0
    ignored_results: int = 0
    audio_in_ms: int = 0
    audio_out_ms: int = 0
    pictures: int = 0
    open: bool = True
    close_code: int | None = None
    close_reason: str = ""


@dataclass(slots=True)
class Meter:
    """Counts tokens: text by its letters, sound at 25 a second (measured on all Live models).

    Attributes:
        text: Tokens of text in the context.
        audio: Tokens of sound in the context.
    """

    text: int = 0
    audio: int = 0

    def read(self, text: str) -> None:
        """Take text into the context."""
        self.text += -(-len(text) // _LETTERS_PER_TOKEN)

    def listen(self, ms: int) -> None:
        """Take a user's sound into the context."""
        self.audio += audio_tokens(ms)

    def bill(self, reply_ms: int, *, vertex: bool) -> frames.Frame:
        """Usage of a reply with ``reply_ms`` of sound, which from now on belongs to the context."""
        tokens = audio_tokens(reply_ms)
        usage = frames.usage(self.text, self.audio, tokens, vertex=vertex)
        self.audio += tokens
        return usage


def audio_tokens(ms: int) -> int:
    """Tokens of ``ms`` of sound, begun ones counted."""
    return -(-ms * _TOKENS_PER_SECOND // 1000)
