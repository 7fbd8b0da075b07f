"""Keeps one device open through a call: the chosen one, else the default, else nothing at all.

Pure: streams are opened by a function that is handed in, and time comes in as data. A card that is
pulled out is not reported by every sound system, it only stops calling back, so silence of the
callbacks is what counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

from pipeline_live.devices.choice import choose
from pipeline_live.devices.sound_cards import NOTHING, Device, Kind
from pipeline_live.errors import DeviceError, UsageError

GONE_AFTER_S = 1.0
"""So long without a callback means that the device is gone."""
STARTS_WITHIN_S = 4.0
"""A device that was just opened gets this long; PulseAudio's null sinks take 2 s."""
RETRY_S = 2.0
"""How often a device is looked for when there is none."""

_WITHOUT = {
    Kind.INPUT: "the call goes on, but nobody hears you",
    Kind.OUTPUT: "the call goes on, but you hear nothing",
}


class OpenStream(Protocol):
    """What the keeper needs of a stream."""

    name: str
    called_s: float

    def close(self) -> None:
        """Let go of the device."""


class Keeper:
    """Keeps a microphone or a loudspeaker.

    Args:
        kind: Which.
        wanted: Number, name or part of a name; None for the system's default; ``"nothing"`` for no
            device at all.
        look: Lists what is plugged in.
        open_stream: Opens a device.
        tell: Told, in one line, whatever a person should know.
    """

    def __init__(
        self,
        kind: Kind,
        wanted: str | None,
        look: Callable[[], list[Device]],
        open_stream: Callable[[Device], OpenStream],
        tell: Callable[[str], None],
    ) -> None:
        self._kind = kind
        self._wanted = wanted
        self._look = look
        self._open_stream = open_stream
        self._tell = tell
        self._stream: OpenStream | None = None
        self._opened_s = 0.0
        self._tried_s = 0.0

    @property
    def name(self) -> str:
        """The device in use; empty while closed."""
        return self._stream.name if self._stream else ""

    @property
    def missing(self) -> bool:
        """Whether there is no real device at the moment."""
        return self.name == NOTHING.name

    def open(self, now_s: float) -> None:
        """Open the device.

        Raises:
            UsageError: ``wanted`` names no device, or more than one; or packages are missing.
        """
        device = self._default()
        if self._wanted == NOTHING.name:
            device = NOTHING
        elif self._wanted is not None:
            device = choose(self._look(), self._wanted, self._kind)
        if not self._try(device, now_s, tell=device.handle is not None):
            self._do_without(f"no {self._kind} found", now_s)

    def check(self, now_s: float) -> None:
        """Look after it; call this some times a second."""
        if self._stream is None or self._wanted == NOTHING.name:
            return
        if self.missing:
            if now_s - self._tried_s >= RETRY_S:
                self._find_again(now_s)
            return
        waits_since = max(self._stream.called_s, self._opened_s + STARTS_WITHIN_S - GONE_AFTER_S)
        if now_s - waits_since >= GONE_AFTER_S:
            lost = self.name
            self.close()
            if not self._try(self._default(), now_s, tell=False):
                self._do_without(f"the {self._kind} {lost!r} is gone", now_s)
            elif self.name == lost:
                self._tell(f"the {self._kind} stopped; opened {lost!r} again")
            else:
                self._tell(f"the {self._kind} {lost!r} is gone; using {self.name!r}")

    def close(self) -> None:
        """Let go of the device."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _find_again(self, now_s: float) -> None:
        self._tried_s = now_s
        listed = self._look()
        if not listed:
            return
        device = self._default()
        if self._wanted is not None:
            with contextlib.suppress(UsageError):  # not this one again, so the default
                device = choose(listed, self._wanted, self._kind)
        nothing, self._stream = self._stream, None
        if self._try(device, now_s, tell=False):
            if nothing is not None:
                nothing.close()
            self._tell(f"the {self._kind} is back: {self.name!r}")
        else:
            self._stream = nothing

    def _try(self, device: Device, now_s: float, *, tell: bool) -> bool:
        try:
            self._stream = self._open_stream(device)
        except DeviceError as error:
            if tell:
                self._tell(str(error))
            return False
        self._opened_s = now_s
        return True

    def _do_without(self, why: str, now_s: float) -> None:
        self.close()
        self._stream = self._open_stream(NOTHING)
        self._tried_s = now_s
        self._tell(f"{why}; {_WITHOUT[self._kind]}; plug one in")

    def _default(self) -> Device:
        return Device("default", self._kind)
