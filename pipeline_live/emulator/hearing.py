"""How well the model notices that a user speaks: thresholds, lags, misses, phantoms.

Clean synthetic speech is noticed 140-235 ms after its onset (frontier-on-cloud/gemini-live-stop-
test). In 18 phone calls (rasonyang/ai-native-callcenter, "ANC") a caller cut the model after 420 ms
in the median, 560-1296 ms at the 90th percentile and 2970 ms at most; three times the model talked
on for seconds, and four times it was cut though the caller was silent.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from pipeline_live.emulator.faults.fault import Fault
from pipeline_live.emulator.names import unknown_name
from pipeline_live.errors import UsageError

# Where in a reply phantoms came is not known.
_PHANTOM_MS = (300, 3000)


@dataclass(frozen=True, slots=True)
class Hearing:
    """One set of ears. Ranges with both ends; each session draws its own thresholds.

    Attributes:
        name: As given to ``--hearing``.
        enter: Speech probability from which a window counts as speech while none was heard.
        enter_low: The same at LOW sensitivity.
        leave: Probability below which it counts as silence after that.
        leave_low: The same at LOW sensitivity.
        start_lag_ms: From the window that decides a start to the news of it.
        end_lag_ms: The same for an end.
        late_ms: Starts during a reply are noticed so much later still: median of a log-normal.
        late_sigma: Its sigma.
        late_most_ms: Its end.
        delay_ms: Every start is noticed so much later.
        miss_rate: Share of starts during a reply that are not noticed at all.
        phantom_rate: Share of replies that are cut though nobody spoke.
    """

    name: str
    enter: tuple[float, float] = (0.5, 0.5)
    enter_low: tuple[float, float] = (0.75, 0.75)
    leave: tuple[float, float] = (0.35, 0.35)
    leave_low: tuple[float, float] = (0.2, 0.2)
    start_lag_ms: tuple[int, int] = (10, 100)
    end_lag_ms: tuple[int, int] = (5, 25)
    late_ms: int = 0
    late_sigma: float = 0.0
    late_most_ms: int = 0
    delay_ms: int = 0
    miss_rate: float = 0.0
    phantom_rate: float = 0.0

    def faults(self, rng: random.Random) -> tuple[Fault, ...]:
        """Misses and phantoms, as the faults that they are."""
        faults = []
        if self.miss_rate:
            faults.append(Fault("missed-interrupt", probability=self.miss_rate))
        if self.phantom_rate:
            after_ms = rng.randint(*_PHANTOM_MS)
            faults.append(
                Fault(
                    "phantom-interrupt",
                    probability=self.phantom_rate,
                    values={"after_ms": after_ms},
                )
            )
        return tuple(faults)

    def late(self, rng: random.Random) -> int:
        """How much later a start during a reply is noticed, this time."""
        if not self.late_ms:
            return 0
        drawn_ms = rng.lognormvariate(math.log(self.late_ms), self.late_sigma)
        return min(round(drawn_ms), self.late_most_ms)


CLEAN = Hearing("clean")
"""A quiet room: what the recorded sessions show."""

PHONE = Hearing(
    "phone",
    enter=(0.5, 0.7),
    enter_low=(0.75, 0.85),
    # 185 ms of detection make 420 ms of it (ANC: p50), and about 900 ms at the 90th percentile.
    late_ms=235,
    late_sigma=0.87,
    late_most_ms=2785,
    # Of how many attempts the three misses and four phantoms of ANC were is not known; these
    # shares are ours.
    miss_rate=0.15,
    phantom_rate=0.05,
)
"""A phone line: late, sometimes deaf, sometimes startled."""

HEARINGS = {hearing.name: hearing for hearing in (CLEAN, PHONE)}


def hearing_named(name: str) -> Hearing:
    """The hearing of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in HEARINGS:
        raise UsageError(unknown_name("hearing", name, HEARINGS))
    return HEARINGS[name]
