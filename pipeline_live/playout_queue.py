"""What waits to be played: given out to whoever pulls, held, resumed at the sample, flushed.

The core of every loudspeaker in this package that is pulled: the sound card's own thread takes what
it needs, the program puts in and decides. No clock and no I/O; a lock, because of the two threads.

Sound never starts or stops with a click: whatever cuts it, it falls within 5 ms, and rises within
5 ms when it goes on. What falls at a hold counts as not played: the same samples come again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from pipeline_live.audio import (
    BYTES_PER_SAMPLE,
    FADE_MS,
    Rechunker,
    bytes_of,
    decay,
    faded_out,
    ms_to_samples,
    ramp,
    samples_of,
    to_array,
    to_pcm,
)

Tag = TypeVar("Tag")


@dataclass(slots=True)
class _Piece(Generic[Tag]):
    tag: Tag
    sound: bytearray


class PlayoutQueue(Generic[Tag]):
    """Mono s16le sound in the order in which it is to be played, each piece with its tag.

    Unbounded by itself: ``waiting`` tells whoever fills it when to wait.

    Args:
        rate: Sample rate in Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._pieces: deque[_Piece[Tag]] = deque()
        self._waiting = 0
        self._held = False
        self._tail = b""  # the rest of a fall that was begun
        self._last = b""  # the last sample given out
        self._sounding = False
        self._risen = 0  # samples of the rise that were given out
        self._rise = ramp(rate)
        self._whole = Rechunker()
        self._newest: Tag | None = None
        self._played: deque[tuple[Tag, int]] = deque()

    @property
    def waiting(self) -> int:
        """Samples that wait."""
        return self._waiting

    @property
    def sounding(self) -> bool:
        """Whether the last sample given out was somebody's sound."""
        return self._sounding

    def put(self, pcm: bytes, tag: Tag) -> None:
        """Append sound; an odd last byte is joined to what comes next with the same tag."""
        with self._lock:
            if tag is not self._newest:
                self._whole.reset()
                self._newest = tag
            pcm = self._whole.feed(pcm)
            if not self._pieces or self._pieces[-1].tag is not tag:
                self._pieces.append(_Piece(tag, bytearray()))
            self._pieces[-1].sound += pcm
            self._waiting += samples_of(pcm)

    def pull(self, samples: int) -> bytes:
        """The next ``samples`` samples, exactly; silence where there is nothing to play."""
        with self._lock:
            size = bytes_of(samples)
            given = bytearray(self._take_tail(size))
            if self._held:
                self._fall(self._front(), given, size)
            else:
                while len(given) < size and self._pieces:
                    self._give_from_front(given, size)
                if len(given) < size:
                    self._fall(b"", given, size)
            return bytes(given.ljust(size, b"\0"))

    def hold(self) -> None:
        """Silence for now: nothing more is given out, nothing is lost."""
        self._held = True

    def resume(self) -> None:
        """Go on at the sample where it was held."""
        self._held = False

    def flush(self, doomed: Callable[[Tag], bool] = lambda _: True) -> None:
        """Throw away what waits of the tags that ``doomed`` names, and end a hold."""
        with self._lock:
            self._held = False
            if self._pieces and doomed(self._pieces[0].tag):
                self._begin_fall(self._front())
            self._pieces = deque(piece for piece in self._pieces if not doomed(piece.tag))
            self._waiting = sum(samples_of(piece.sound) for piece in self._pieces)

    def take_played(self) -> list[tuple[Tag, int]]:
        """What was given out since the last call: tag and samples, in their order."""
        with self._lock:
            played, self._played = list(self._played), deque()
        return played

    # --- under the lock ------------------------------------------------------------------------

    def _front(self) -> bytes:
        """The next samples of what would be played, as many as a fall takes."""
        if not self._pieces:
            return b""
        return bytes(self._pieces[0].sound[: bytes_of(ms_to_samples(FADE_MS, self.rate))])

    def _give_from_front(self, given: bytearray, size: int) -> None:
        piece = self._pieces[0]
        sound = bytes(piece.sound[: size - len(given)])
        del piece.sound[: len(sound)]
        if not piece.sound:
            self._pieces.popleft()
        if not sound:
            return
        self._waiting -= samples_of(sound)
        self._count(piece.tag, samples_of(sound))
        given += self._risen_sound(sound)
        self._last = bytes(given[-BYTES_PER_SAMPLE:])
        self._sounding = True

    def _count(self, tag: Tag, samples: int) -> None:
        if self._played and self._played[-1][0] is tag:
            samples += self._played.pop()[1]
        self._played.append((tag, samples))

    def _risen_sound(self, sound: bytes) -> bytes:
        if not self._sounding:
            self._risen = 0
        rise = self._rise[self._risen : self._risen + samples_of(sound)]
        if not len(rise):
            return sound
        self._risen += len(rise)
        samples = to_array(sound).astype(np.float64)
        samples[: len(rise)] *= rise
        return to_pcm(samples.astype(np.int16))

    def _fall(self, next_sound: bytes, given: bytearray, size: int) -> None:
        """Let what sounds fall to nothing, along ``next_sound`` where there is any."""
        self._begin_fall(next_sound)
        given += self._take_tail(size - len(given))

    def _begin_fall(self, next_sound: bytes) -> None:
        if not self._sounding:
            return
        self._sounding = False
        steps = len(self._rise)
        if samples_of(next_sound) >= steps and self._risen >= steps:
            self._tail = faded_out(next_sound, self.rate)
        else:
            self._tail = decay(self._last, self.rate)

    def _take_tail(self, size: int) -> bytes:
        taken, self._tail = self._tail[:size], self._tail[size:]
        return taken
