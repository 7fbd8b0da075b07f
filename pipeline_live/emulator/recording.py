"""Recordings: the messages of Live sessions as JSON lines with their times, scrubbed.

``pipeline-live record`` writes them in front of the real service, ``pipeline-live emulate --log``
inside the emulator, and ``pipeline-live emulate --check`` reads them. One line is one object::

    {"session": 1, "at_ms": 0, "event": "open", "path": "/ws/...", "agent": "google-genai-sdk/..."}
    {"session": 1, "at_ms": 2, "from": "client", "message": {"setup": {"model": "..."}}}
    {"session": 1, "at_ms": 326, "from": "server", "message": {"setupComplete": {}}}
    {"session": 1, "at_ms": 553, "event": "speech", "state": "start"}
    {"session": 1, "at_ms": 9000, "event": "close", "code": 1000, "reason": ""}

Times are milliseconds since the session's handshake. Keys and handles are never written; sound is
replaced by ``{"bytes": 640}`` and words by ``{"chars": 11, "words": 2}`` unless they are asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from loguru import logger

from pipeline_live.emulator.fields import camel
from pipeline_live.errors import UsageError

MASK = "***"
# Google API keys, OAuth tokens and ephemeral tokens, wherever they turn up.
_SECRET = re.compile(r"AIza[\w-]{20,}|AQ\.[\w-]{20,}|ya29\.[\w.-]{10,}|auth_tokens/[\w.-]+")
_MEDIA = frozenset({"inlineData", "audio", "video", "mediaChunks"})
_HANDLES = frozenset({"newHandle", "handle"})
_SECRETS = frozenset({"voiceConsentSignature"})
_WORDS = frozenset({"text", "word"})
# Every string below these can repeat what a user said.
_WORDY = frozenset({"args", "response"})


class Scrubber:
    """Takes out of messages what does not belong in a file; one per file, since handles are named.

    Args:
        secrets: Strings that are masked wherever they turn up, for example the API key in use.
        media: Keep sound and pictures.
        words: Keep transcripts, texts, and arguments and results of tools.
    """

    def __init__(
        self, secrets: Iterable[str] = (), *, media: bool = False, words: bool = False
    ) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)
        self._media = media
        self._words = words
        self._handles: dict[str, str] = {}

    def clean(self, message: Any) -> Any:
        """A copy of ``message`` without secrets, and without sound and words unless they stay."""
        return self._value(message, "", media=False, wordy=False)

    def masked(self, text: str) -> str:
        """``text`` without secrets."""
        return _SECRET.sub(MASK, self._without_own(text))

    def _without_own(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def _value(self, value: Any, key: str, *, media: bool, wordy: bool) -> Any:
        match value:
            case dict():
                media = media or key in _MEDIA
                wordy = wordy or key in _WORDY
                return {
                    self.masked(name): self._value(inner, camel(name), media=media, wordy=wordy)
                    for name, inner in value.items()
                }
            case list():
                return [self._value(inner, key, media=media, wordy=wordy) for inner in value]
            case str():
                return self._string(value, key, media=media, wordy=wordy)
            case _:
                return value

    def _string(self, text: str, key: str, *, media: bool, wordy: bool) -> Any:
        if media and key == "data":
            # What looks like somebody's key in hours of base64 is chance, so only known ones go.
            kept = self._without_own(text)
            return kept if self._media else {"bytes": len(text.rstrip("=")) * 3 // 4}
        if key in _HANDLES and text:
            return self._handles.setdefault(text, f"handle-{len(self._handles) + 1}")
        if key in _SECRETS:
            return MASK
        if (wordy or key in _WORDS) and not self._words:
            return {"chars": len(text), "words": len(text.split())}
        return self.masked(text)


class Recording:
    """A file that is being written, with any number of sessions in it; ``with`` closes it.

    Args:
        path: Where to write; an existing file is replaced.
        scrubber: Decides what may be written.

    Raises:
        UsageError: The file cannot be written.
    """

    def __init__(self, path: Path, scrubber: Scrubber) -> None:
        self.path = path
        self.scrubber = scrubber
        self.sessions = 0
        self._file: TextIO | None
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be written ({error.strerror or error}); choose another file"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def session(self, clock: Callable[[], int], path: str, agent: str = "") -> SessionRecording:
        """Begin a session; its first line is written.

        Args:
            clock: Now, in milliseconds of any clock.
            path: Request path; what follows a question mark is left out, for keys stand there.
            agent: What the client calls itself.
        """
        self.sessions += 1
        session = SessionRecording(self, self.sessions, clock)
        session.event("open", path=path.partition("?")[0], agent=self.scrubber.masked(agent))
        return session

    def write(self, line: dict[str, Any]) -> None:
        """Append one line; a disk that refuses ends the recording, not the sessions."""
        if self._file is None:
            return
        try:
            # Lone surrogates are legal in JSON and not in UTF-8, so everything else is escaped too.
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            logger.error(f"{self.path}: the recording ends here ({error.strerror or error})")
            self.close()

    def close(self) -> None:
        """Close the file; further lines are dropped."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class SessionRecording:
    """One session's lines; made by ``Recording.session``."""

    def __init__(self, recording: Recording, number: int, clock: Callable[[], int]) -> None:
        self._recording = recording
        self._number = number
        self._clock = clock
        self._began_ms = clock()

    @property
    def now_ms(self) -> int:
        """Since the session began."""
        return self._clock() - self._began_ms

    def client(self, frame: str | bytes) -> None:
        """Write what the client sent."""
        self._frame("client", frame)

    def server(self, frame: str | bytes) -> None:
        """Write what the server sent."""
        self._frame("server", frame)

    def sent(self, message: dict[str, Any], due_ms: int) -> None:
        """Write what the emulator just sent.

        Args:
            message: The JSON object.
            due_ms: When it should have left, on the session's clock.
        """
        late_ms = max(self._clock() - due_ms, 0)
        self._line(
            {"from": "server", "message": self._recording.scrubber.clean(message)}
            | ({"late_ms": late_ms} if late_ms else {})
        )

    def event(self, name: str, *, at_ms: int | None = None, **fields: Any) -> None:
        """Write something that is not a message."""
        self._line({"event": name, **fields}, at_ms)

    def close(self, code: int | None, reason: str) -> None:
        """Write how it ended."""
        self.event("close", code=code, reason=self._recording.scrubber.masked(reason))

    def _frame(self, side: str, frame: str | bytes) -> None:
        try:
            message = self._recording.scrubber.clean(json.loads(frame))
        except (ValueError, RecursionError):
            self._line({"from": side, "unreadable_bytes": len(frame)})
            return
        self._line({"from": side, "message": message})

    def _line(self, fields: dict[str, Any], at_ms: int | None = None) -> None:
        at_ms = self.now_ms if at_ms is None else at_ms
        self._recording.write({"session": self._number, "at_ms": at_ms, **fields})
