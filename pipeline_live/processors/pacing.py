"""When the next piece of sound is released, and when it will have been played. Pure: times come in.

Sound is released a little ahead of its playing time (the *lead*), for what was released cannot be
taken back by a hold. Two things move the plan. The transport tells what it has written, so a device
that ran dry delays everything after it. And an event loop that is late again and again needs a
longer lead, or the device would run dry each time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

MEMORY_S = 10.0
"""How long a delay of the loop counts."""
TOLERATED_MS = 15
"""A delay up to this is nothing to remember."""
MARGIN_MS = 25
"""What the lead covers beyond that delay: the way to the device on a loop that catches up."""
MOST_LEAD_MS = 150
"""The lead never grows beyond this."""


@dataclass(frozen=True, slots=True)
class Played:
    """So much of a reply has been played.

    Attributes:
        reply: The reply's number.
        samples: Samples of it, in total.
    """

    reply: int
    samples: int


class Pacer:
    """The plan of one output. Moments are seconds on any steady clock.

    Args:
        lead_ms: The lead on a loop that is in time.
    """

    def __init__(self, lead_ms: int) -> None:
        self._least_ms = lead_ms
        self._late: deque[tuple[float, int]] = deque()
        self._coming: deque[tuple[float, Played]] = deque()
        self._delay = 0.0  # what was added to the plan since the oldest in ``_coming`` was made
        self._unwritten = 0.0  # seconds released that the transport has not written yet
        self._device_free = 0.0
        self.lead_ms = lead_ms
        """The lead right now."""
        self.free_s = 0.0
        """When everything that was released will have been played."""

    @property
    def due_s(self) -> float:
        """When the next piece is to be released."""
        return self.free_s - self.lead_ms / 1000

    @property
    def is_written(self) -> bool:
        """Whether the transport has written everything that was released."""
        return self._unwritten == 0

    @property
    def next_played_s(self) -> float | None:
        """When the next piece will have been played; None when there is none."""
        return self._coming[0][0] + self._delay if self._coming else None

    def chunks_due(self, chunk_ms: int, now_s: float) -> int:
        """How many chunks to release at once: one, or more at the start and after a delay."""
        ahead_ms = max(0.0, self.free_s - now_s) * 1000
        return max(1, math.ceil(round((self.lead_ms - ahead_ms) / chunk_ms, 6)))

    def release(self, seconds: float, now_s: float, played: Played | None = None) -> None:
        """A piece is handed to the transport.

        Args:
            seconds: How long it sounds.
            now_s: The moment.
            played: What will have been played with it.
        """
        self.free_s = max(self.free_s, now_s) + seconds
        self._unwritten += seconds
        if played is not None:
            self._coming.append((self.free_s - self._delay, played))

    def written(self, seconds: float, now_s: float) -> None:
        """The transport has written a piece to its device, which may have run dry before."""
        self._device_free = max(self._device_free, now_s) + seconds
        self._unwritten = max(0.0, self._unwritten - seconds)
        later = self._device_free + self._unwritten - self.free_s
        if later > 0:
            self.free_s += later
            self._delay += later

    def played(self, now_s: float) -> Iterator[Played]:
        """What has been played by now and was not told yet."""
        while (at_s := self.next_played_s) is not None and at_s <= now_s:
            yield self._coming.popleft()[1]

    def forget(self) -> None:
        """What was released and not played will never be: the transport throws it away."""
        self._coming.clear()
        self._delay = self._unwritten = self._device_free = self.free_s = 0.0

    def woke(self, late_ms: int, now_s: float) -> bool:
        """The loop was so late with something due; return whether that is more than nothing.

        One delay is an accident, two within ten seconds are a habit: the second worst of them is
        what the lead must cover.
        """
        if late_ms > TOLERATED_MS:
            self._late.append((now_s, late_ms))
        while self._late and self._late[0][0] <= now_s - MEMORY_S:
            self._late.popleft()
        worst = sorted(late for _, late in self._late)[-2:]
        needed_ms = worst[0] + MARGIN_MS if len(worst) == 2 else 0
        self.lead_ms = max(self._least_ms, min(needed_ms, MOST_LEAD_MS))
        return late_ms > TOLERATED_MS
