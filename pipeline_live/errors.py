"""What can go wrong, as one tree.

::

    PipelineLiveError
    ├── AudioFormatError       sound that cannot be read or has the wrong shape
    ├── ConnectionFailed       a Live connection that could not be opened
    ├── DeviceError            a microphone or loudspeaker that cannot be used
    ├── SessionClosed          a session used after it was closed
    ├── SessionBusy            two receivers on one session
    ├── ConfigError            a file with findings; each with its line and column
    └── UsageError             bad input from a person: a file, a flag, a pipeline's order

Attributes hold the facts; ``str()`` builds the sentence: what, where, what to do next.
"""

from __future__ import annotations


class PipelineLiveError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageError(PipelineLiveError):
    """Input that cannot work; the text says what it is and what to do next."""


class ConfigError(PipelineLiveError):
    """A file that describes a bot has findings.

    Attributes:
        findings: Each as ``file:line:column: text``, in the order of the file.
    """

    def __init__(self, findings: list[str]) -> None:
        super().__init__(*findings)
        self.findings = findings

    def __str__(self) -> str:
        """One finding a line."""
        return "\n".join(self.findings)


class AudioFormatError(UsageError):
    """Sound that cannot be read, or whose shape does not fit."""


class DeviceError(PipelineLiveError):
    """A microphone or a loudspeaker that cannot be used; the text says which and why."""


class ConnectionFailed(PipelineLiveError):
    """A Live connection could not be opened.

    Attributes:
        code: WebSocket close code or HTTP status, when there was one.
        reason: What the other side said.
        hint: What to do next, empty when nothing better is known.
        terminal: True when trying again cannot help (bad key, unknown model, our own mistake).
    """

    def __init__(
        self, reason: str, *, code: int | None = None, hint: str = "", terminal: bool = False
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.hint = hint
        self.terminal = terminal

    def __str__(self) -> str:
        """Say what happened and what to do next."""
        code = f" ({self.code})" if self.code is not None else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"no Gemini Live connection{code}: {self.reason}{hint}"


class SessionClosed(PipelineLiveError):
    """The session was closed here; nothing more can be sent or received."""

    def __str__(self) -> str:
        """Say what to do instead."""
        return "this session is closed; open another one with connect()"


class SessionBusy(PipelineLiveError):
    """Two tasks receive from one session at the same time."""

    def __str__(self) -> str:
        """Say what to do instead."""
        return "another task already receives from this session; use one receive loop"
