"""From outcomes to figures: per scenario and measure, ours beside stock. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline_live.bench.judge import Outcome
from pipeline_live.bench.scenarios import Act, Scenario, Side
from pipeline_live.bench.statistics import Figures, figures, per_minute, ratio


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured in each trial.

    Attributes:
        name: In the JSON file.
        title: In tables.
        of: Its value in an outcome, None where there is none.
        bounded: The value is a lower bound for a bot that was not silenced.
    """

    name: str
    title: str
    of: Callable[[Outcome], int | None]
    bounded: bool = False


TO_SILENCE = Measure("to_silence_ms", "{0} to silence", lambda one: one.to_silence_ms, bounded=True)
TO_ANSWER = Measure("answer_ms", "end of the question to the answer", lambda one: one.answer_ms)
MEASURES = (
    TO_SILENCE,
    Measure("decision_ms", "{0} to decision", lambda one: one.decision_ms),
    Measure("after_decision_ms", "decision to silence", lambda one: one.after_decision_ms),
    Measure("stale_ms", "stale sound", lambda one: one.stale_ms),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure in one scenario.

    Attributes:
        scenario: Name of the scenario.
        measure: Name of the measure.
        title: What it is, for tables.
        ours: Our figures.
        stock: Pipecat's.
        ours_unsilenced: Trials in which our bot was not silenced, where that makes lower bounds.
        stock_unsilenced: The same for Pipecat's.
    """

    scenario: str
    measure: str
    title: str
    ours: Figures
    stock: Figures
    ours_unsilenced: int = 0
    stock_unsilenced: int = 0

    @property
    def ratio(self) -> float | None:
        """Median ours / median stock: a bound where one is, unknown where both are."""
        if self.ours_unsilenced and self.stock_unsilenced:
            return None
        return ratio(self.ours.median, self.stock.median)


@dataclass(frozen=True, slots=True)
class NoiseFigures:
    """How one side fared in noise.

    Attributes:
        side: Whose bot.
        calls: How many.
        noise_ms: Noise played while the bot spoke, in all.
        holds: False holds.
        interruptions: False interruptions.
        by_server: Those of them that the server decided.
        went_on: Calls in which the reply was said to its end, or still was when the call ended.
    """

    side: Side
    calls: int
    noise_ms: int
    holds: int
    interruptions: int
    by_server: int
    went_on: int

    @property
    def holds_per_minute(self) -> float | None:
        """False holds per minute of noise."""
        return per_minute(self.holds, self.noise_ms)

    @property
    def interruptions_per_minute(self) -> float | None:
        """False interruptions per minute of noise."""
        return per_minute(self.interruptions, self.noise_ms)


def measures(scenario: Scenario) -> tuple[Measure, ...]:
    """What is measured in a scenario; the first is what it is about."""
    return (TO_ANSWER,) if scenario.act is Act.ASK else MEASURES


def compare(scenarios: Sequence[Scenario], outcomes: Sequence[Outcome]) -> tuple[Comparison, ...]:
    """Figures of all scenarios but noise, in their order."""
    rows = []
    for scenario in scenarios:
        if scenario.act is Act.NOISE:
            continue
        since = "Stop" if scenario.act is Act.STOP else "onset"
        ours = _of(outcomes, scenario, Side.OURS)
        stock = _of(outcomes, scenario, Side.STOCK)
        for measure in measures(scenario):
            rows.append(
                Comparison(
                    scenario.name,
                    measure.name,
                    measure.title.format(since),
                    figures(map(measure.of, ours)),
                    figures(map(measure.of, stock)),
                    _unsilenced(ours) if measure.bounded else 0,
                    _unsilenced(stock) if measure.bounded else 0,
                )
            )
    return tuple(rows)


def in_noise(
    scenarios: Sequence[Scenario], outcomes: Sequence[Outcome]
) -> tuple[NoiseFigures, ...]:
    """Figures of both sides in noise; nothing when noise was not tried."""
    found = []
    for scenario in scenarios:
        if scenario.act is not Act.NOISE:
            continue
        for side in Side:
            these = _of(outcomes, scenario, side)
            found.append(
                NoiseFigures(
                    side,
                    len(these),
                    sum(one.noise_ms for one in these),
                    sum(one.holds for one in these),
                    sum(one.interrupted for one in these),
                    sum(one.by_server for one in these),
                    _unsilenced(these),
                )
            )
    return tuple(found)


def _of(outcomes: Iterable[Outcome], scenario: Scenario, side: Side) -> list[Outcome]:
    return [one for one in outcomes if one.scenario == scenario.name and one.side is side]


def _unsilenced(outcomes: Iterable[Outcome]) -> int:
    return sum(not one.silenced for one in outcomes)
