"""Sound cards by miniaudio: the only file that knows it.

A stream calls back in a thread of its own, every 10 ms: an output asks for samples, an input brings
some. miniaudio converts between the rate that is asked for and what the card can do.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import functools
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from pipeline_live.errors import DeviceError, UsageError

PERIOD_MS = 10
"""How often a stream calls back."""
LOWEST_RATE, HIGHEST_RATE = 8000, 96_000
_APP = "pipeline-live"

Pull = Callable[[int], bytes]
"""Samples that are needed → mono s16le sound of that many."""
Take = Callable[[bytes], None]
"""Mono s16le sound that was recorded."""


class Kind(enum.StrEnum):
    """Which way the sound goes."""

    INPUT = "microphone"
    OUTPUT = "loudspeaker"


@dataclass(frozen=True, slots=True)
class Device:
    """A sound card, or one end of it.

    Attributes:
        name: What the system calls it.
        kind: Microphone or loudspeaker.
        handle: miniaudio's own name for it; None for the system's default.
    """

    name: str
    kind: Kind
    handle: Any = None


NOTHING = Device("nothing", Kind.OUTPUT)
"""A device without a card: it takes sound, or brings silence, in real time."""


def devices(kind: Kind) -> list[Device]:
    """What is plugged in; empty without a sound system.

    Raises:
        UsageError: The packages for sound cards are not installed.
    """
    miniaudio = _miniaudio()
    try:
        system = miniaudio.Devices(_backends())
        listed = system.get_captures() if kind is Kind.INPUT else system.get_playbacks()
    except miniaudio.MiniaudioError:
        return []
    return [Device(each["name"], kind, each["id"]) for each in listed]


def check_installed() -> None:
    """Say at once what is missing.

    Raises:
        UsageError: The packages for sound cards are not installed.
    """
    _miniaudio()


def check_rate(rate: int) -> None:
    """Refuse a rate that no card can do.

    Raises:
        UsageError: It is too low or too high.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UsageError(
            f"no sound card is opened at {rate} Hz; use {LOWEST_RATE} to {HIGHEST_RATE} Hz, best "
            "16000 for the microphone and 24000 for the loudspeaker"
        )


class Stream:
    """An open device.

    Args:
        device: What to open; without a handle the system's default, or ``NOTHING``.
        kind: Which way.
        rate: Sample rate in Hz.
        buffer_ms: What the device keeps ahead, or collects.
        callback: A ``Pull`` for an output, a ``Take`` for an input; runs in the device's thread.

    Attributes:
        called_s: ``time.monotonic()`` of the last callback; of the opening, before the first.

    Raises:
        DeviceError: The device cannot be opened.
        UsageError: The packages for sound cards are not installed.
    """

    def __init__(
        self, device: Device, kind: Kind, rate: int, buffer_ms: int, callback: Pull | Take
    ) -> None:
        miniaudio = _miniaudio()
        self.name = device.name
        self.called_s = time.monotonic()
        kinds = {Kind.INPUT: miniaudio.CaptureDevice, Kind.OUTPUT: miniaudio.PlaybackDevice}
        self._card: Any = None
        try:
            self._card = kinds[kind](
                miniaudio.SampleFormat.SIGNED16,
                1,
                rate,
                PERIOD_MS,
                device_id=device.handle,
                callback_periods=max(2, buffer_ms // PERIOD_MS),
                backends=[miniaudio.Backend.NULL] if device is NOTHING else _backends(),
                app_name=_APP,
            )
            turns = self._calls(callback)
            next(turns)
            self._card.start(turns)
        except miniaudio.MiniaudioError as error:
            self.close()
            raise DeviceError(
                f"the {kind} {device.name!r} cannot be opened ({_words(error)})"
            ) from None

    def close(self) -> None:
        """Stop, and let go of the device; it is not called back any more."""
        card, self._card = self._card, None
        if card is not None:
            card.close()
            _leave_the_sound_system(card)

    def _calls(self, callback: Any) -> Generator[Any, Any, None]:
        asked = yield b""
        while True:
            self.called_s = time.monotonic()
            asked = yield callback(bytes(asked) if isinstance(asked, bytearray) else asked)


def _words(error: Exception) -> str:
    return ", ".join(str(each) for each in error.args) or "no reason given"


@functools.cache
def _miniaudio() -> Any:
    try:
        import miniaudio
    except ImportError as error:
        raise missing("miniaudio") from error
    _silence_alsa()
    return miniaudio


def missing(package: str) -> UsageError:
    """The error that says how to get a package for sound cards."""
    return UsageError(
        f"microphone and loudspeaker need {package}, which is not installed; "
        "pip install 'pipecat-pipeline-live[local]'"
    )


def _backends() -> list[Any]:
    """Every real sound system of this machine, in miniaudio's order."""
    miniaudio = _miniaudio()
    enabled = miniaudio.get_enabled_backends()
    unreal = {miniaudio.Backend.NULL, miniaudio.Backend.CUSTOM}
    return [each for each in miniaudio.Backend if each in enabled and each not in unreal]


def _leave_the_sound_system(card: Any) -> None:
    """End the connection that a card was opened over; miniaudio's ``close`` leaves it open.

    ``lib`` and ``_context`` are miniaudio's own names; without them the connection stays until the
    program ends, which is all that is lost.
    """
    with contextlib.suppress(AttributeError):
        lib, context = _miniaudio().lib, card._context
        card._context = None
        lib.ma_context_uninit(context)


_ALSA_HANDLER = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)


# What matters comes as an error from miniaudio.
_HEAR_NOTHING = _ALSA_HANDLER(lambda *_: None)


def _silence_alsa() -> None:
    """Keep ALSA from writing dozens of lines to the terminal where it finds no card."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_HEAR_NOTHING)
