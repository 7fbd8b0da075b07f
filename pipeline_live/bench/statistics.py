"""Medians, 95th percentiles and ratios of small samples; nothing is invented for missing values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """A sample in three numbers.

    Attributes:
        count: Values known.
        median: The middle; None without values.
        p95: The smallest value that 95 of 100 do not exceed (nearest rank); with fewer than 20
            values that is the largest.
    """

    count: int
    median: float | None
    p95: float | None


def figures(values: Iterable[float | None]) -> Figures:
    """Describe the values that are known."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return Figures(0, None, None)
    rank = math.ceil(0.95 * len(known))
    return Figures(len(known), statistics.median(known), known[rank - 1])


def ratio(ours: float | None, stock: float | None) -> float | None:
    """``ours / stock``; None when either is unknown or stock is 0."""
    if ours is None or not stock:
        return None
    return ours / stock


def per_minute(count: int, duration_ms: int) -> float | None:
    """How often in a minute; None when no time passed."""
    return count * 60_000 / duration_ms if duration_ms else None
