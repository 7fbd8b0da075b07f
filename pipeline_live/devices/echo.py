"""Echo cancellation: takes out of the microphone what the loudspeaker plays.

WebRTC's AEC3 (``pywebrtc-audio``) with the playout itself as reference. It was chosen over
``livekit``'s copy of the same engine on six real recordings of the AEC challenge: as good for
barge-in (figures: docs/local-audio.md), a small part of the size, and one deterministic call.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from pipeline_live.audio import (
    INPUT_RATE,
    Resampler,
    bytes_of,
    ms_to_samples,
    samples_of,
    samples_to_ms,
    to_array,
    to_pcm,
)
from pipeline_live.devices.sound_cards import missing

FRAME_MS = 10
"""What the engine takes at once."""
SETTLE_MS = 1500
"""Sound of the bot that the engine needs to hear before it knows the room."""
SETTLE_AGAIN_MS = 1000
"""The same after a stall, when it was heard at another lag than before."""
_TAIL_MS = 250
_REST = 0.1
"""What the engine leaves of less than this share, under the bot's voice, is a rest of the echo."""
_FAINT = 30.0
"""RMS of a frame (of 32768, -61 dBFS) under which what it leaves there is one as well."""
_LOUD = 30.0
"""RMS of a frame (of 32768) from which the loudspeaker counts as playing."""


class Reference:
    """What was played, lined up with the microphone: an echo comes after its reference.

    Both come in pieces from two clocks that jitter, stall and drift, and the engine has to learn
    the room anew when one is shifted against the other. So there is always ``SPARE_MS`` in hand:
    where a piece is late silence stands in for it, and what is in hand for a while that is less or
    more is filled up with silence, or left out. Holds at most ``MOST_MS``.

    Args:
        rate: Sample rate in Hz.
    """

    SPARE_MS = 20
    MOST_MS = 300
    _PIECE_MS = 10
    _WATCH_MS = 200

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._sound = bytearray()
        self._begun = False
        self._levels: list[int] = []
        self.shifts = 0

    def feed(self, pcm: bytes) -> None:
        """What is being played now."""
        self._begun = True
        self._sound += pcm
        if len(self._sound) > self._bytes(self.MOST_MS):  # nobody records
            del self._sound[: -self._bytes(self.SPARE_MS)]

    def take(self, samples: int) -> bytes:
        """The reference for the microphone's next ``samples`` samples.

        ``shifts`` counts how often it was not there in time, or had to be lined up anew.
        """
        size = bytes_of(samples)
        taken = bytes(self._sound[:size])
        del self._sound[:size]
        self.shifts += self._begun and len(taken) < size
        self._levels.append(len(self._sound))
        if len(self._levels) * size >= self._bytes(self._WATCH_MS):
            self._adjust(min(self._levels), max(self._levels))
            self._levels.clear()
        return taken.ljust(size, b"\0")

    def _adjust(self, least: int, most: int) -> None:
        spare, piece = self._bytes(self.SPARE_MS), self._bytes(self._PIECE_MS)
        if most < spare - piece:
            self._sound[:0] = bytes(spare - most)
            self.shifts += 1
        elif least > spare + piece:
            del self._sound[: least - spare]
            self.shifts += 1

    def _bytes(self, ms: int) -> int:
        return bytes_of(ms_to_samples(ms, self._rate))


class EchoCanceller:
    """Takes the bot's voice out of the microphone's sound; may be used from two threads.

    For the first ``settle_ms`` of the bot's voice the engine is still learning the room and lets
    echo through that sounds like a user: so long the microphone is silent while the bot is not. A
    card that stalls costs a little of that again.

    Args:
        rate: The microphone's sample rate in Hz.
        settle_ms: See above; 0 to trust the engine at once.

    Raises:
        UsageError: The package is not installed.
    """

    def __init__(self, rate: int = INPUT_RATE, *, settle_ms: int = SETTLE_MS) -> None:
        try:
            from pywebrtc_audio import EchoCanceller as Engine
        except ImportError as error:
            raise missing("pywebrtc-audio") from error
        self.rate = rate
        self._engine: Any = Engine(sample_rate=rate)
        self._lock = threading.Lock()
        self._reference = Reference(rate)
        self._resampler: Resampler | None = None
        self._rest = b""
        self._settle_ms = self._unsettled_ms = settle_ms
        self._quiet_ms = _TAIL_MS

    def played(self, pcm: bytes, rate: int) -> None:
        """Tell what is played, before it can be heard: mono s16le at ``rate`` Hz."""
        with self._lock:
            if self._resampler is None or self._resampler.rate != rate:
                self._resampler = Resampler(rate, self.rate, quality="QQ")
            sound = self._resampler.feed(pcm)
            self._reference.feed(sound)
            if _rms(sound) >= _LOUD:
                self._quiet_ms = 0
                self._unsettled_ms -= samples_to_ms(samples_of(sound), self.rate)

    def stalled(self) -> None:
        """A card has missed its time: from now on the echo may come at another lag."""
        with self._lock:
            self._settle_again()

    def clean(self, pcm: bytes) -> bytes:
        """The microphone's next sound without the echo, in whole 10 ms; the rest comes later."""
        size = bytes_of(ms_to_samples(FRAME_MS, self.rate))
        with self._lock:
            self._rest += pcm
            clean = bytearray()
            while len(self._rest) >= size:
                frame, self._rest = self._rest[:size], self._rest[size:]
                clean += self._clean_frame(frame)
            return bytes(clean)

    def _clean_frame(self, frame: bytes) -> bytes:
        shifts = self._reference.shifts
        played = to_array(self._reference.take(samples_of(frame)))
        if self._reference.shifts > shifts:
            self._settle_again()
        cleaned = to_pcm(np.asarray(self._engine.process(to_array(frame), played), np.int16))
        self._quiet_ms += FRAME_MS
        if self._quiet_ms > _TAIL_MS:
            return cleaned
        rest = max(_FAINT, _REST * _rms(frame))
        if self._unsettled_ms > 0 or _rms(cleaned) < rest:
            return bytes(len(frame))
        return cleaned

    def _settle_again(self) -> None:
        self._unsettled_ms = max(self._unsettled_ms, min(self._settle_ms, SETTLE_AGAIN_MS))


def _rms(pcm: bytes) -> float:
    samples = to_array(pcm)
    if not len(samples):
        return 0.0
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
