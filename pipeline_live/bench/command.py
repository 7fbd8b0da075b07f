"""``pipeline-live bench``: arguments, the run, and what it leaves."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import gc
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from loguru import logger

from pipeline_live.audio import OUTPUT_RATE, samples_of, samples_to_ms, to_array
from pipeline_live.bench import clips as material
from pipeline_live.bench import heard, punctuality, smooth
from pipeline_live.bench.chart import chart
from pipeline_live.bench.clips import ASKED_MS, NOISE_MS, SPOKEN_MS, Clip
from pipeline_live.bench.conversation import hold
from pipeline_live.bench.judge import Outcome, judge
from pipeline_live.bench.page import Page, page
from pipeline_live.bench.proof import prove
from pipeline_live.bench.scenarios import (
    REPLY,
    SCENARIOS,
    Act,
    Scenario,
    Side,
    chosen,
    reply_pcm,
)
from pipeline_live.bench.schedule import Trial, expected_ms, schedule
from pipeline_live.bench.table import (
    Conditions,
    as_data,
    markdown,
    progress,
    text_table,
)
from pipeline_live.errors import UsageError
from pipeline_live.report import SOUND_NAME, TIMELINE_NAME
from pipeline_live.report.lines import parse_timeline
from pipeline_live.report.reading import DEFAULT_CHUNK_MS, parse_sound

MARK = "bench"
"""Between these marks of a page the table stands."""
DEFAULT_CALLS = 2
MOST_LATE_MS = DEFAULT_CHUNK_MS
"""A loop later than a chunk could change a number; such a trial is repeated, one bot at a time."""
_TAIL_MS = 1000  # what may follow the end of a question in its clip
_WARM_UP = "Hello, this is the harbour."
_BEFORE_MS = 12_000  # loading, the proof, the warm-up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pipeline-live bench`` to ``parser``."""
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help=f"try this one only; repeat for more (default: all of {names})",
    )
    parser.add_argument(
        "--calls",
        type=int,
        default=DEFAULT_CALLS,
        metavar="N",
        help="calls in each scenario, for each of the two bots, as far as there are clips "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--audio",
        type=Path,
        metavar="DIR",
        help=f"folder of recordings with a {material.MANIFEST_NAME} (default: made speech)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("bench-output"), help="folder for what it leaves"
    )
    parser.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help="write the table between the bench marks of this Markdown file",
    )
    parser.add_argument(
        "--keep-calls",
        action="store_true",
        help="leave each call's sound and timeline in OUT/calls, as pipeline-live show takes them",
    )
    parser.add_argument(
        "--in-turn",
        action="store_true",
        help="always run one bot after the other, never side by side; takes twice as long",
    )
    parser.add_argument(
        "--emulator",
        type=int,
        metavar="N",
        help="measure instead how well the emulator keeps its times with N sessions on one core",
    )
    parser.add_argument(
        "--heard",
        action="store_true",
        help="measure instead how well the heard words are known, against true word times",
    )
    parser.add_argument(
        "--smooth",
        type=int,
        metavar="N",
        help="measure instead gaps in the speech of N calls at once while the event loop stalls",
    )


def run(args: argparse.Namespace) -> int:
    """Prove the bench, run it, write what it found; or measure one thing of its own.

    Raises:
        PipelineLiveError: Bad input, a bot that failed, or a bench that does not measure right.
    """
    if args.heard:
        return heard.run(args.readme)
    if args.emulator is not None:
        return punctuality.run(args.emulator, args.readme)
    if args.smooth is not None:
        with _quiet_pipecat():
            return smooth.run(args.smooth, args.readme)
    scenarios = chosen(args.scenario)
    if args.calls < 1:
        raise UsageError(f"--calls {args.calls}: must be 1 or more")
    speech, noise, questions, source = _clips(args.audio, args.calls, scenarios)
    leaf = page(args.readme, MARK)
    _make(args.out)
    trials = schedule(scenarios, speech, noise, args.calls, questions)
    together = not args.in_turn and _has_room()
    expected = _BEFORE_MS + expected_ms(trials, _reply_ms(), together=together)
    how = "side by side" if together else "one after the other"
    _say(
        f"{len(trials)} calls with each bot, {how}, in real time with {source}: "
        f"about {expected / 60_000:.1f} minutes"
    )
    held = {one: sum(trial.scenario is one for trial in trials) for one in scenarios}
    if fewer := [f"{one.name} {calls}" for one, calls in held.items() if calls < args.calls]:
        _say(f"there are fewer clips than --calls {args.calls}: {', '.join(fewer)}")
    with _quiet_pipecat(), _folder_of_calls(args) as folder:
        outcomes, proof = asyncio.run(_hold_all(trials, speech, folder, together))
    conditions = Conditions(
        date=datetime.date.today().isoformat(),
        cores=os.cpu_count() or 1,
        versions={
            "Python": platform.python_version(),
            "Pipecat": version("pipecat-ai"),
            "google-genai": version("google-genai"),
        },
        clips=source,
        loop_late_ms=max(one.loop_late_ms for one in outcomes),
        in_turn=len({one.trial for one in outcomes if not one.together}),
        proof=proof,
    )
    _write(args, scenarios, outcomes, conditions, leaf)
    return 0


# --- before -------------------------------------------------------------------------------------


