"""Which clip comes at which moment of which scenario's reply, and how long it all takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_live.bench.clips import Clip
from pipeline_live.bench.scenarios import Act, Scenario

QUIET_MS = 1200
"""Silence after which a call with a silenced bot is over."""
WATCHED_MS = 3300
"""A bot that was interrupted is watched at least so long, for leaks."""
_GOLDEN = 0.618034
_ANSWER_MS = 2000  # from a question to its answer, and a little of it
_AROUND_MS = 1800  # connecting, the model's first sound, hanging up


@dataclass(frozen=True, slots=True)
class Trial:
    """One call in which the reply is disturbed once; both bots get the same.

    Attributes:
        scenario: How the server behaves and what the user does.
        number: Counted from 0 in each scenario; also the emulator's seed.
        clip: What the microphone hears; None for Stop.
        offset_ms: When, from the reply's first sound.
    """

    scenario: Scenario
    number: int
    clip: Clip | None
    offset_ms: int

    @property
    def name(self) -> str:
        """For file names and progress lines."""
        return f"{self.scenario.name}-{self.number + 1}"

    @property
    def watch_ms(self) -> int:
        """How long the bot is watched at least, from the moment at which the user acts."""
        if self.clip is None:
            return WATCHED_MS
        if self.scenario.act is Act.NOISE:
            return self.clip.duration_ms + QUIET_MS
        if self.scenario.act is Act.ASK:
            return self.clip.duration_ms
        return max(self.clip.onset_ms + WATCHED_MS, self.clip.duration_ms)


def schedule(
    scenarios: Sequence[Scenario],
    speech: Sequence[Clip],
    noise: Sequence[Clip],
    calls: int,
    questions: Sequence[Clip] = (),
) -> tuple[Trial, ...]:
    """Plan the calls; the n-th call of every scenario with speech uses the same clip.

    Args:
        scenarios: What to try.
        speech: Clips with which the user barges in.
        noise: Clips without speech.
        calls: Calls in each scenario; limited by the number of clips, except for Stop.
        questions: Clips whose end is known, for the scenarios in which the user asks.
    """
    material = {Act.SPEAK: speech, Act.NOISE: noise, Act.ASK: questions}
    trials = []
    for scenario in scenarios:
        for number in range(calls):
            clip = None
            if scenario.act is not Act.STOP:
                clips = material[scenario.act]
                if number >= len(clips):
                    break
                clip = clips[number]
            trials.append(Trial(scenario, number, clip, _offset_ms(scenario, number)))
    return tuple(trials)


def _offset_ms(scenario: Scenario, number: int) -> int:
    """Spread evenly however many there are: multiples of the golden ratio, modulo 1."""
    share = (0.5 + number * _GOLDEN) % 1
    return round(scenario.first_ms + share * (scenario.last_ms - scenario.first_ms))


def expected_ms(trials: Sequence[Trial], reply_ms: int, *, together: bool) -> int:
    """About how long the trials take."""
    total = 0
    for trial in trials:
        short = _AROUND_MS + trial.offset_ms + trial.watch_ms
        if trial.scenario.act is Act.ASK:
            short += _ANSWER_MS
        whole = _AROUND_MS + reply_ms + QUIET_MS  # stock says it all
        leaks = trial.scenario.deaf or trial.scenario.act is Act.STOP
        stock = max(short, whole) if leaks else short
        total += max(short, stock) if together else short + stock
    return total
