"""How loud it is, for somebody who looks now and then."""

from __future__ import annotations

import math

import numpy as np

from pipeline_live.audio import to_array

QUIETEST_DB = -60.0
"""What counts as silence, in dB relative to full scale."""


class Meter:
    """The loudest piece since somebody looked; written in one thread, read in another."""

    def __init__(self) -> None:
        self._loudest = 0.0

    def take(self, pcm: bytes) -> None:
        """The next piece: mono s16le sound."""
        samples = to_array(pcm)
        if len(samples):
            power = float(np.mean(np.square(samples, dtype=np.float64)))
            self._loudest = max(self._loudest, power)

    def read_db(self) -> float:
        """RMS of the loudest piece since the last call, in dB of full scale, at least -60."""
        power, self._loudest = self._loudest, 0.0
        if power <= 0:
            return QUIETEST_DB
        return max(QUIETEST_DB, 10 * math.log10(power / 32768**2))