def _clips(
    folder: Path | None, calls: int, scenarios: Sequence[Scenario]
) -> tuple[tuple[Clip, ...], tuple[Clip, ...], tuple[Clip, ...], str]:
    """Speech, noise, questions, and where they come from."""
    made_questions = material.made_speech(calls, ASKED_MS)
    if folder is None:
        speech, noise = material.made_speech(calls), material.made_noise(calls)
        return speech, noise, made_questions, "made speech"
    manifest = material.read_manifest(folder)
    acts = {scenario.act for scenario in scenarios}
    if not manifest.speech:
        raise UsageError(
            f"{folder / material.MANIFEST_NAME}: no clip with a sure onset of kind "
            f"{', '.join(material.SPEECH_KINDS)}; leave out --audio for made speech"
        )
    speech = material.load(folder, material.pick(manifest.speech, calls), longest_ms=SPOKEN_MS)
    entries = material.pick(manifest.noise, calls) if Act.NOISE in acts else ()
    noise = material.load(folder, entries, longest_ms=NOISE_MS)
    entries = material.pick(manifest.questions, calls) if Act.ASK in acts else ()
    questions = material.load(folder, entries, longest_ms=ASKED_MS + _TAIL_MS)
    source = "recorded speech"
    if Act.NOISE in acts and not noise:
        noise, source = material.made_noise(calls), f"{source}, made noise"
    if Act.ASK in acts and not questions:
        questions, source = made_questions, f"{source}, made questions"
    return speech, noise, questions, source


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another with --out"
        ) from None


def _reply_ms() -> int:
    return samples_to_ms(samples_of(reply_pcm()), OUTPUT_RATE)


def _has_room() -> bool:
    """Whether a pair of bots, which takes half a core, leaves the rest of the machine its own."""
    return os.getloadavg()[0] + 0.5 <= (os.cpu_count() or 1)


@contextlib.contextmanager
def _quiet_pipecat() -> Iterator[None]:
    """The deaf, the late and the interrupted make Pipecat log; the table says it better."""
    logger.disable("pipecat")
    try:
        yield
    finally:
        logger.enable("pipecat")


# --- the run ------------------------------------------------------------------------------------


async def _hold_all(
    trials: Sequence[Trial], speech: Sequence[Clip], folder: Path, together: bool
) -> tuple[list[Outcome], str]:
    proof = await prove(speech[0], folder / "proof")
    _say(f"proof: {proof}")
    warm_up = Trial(SCENARIOS[0], 0, speech[0], 500)
    await hold(warm_up, list(Side), folder / "warm-up", _WARM_UP)
    outcomes: list[Outcome] = []
    with _frozen():
        for number, trial in enumerate(trials, 1):
            mine = await measured(trial, folder, together=together)
            outcomes += mine
            _say(f"{number:>3}/{len(trials)}  {progress(trial.name, mine)}")
    return outcomes, proof


@contextlib.contextmanager
def _folder_of_calls(args: argparse.Namespace) -> Iterator[Path]:
    """Where the calls lie while they are judged, and afterwards if they are kept."""
    if args.keep_calls:
        _make(args.out / "calls")
        yield args.out / "calls"
        return
    with tempfile.TemporaryDirectory(prefix="pipeline-live-bench-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def _frozen() -> Iterator[None]:
    """Keep the collector from what is loaded; a walk over all of it would stop both bots."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def measured(
    trial: Trial, folder: Path, *, together: bool, reply: str = REPLY
) -> list[Outcome]:
    """Hold a trial's calls and judge them.

    Side by side both bots meet the same moment of the machine. They share an event loop, though, so
    its lateness is watched: when it was later than a chunk, the numbers could have come from the
    neighbour, and the trial is repeated with one bot after the other.

    Args:
        trial: What happens.
        folder: Where recordings go.
        together: Try side by side first.
        reply: What the bot says.
    """
    if together:
        late_ms = await hold(trial, list(Side), folder / trial.name, reply)
        if late_ms <= MOST_LATE_MS:
            return [_judged(trial, side, folder, reply, late_ms, True) for side in Side]
    outcomes = []
    for side in Side:
        late_ms = await hold(trial, [side], folder / trial.name, reply)
        outcomes.append(_judged(trial, side, folder, reply, late_ms, False))
    return outcomes


def _judged(
    trial: Trial, side: Side, folder: Path, reply: str, late_ms: int, together: bool
) -> Outcome:
    own = folder / trial.name / side
    sound = parse_sound((own / SOUND_NAME).read_bytes(), str(own / SOUND_NAME))
    lines = parse_timeline((own / TIMELINE_NAME).read_text(encoding="utf-8"), TIMELINE_NAME)
    outcome = judge(trial, side, sound, lines, to_array(reply_pcm(reply)))
    return replace(outcome, loop_late_ms=late_ms, together=together)


def _say(line: str) -> None:
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


# --- after --------------------------------------------------------------------------------------


def _write(
    args: argparse.Namespace,
    scenarios: Sequence[Scenario],
    outcomes: Sequence[Outcome],
    conditions: Conditions,
    leaf: Page | None,
) -> None:
    table = text_table(scenarios, outcomes)
    data = json.dumps(as_data(scenarios, outcomes, conditions), indent=2) + "\n"
    _say(f"\n{conditions}\n\n{table}\n")
    try:
        (args.out / "bench.json").write_text(data, encoding="utf-8")
        (args.out / "bench.txt").write_text(f"{conditions}\n\n{table}\n", encoding="utf-8")
        chart(scenarios, outcomes, str(conditions)).save(args.out / "bench.png")
    except OSError as error:
        raise UsageError(
            f"{args.out}: cannot be written ({error.strerror or error}); choose another with --out"
        ) from None
    for name, what in (
        ("bench.png", "the picture"),
        ("bench.txt", "this table"),
        ("bench.json", "every call and all figures"),
    ):
        _say(f"{args.out / name!s:<40} {what}")
    if leaf is not None:
        leaf.write(markdown(scenarios, outcomes, conditions))
        _say(f"{args.readme!s:<40} the table between its {MARK} marks")
