"""The results in words: a table for a terminal, the same in Markdown, and as data for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_live.bench.judge import ALLOWED_TAIL_MS, Outcome
from pipeline_live.bench.results import Comparison, NoiseFigures, compare, in_noise
from pipeline_live.bench.scenarios import Scenario, Side
from pipeline_live.bench.statistics import Figures

NOTHING = "-"
HEADER = ("", "", "ours", "median", "p95", "stock", "median", "p95", "ours /")
SECOND_HEADER = ("scenario", "measure", "n", "(ms)", "(ms)", "n", "(ms)", "(ms)", "stock")
FOOTNOTE = f"""\
ours: GeminiLiveService and Playback; stock: Pipecat's GeminiLiveLLMService. Same clips, same
  moments, same emulator, one sink each with a buffer of 40 ms in chunks of 20 ms.
silence: the last audible sample of the reply at the sink; ≥ where a bot was not silenced, but said
  its reply to the end; n leaves out replies that were over before the user spoke.
decision: ours, the hold (or the flush, without one); stock, the InterruptionFrame at the sink.
stale sound: sound of the reply more than {ALLOWED_TAIL_MS} ms (chunk, device buffer, 10 ms) after \
the decision.
answer: the first audible sample of it; n counts the questions that were answered.
p95: nearest rank; with fewer than 20 values the largest."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which a bench ran.

    Attributes:
        date: ISO date.
        cores: Of the machine.
        versions: Of Python and of the packages that matter.
        clips: Where they came from.
        loop_late_ms: How late the event loop was at worst while a call was measured.
        in_turn: Trials in which one bot ran after the other instead of beside it.
        proof: What the self-check read.
    """

    date: str
    cores: int
    versions: dict[str, str]
    clips: str
    loop_late_ms: int
    in_turn: int
    proof: str

    def __str__(self) -> str:
        """One sentence for people."""
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.date}, {self.cores} shared cores, {versions}, {self.clips}; "
            f"event loop at worst {self.loop_late_ms} ms late"
        )


def text_table(scenarios: Sequence[Scenario], outcomes: Sequence[Outcome]) -> str:
    """The printed table with its definitions."""
    comparisons = compare(scenarios, outcomes)
    parts = []
    if comparisons:
        rows = [HEADER, SECOND_HEADER, *_cells(comparisons)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_aligned(row, widths) for row in rows]
        parts.append("\n".join([*lines[:2], "-" * max(map(len, lines)), *lines[2:]]))
    noise = in_noise(scenarios, outcomes)
    if noise:
        parts.append("\n".join(_noise_lines(one) for one in noise))
    return "\n\n".join([*parts, FOOTNOTE])


def _cells(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    before = ""
    for one in comparisons:
        name = "" if one.scenario == before else one.scenario
        before = one.scenario
        rows.append(
            (
                name,
                one.title,
                *_figures(one.ours, one.ours_unsilenced),
                *_figures(one.stock, one.stock_unsilenced),
                _ratio(one),
            )
        )
    return rows


def _figures(these: Figures, unsilenced: int) -> tuple[str, str, str]:
    bound = "≥" if unsilenced else ""
    return str(these.count), _ms(these.median, bound), _ms(these.p95, bound)


def _ms(value: float | None, bound: str = "") -> str:
    return NOTHING if value is None else f"{bound}{value:.0f}"


def _ratio(one: Comparison) -> str:
    if one.ratio is None:
        return NOTHING
    bound = "≤" if one.stock_unsilenced else "≥" if one.ours_unsilenced else ""
    return f"{bound}{one.ratio:.2f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """The first two columns are text and lean left, numbers lean right."""
    cells = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _noise_lines(one: NoiseFigures) -> str:
    return (
        f"noise     {one.side:<5}  in {one.noise_ms / 1000:.0f} s of noise, calls: {one.calls}; "
        f"replies that went on: {one.went_on}\n"
        f"          false holds: {_rate(one.holds, one.holds_per_minute)}; "
        f"false interruptions: {_rate(one.interruptions, one.interruptions_per_minute)}, "
        f"by the server: {one.by_server}"
    )


def _rate(count: int, rate: float | None) -> str:
    return str(count) if rate is None else f"{count} ({rate:.1f} a minute)"


def markdown(
    scenarios: Sequence[Scenario], outcomes: Sequence[Outcome], conditions: Conditions
) -> str:
    """A section for a README, without headline."""
    lines = [f"Run on {conditions}.", ""]
    comparisons = compare(scenarios, outcomes)
    titles = {scenario.name: scenario.title for scenario in scenarios}
    if comparisons:
        lines += [
            "| scenario | measure (ms) | ours: median / p95 (n) | stock: the same | ours / stock |",
            "|---|---|---:|---:|---:|",
        ]
    before = ""
    for one in comparisons:
        name = "" if one.scenario == before else f"`{one.scenario}`: {titles[one.scenario]}"
        before = one.scenario
        ours = _joined(one.ours, one.ours_unsilenced)
        stock = _joined(one.stock, one.stock_unsilenced)
        lines.append(f"| {name} | {one.title} | {ours} | {stock} | {_ratio(one)} |")
    noise = in_noise(scenarios, outcomes)
    if noise:
        lines += [
            "",
            "| noise while the bot speaks | noise | false holds | false interruptions "
            "| of these by the server | replies that went on |",
            "|---|---:|---:|---:|---:|---:|",
        ]
    for side in noise:
        lines.append(
            f"| {side.side} | {side.noise_ms / 1000:.0f} s "
            f"| {_rate(side.holds, side.holds_per_minute)} "
            f"| {_rate(side.interruptions, side.interruptions_per_minute)} "
            f"| {side.by_server} | {side.went_on} of {side.calls} |"
        )
    return "\n".join(lines)


def _joined(these: Figures, unsilenced: int) -> str:
    count, median, p95 = _figures(these, unsilenced)
    return NOTHING if these.median is None else f"{median} / {p95} ({count})"


def as_data(
    scenarios: Sequence[Scenario], outcomes: Sequence[Outcome], conditions: Conditions
) -> dict[str, Any]:
    """Everything, ready for JSON; durations in milliseconds, None where unknown."""
    return {
        "conditions": asdict(conditions),
        "scenarios": {scenario.name: scenario.title for scenario in scenarios},
        "figures": [{**asdict(one), "ratio": one.ratio} for one in compare(scenarios, outcomes)],
        "noise": [
            {
                **asdict(one),
                "holds_per_minute": one.holds_per_minute,
                "interruptions_per_minute": one.interruptions_per_minute,
            }
            for one in in_noise(scenarios, outcomes)
        ],
        "trials": [asdict(one) for one in outcomes],
    }


def progress(trial: str, mine: Sequence[Outcome]) -> str:
    """One line for a trial that is over."""
    said = {one.side: _progress_of(one) for one in mine}
    return f"{trial:<16}" + "   ".join(f"{side} {said[side]:<26}" for side in Side if side in said)


def _progress_of(one: Outcome) -> str:
    if one.answer_ms is not None:
        return f"answers after {one.answer_ms} ms"
    if one.to_silence_ms is not None:
        return f"silent after {'' if one.silenced else '≥'}{one.to_silence_ms} ms"
    if one.noise_ms:
        went = "fell silent" if one.silenced else "went on"
        return f"{went}, {one.holds} holds"
    return "no figure"
