"""Echo cancellation: takes out of the microphone what the loudspeaker plays.

WebRTC's AEC3 (``pywebrtc-audio``) with the playout itself as reference. It was chosen over
``livekit``'s copy of the same engine on six real recordings of the AEC challenge: as good for
barge-in (docs/local-audio.md has the figures), a thirtieth of the size, and one deterministic call.
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
_TAIL_MS = 250
_LOUD = 30.0
"""RMS of a frame (of 32768) from which the loudspeaker counts as playing."""


class Reference:
    """What was played, lined up with the microphone: an echo comes after its reference.

    Both come in pieces from two clocks. Where a piece is missing silence stands in for it; where
    more waits for a whole second than jitter explains, the rest is left out, for a reference that
    waits longer than sound takes through the room is of no use. Holds at most ``MOST_MS``.

    Args:
        rate: Sample rate in Hz.
    """

    MOST_MS = 300
    SPARE_MS = 10
    JITTER_MS = 30
    _WATCH_MS = 1000

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._sound = bytearray()
        self._watched_ms = 0
        self._least = self._bytes(self.MOST_MS)

    def feed(self, pcm: bytes) -> None:
        """What is being played now."""
        self._sound += pcm
        if len(self._sound) > self._bytes(self.MOST_MS):  # nobody records
            del self._sound[: -self._bytes(self.SPARE_MS)]

    def take(self, samples: int) -> bytes:
        """The reference for the microphone's next ``samples`` samples."""
        size = bytes_of(samples)
        taken = bytes(self._sound[:size])
        del self._sound[:size]
        self._least = min(self._least, len(self._sound))
        self._watched_ms += samples_to_ms(samples, self._rate)
        if self._watched_ms >= self._WATCH_MS:
            if self._least > self._bytes(self.JITTER_MS):
                del self._sound[: self._least - self._bytes(self.SPARE_MS)]
            self._watched_ms, self._least = 0, self._bytes(self.MOST_MS)
        return taken.ljust(size, b"\0")

    def _bytes(self, ms: int) -> int:
        return bytes_of(ms_to_samples(ms, self._rate))


class EchoCanceller:
    """Takes the bot's voice out of the microphone's sound; may be used from two threads.

    For the first ``settle_ms`` of the bot's voice the engine is still learning the room and lets
    echo through that sounds like a user: so long the microphone is silent while the bot is not.

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
        self._unsettled_ms = settle_ms
        self._quiet_ms = _TAIL_MS

    def played(self, pcm: bytes, rate: int) -> None:
        """Tell what is played, before it can be heard: mono s16le at ``rate`` Hz."""
        with self._lock:
            if self._resampler is None or self._resampler.rate != rate:
                self._resampler = Resampler(rate, self.rate, quality="QQ")
            sound = self._resampler.feed(pcm)
            self._reference.feed(sound)
            if _is_loud(sound):
                self._quiet_ms = 0
                self._unsettled_ms -= samples_to_ms(samples_of(sound), self.rate)

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
        played = to_array(self._reference.take(samples_of(frame)))
        cleaned = to_pcm(np.asarray(self._engine.process(to_array(frame), played), np.int16))
        self._quiet_ms += FRAME_MS
        settled = self._unsettled_ms <= 0 or self._quiet_ms > _TAIL_MS
        return cleaned if settled else bytes(len(frame))


def _is_loud(pcm: bytes) -> bool:
    samples = to_array(pcm)
    if not len(samples):
        return False
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) >= _LOUD
