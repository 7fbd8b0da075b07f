"""What the emulated model believes was said, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pipeline_live.emulator import frames
from pipeline_live.emulator.messages import Compression, Json
from pipeline_live.emulator.voice import Word

_TOKENS_PER_SECOND = 25
_LETTERS_PER_TOKEN = 4
# Of one frame of video (Google's page on tokens).
_TOKENS_PER_PICTURE = 258
# 80 % of a window of 131,072 (Google's page on sessions).
_TRIGGER_TOKENS = 104_857
_HANDLES_KEPT = 64


@dataclass(slots=True)
class Entry:
    """One turn of the model's history.

    Attributes:
        role: "user", "model", or "tool".
        text: The words. Of a cut reply only those that had been sent to the client.
        at_ms: When it was added, from the connection's start.
        cut: The reply was interrupted.
        words: Of a reply the words that had been sent, timed from the start of its sound.
        first_audio_ms: When its first sound was sent, from the connection's start; or None.
        audio_ms: How much sound of it was sent.
    """

    role: str
    text: str
    at_ms: int
    cut: bool = False
    words: tuple[Word, ...] = ()
    first_audio_ms: int | None = None
    audio_ms: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """A conversation at the moment when a handle was issued for it.

    Attributes:
        history: What had been said.
        user_turns: How many turns the user had taken.
        saw_video: Pictures had come.
        spent_ms: How long the session had lived.
    """

    history: tuple[Entry, ...] = ()
    user_turns: int = 0
    saw_video: bool = False
    spent_ms: int = 0


@dataclass(slots=True)
class Session:
    """One connection as the model saw it; tests read it.

    Attributes:
        id: Random name.
        model: As asked for.
        family: Which family served it.
        voice: The voice that spoke.
        setup: The client's setup object.
        handle: The latest handle for resuming it; empty while there is none.
        memories: What each handle that was issued restores; the last 64.
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
        saw_video: Pictures came on an earlier connection of a resumed session.
        spent_ms: How long those earlier connections had lived.
        resumable: Handles that were issued are good for anything.
        open: The connection is up.
        closed_ms: When it went down, since the emulator serves; None while it is up.
        close_code: WebSocket close code, once it is down.
        close_reason: Why it was closed.
    """

    id: str = ""
    model: str = ""
    family: str = ""
    voice: str = ""
    setup: Json = field(default_factory=dict)
    handle: str = ""
    memories: dict[str, Memory] = field(default_factory=dict)
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
    saw_video: bool = False
    spent_ms: int = 0
    resumable: bool = True
    open: bool = True
    closed_ms: int | None = None
    close_code: int | None = None
    close_reason: str = ""

    def remember(self, handle: str, lived_ms: int = 0) -> None:
        """Issue a handle: what was said until now is what it restores.

        Args:
            handle: The handle.
            lived_ms: How long this connection has lived.
        """
        entries = tuple(replace(entry) for entry in self.history)
        saw_video = self.pictures > 0 or self.saw_video
        spent_ms = self.spent_ms + lived_ms
        self.memories[handle] = Memory(entries, self.user_turns, saw_video, spent_ms)
        self.handle = handle
        if len(self.memories) > _HANDLES_KEPT:
            del self.memories[next(iter(self.memories))]

    def recall(self, memory: Memory) -> None:
        """Begin with what an earlier session knew."""
        self.history = [replace(entry) for entry in memory.history]
        self.user_turns = memory.user_turns
        self.saw_video = memory.saw_video
        self.spent_ms = memory.spent_ms


@dataclass(slots=True)
class Meter:
    """Counts tokens: text by its letters, sound at 25 a second (measured on all Live models).

    Attributes:
        limit: When the context is shortened, and to what; None for never.
        text: Tokens of text in the context.
        audio: Tokens of sound in the context.
        video: Tokens of pictures in the context.
    """

    limit: Compression | None = None
    text: int = 0
    audio: int = 0
    video: int = 0

    def read(self, text: str) -> None:
        """Take text into the context."""
        self.text += text_tokens(text)

    def listen(self, ms: int) -> None:
        """Take a user's sound into the context."""
        self.audio += audio_tokens(ms)

    def look(self) -> None:
        """Take a picture into the context."""
        self.video += _TOKENS_PER_PICTURE

    def bill(self, reply: frames.Tokens, thoughts: int, *, vertex: bool) -> frames.Frame:
        """Usage of a reply, whose tokens from now on belong to the context."""
        self._compress()
        prompt = frames.Tokens(self.text, self.audio, self.video)
        usage = frames.usage(prompt, reply, thoughts, vertex=vertex)
        self.text += reply.text
        self.audio += reply.audio
        return usage

    def _compress(self) -> None:
        """Forget the oldest, in proportion, once there is too much (contextWindowCompression)."""
        if self.limit is None:
            return
        trigger = self.limit.trigger_tokens or _TRIGGER_TOKENS
        total = self.text + self.audio + self.video
        if total <= trigger:
            return
        target = self.limit.target_tokens
        share = min((trigger // 2 if target is None else target) / total, 1)
        self.text, self.audio, self.video = (
            int(part * share) for part in (self.text, self.audio, self.video)
        )


def text_tokens(text: str) -> int:
    """Tokens of a text."""
    return -(-len(text) // _LETTERS_PER_TOKEN)


def audio_tokens(ms: int) -> int:
    """Tokens of ``ms`` of sound, begun ones counted."""
    return -(-ms * _TOKENS_PER_SECOND // 1000)
