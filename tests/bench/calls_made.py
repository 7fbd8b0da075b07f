"""Recordings and timelines of one disturbed reply, made by arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline_live.audio import (
    INPUT_RATE,
    OUTPUT_RATE,
    Samples,
    ms_to_samples,
    resample,
    to_array,
    to_pcm,
)
from pipeline_live.bench.clips import Clip
from pipeline_live.bench.judge import INTERRUPTION_SEEN, USER_ACTED, Outcome, judge
from pipeline_live.bench.proof import tone
from pipeline_live.bench.scenarios import SCENARIOS, Scenario, Side
from pipeline_live.bench.schedule import Trial
from pipeline_live.report.lines import Line
from pipeline_live.report.reading import Sound

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
ZERO_MS = 37
"""Call time at which the recording begins."""
REPLY_MS, END_MS = 8000, 12_000
BEGUN_MS = 500
"""Where the reply begins in the recording."""


def babble(ms: int, seed: int = 1) -> bytes:
    """A clip that is like no other and like no shifted copy of itself, 16 kHz."""
    rng = np.random.default_rng(seed)
    return to_pcm(0.1 * rng.standard_normal(ms_to_samples(ms, INPUT_RATE)))


CLIP = Clip("clip", "made", babble(900), onset_ms=100)


def trial(name: str, clip: Clip | None = CLIP) -> Trial:
    return Trial(BY_NAME[name], 0, clip, 2000)


def line(name: str, at_ms: int, kind: str = "action") -> Line:
    """A line of the timeline; ``at_ms`` is on the recording's axis."""
    return Line(at_ms + ZERO_MS, kind, name, {}, "timeline.jsonl:1")


def lines(acted_ms: int, *more: Line) -> tuple[Line, ...]:
    start = line("SoundStarted", 0, "note")
    return (start, line(USER_ACTED, acted_ms, "note"), *more)


def seen(at_ms: int) -> Line:
    return line(INTERRUPTION_SEEN, at_ms, "note")


def sound(*spans_ms: tuple[int, int], clip: Clip | None = CLIP, clip_ms: int = 3000) -> Sound:
    """The bot sounds in these spans; the clip begins at ``clip_ms`` on the user's side."""
    samples = ms_to_samples(END_MS, OUTPUT_RATE)
    bot = np.zeros(samples, np.int16)
    for start_ms, end_ms in spans_ms:
        start = ms_to_samples(start_ms, OUTPUT_RATE)
        piece = tone(end_ms - start_ms)
        bot[start : start + len(piece)] = piece
    user = np.zeros(samples, np.int16)
    if clip is not None:
        spoken = to_array(resample(clip.pcm, INPUT_RATE, OUTPUT_RATE))
        at = ms_to_samples(clip_ms, OUTPUT_RATE)
        user[at : at + len(spoken)] = spoken
    return Sound(user, bot)


def reply() -> Samples:
    return tone(REPLY_MS)


def outcome(scenario: str = "server", side: Side = Side.OURS, **fields: object) -> Outcome:
    """An outcome of a bot that was silenced, unless told otherwise."""
    made = judge(
        trial("server"),
        side,
        sound((BEGUN_MS, 3300)),
        lines(3000, seen(3260)),
        reply(),
    )
    return replace(made, scenario=scenario, **fields)  # type: ignore[arg-type]


def scenarios(*names: str) -> tuple[Scenario, ...]:
    return tuple(BY_NAME[name] for name in names)
