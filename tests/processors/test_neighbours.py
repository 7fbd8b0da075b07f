"""Pipelines within pipelines: everybody finds whom they look for, so nothing is worse there."""

from collections.abc import Callable
from typing import Any

import pytest
from pipecat.frames.frames import StartFrame
from pipecat.pipeline.parallel_pipeline import ParallelPipeline
from pipecat.pipeline.pipeline import Pipeline
from pipelines import Tap, running
from test_heard import Call, check
from virtual_time import run_virtual

from pipeline_live.processors.neighbours import after, before

Wrap = Callable[[list[Any]], list[Any]]


@pytest.mark.parametrize("by", ["server", "behind"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda steps: [steps[0], Pipeline(steps[1:3]), *steps[3:]],
        lambda steps: [steps[0], Pipeline([steps[1]]), *steps[2:]],
        lambda steps: [steps[0], ParallelPipeline(steps[1:3], [Tap()]), *steps[3:]],
        lambda steps: [Pipeline([steps[0]]), *steps[1:3], Pipeline([steps[3]]), *steps[4:]],
    ],
    ids=["together", "the service alone", "on a parallel way", "the others"],
)
def test_a_pipeline_within_a_pipeline_keeps_the_context_in_order(tmp_path, logs, wrap: Wrap, by):
    """Goes red when somebody looks for a neighbour in their own pipeline only."""
    call = Call(tmp_path)
    call.processors = wrap(call.processors)
    check(call.interrupted(700, by))
    assert not [line for line in logs if "Playback" in line and "pipeline_live" in line]


def test_the_nearest_comes_first_and_parallel_ways_are_nobodys_neighbours():
    a, b, c, d, e, f = (Tap(name=name) for name in "abcdef")
    found = {}

    async def scenario() -> None:
        steps = [a, Pipeline([b, Pipeline([c])]), ParallelPipeline([d], [e]), f]
        async with running(*steps):
            await f.until(lambda: f.of(StartFrame))
            for tap in (a, c, d, e, f):
                ways = (before(tap), after(tap))
                found[tap.name] = tuple(
                    "".join(one.name for one in way if isinstance(one, Tap)) for way in ways
                )

    run_virtual(scenario())
    assert found == {
        "a": ("", "bcdef"),
        "c": ("ba", "def"),
        "d": ("cba", "f"),
        "e": ("cba", "f"),
        "f": ("edcba", ""),
    }
