"""What the parts of the pretend model share: an agenda of what comes next, and the way out."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline_live.emulator.faults.fault import Fault
from pipeline_live.emulator.faults.situation import BlockReading, DelayPongs
from pipeline_live.emulator.frames import Frame
from pipeline_live.emulator.hearing import CLEAN, Hearing
from pipeline_live.emulator.messages import Refused

Action = Callable[[int], None]

_MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Options:
    """How the model is, beyond what its client asks for.

    Attributes:
        speed: How many times faster than real time speech is sent; None for the family's own.
        hearing: How well it notices that a user speaks.
        transcribes: It learns what was said from the sound, where the script does not say it.
        faults: How it misbehaves.
    """

    speed: float | None = None
    hearing: Hearing = CLEAN
    transcribes: bool = False
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """A message for the client.

    Attributes:
        at_ms: When it was due.
        frame: The JSON object.
    """

    at_ms: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Speak:
    """A text to be spoken; the sound comes back through ``Mind.spoken``.

    Attributes:
        ticket: Names this request.
        text: What to speak.
        voice: Whose voice.
        speed: How many times faster than usual.
        length_ms: How long it has to last, or None.
    """

    ticket: int
    text: str
    voice: str
    speed: float = 1.0
    length_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Transcribe:
    """A turn of the user to be turned into words; they come back through ``Mind.understood``.

    Attributes:
        pcm: Mono s16le at 16 kHz.
    """

    pcm: bytes


Out = Send | Speak | Transcribe | BlockReading | DelayPongs
"""What the owner of a mind has to do."""


class Owner(Protocol):
    """On whose behalf something is planned; when it is over, its plans are void."""

    over: bool


class Stage:
    """An agenda in virtual time, and what came out of it.

    Args:
        rng: Decides every interval that varies.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._agenda: list[tuple[int, int, Action, Owner | None]] = []
        self._order = itertools.count()
        self._out: list[Out] = []
        self._refusal: Refused | None = None
        self._is_silent = False

    def plan(self, at_ms: int, action: Action, owner: Owner | None = None) -> None:
        """Call ``action`` with its time when ``at_ms`` has come, unless ``owner`` is over then.

        What is planned for the same time happens in the order of planning.
        """
        heapq.heappush(self._agenda, (at_ms, next(self._order), action, owner))

    def send(self, frame: Frame, at_ms: int) -> None:
        """Send a message to the client."""
        if not self._is_silent or (frame and "serverContent" not in frame):
            self._out.append(Send(at_ms, frame))

    def fall_silent(self, at_ms: int) -> None:
        """From now on no serverContent is sent, and nothing empty."""
        self._is_silent = True

    def do(self, item: Out) -> None:
        """Have the owner do something else."""
        self._out.append(item)

    def wait(self, range_ms: tuple[int, int]) -> int:
        """An interval out of a range, both ends included."""
        return self.rng.randint(*range_ms)

    def chance(self, share: float) -> bool:
        """Whether something happens that does so in a share of cases; sure things are not drawn."""
        return share >= 1 or (share > 0 and self.rng.random() < share)

    @property
    def backlog(self) -> int:
        """How many plans there are."""
        return len(self._agenda)

    @property
    def next_due_ms(self) -> int | None:
        """When the next plan is due, or None without any."""
        while self._agenda and _is_void(self._agenda[0][3]):
            heapq.heappop(self._agenda)
        return self._agenda[0][0] if self._agenda else None

    def due(self, now_ms: int) -> list[Out]:
        """Do what is due until ``now_ms``; return what came of it, in order.

        At most 32 things are done in one call, so that nobody else waits long while a burst of
        sound is judged; ``next_due_ms`` then is not later than now.

        Raises:
            Refused: The connection must be closed. What was said before comes first, from the call
                before.
        """
        done = 0
        while self._refusal is None and self._agenda and self._agenda[0][0] <= now_ms:
            if done == _MOST_AT_ONCE:
                break
            done += 1
            at_ms, _, action, owner = heapq.heappop(self._agenda)
            if _is_void(owner):
                continue
            try:
                action(at_ms)
            except Refused as refusal:
                self._refusal = refusal
        out, self._out = self._out, []
        if self._refusal is not None:
            if not out:
                raise self._refusal
            self.plan(now_ms, lambda at_ms: None)
        return out


def _is_void(owner: Owner | None) -> bool:
    return owner is not None and owner.over
