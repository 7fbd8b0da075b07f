"""What a person sees: lines that stay, and below them, on a terminal, one that shows the levels.

Plain text, no colours and no cursor tricks but the carriage return, so that it is readable in any
terminal, in a pipe (there without the levels) and in a bug report.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TextIO

from pipeline_live.devices.level import QUIETEST_DB

_BAR = 12


def bar(level_db: float) -> str:
    """A level as twelve characters: nothing at -60 dB of full scale, full at 0."""
    filled = round(_BAR * (1 - min(0.0, max(QUIETEST_DB, level_db)) / QUIETEST_DB))
    return "#" * filled + "." * (_BAR - filled)


class Screen:
    """Writes lines.

    Args:
        out: Where to; the level line is shown when it is a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._shown = 0

    def line(self, text: str) -> None:
        """Write a line that stays."""
        self._write(f"{self._erased()}{text}\n")

    def event(self, at_ms: int, who: str, what: str) -> None:
        """Write what happened at a time of the call."""
        self.line(f"{at_ms / 1000:7.2f} s  {who:<4} {what}")

    def levels(self, microphone_db: float, loudspeaker_db: float, state: str) -> None:
        """Show who is how loud; without a terminal nothing."""
        if not self._live:
            return
        text = f"you [{bar(microphone_db)}]  bot [{bar(loudspeaker_db)}]  {state}"
        text = text[: max(0, shutil.get_terminal_size().columns - 1)]
        erased = self._erased()
        self._shown = len(text)
        self._write(f"{erased}{text}")

    def close(self) -> None:
        """Take the level line away."""
        self._write(self._erased())

    def _erased(self) -> str:
        blank, self._shown = " " * self._shown, 0
        return f"\r{blank}\r" if blank else ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody looks any more; the call goes on
            self._out.write(text)
            self._out.flush()
