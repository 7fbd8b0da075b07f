"""Interruptions of every kind at random moments, several calls at once; the seeds are fixed.

Every call is a chain of replies; each is interrupted at a random moment in a random way (by a
voice, too), after which the server goes on with it for a while, and the next reply is asked for.
Each call holds four; ``make barge-ins`` holds 50 calls.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable

import pytest
from test_wire_calls import MIC_RATE, Call, Played, Scenes
from test_wire_scenarios import question
from wire_server import (
    COMPLETE,
    GENERATED,
    INTERRUPTED,
    Json,
    Step,
    connection,
    on,
    sound,
    speech,
    whole,
    words,
)

scenes = Scenes()
CALLS, CUTS = int(os.environ.get("PIPELINE_LIVE_CALLS", "6")), 4
FRAME, VOICE, SERVER, BUNDLED, LATE = "frame", "voice", "server", "bundled", "late"
SPOKEN = MIC_RATE
"""Samples of a voice's barge-in: over before the next reply begins."""
LONG, LAST = 45, 6
"""Messages of a reply that is interrupted, and of the last one."""


def ending(reply: int, kind: str, chance: random.Random) -> list[Step]:
    """What the server does after the interruption, from the moment of it."""
    gap = chance.randrange(0, 300)
    stale = speech(reply, chance.randrange(1, 8), every=chance.randrange(5, 60), first=LONG)
    over = stale[-1][0] + chance.randrange(5, 60)
    if kind == VOICE:  # it goes on; so does the reply until the ears are sure
        over = chance.randrange(1200, 1600)
        said = chance.choice([[], [(over, GENERATED)], [(over, INTERRUPTED)]])
        return [*said, (over + 20, COMPLETE)]
    if kind == FRAME:  # it finds out late, by its own end, or by interrupted
        said = chance.choice([[], [(over + gap, GENERATED)], [(over + gap, INTERRUPTED)]])
        return [*stale, *said, (over + gap + 20, COMPLETE)]
    if kind == SERVER:
        return [(0, INTERRUPTED), (chance.randrange(4, 40), COMPLETE)]
    if kind == BUNDLED:
        return [(0, sound(reply, LONG, interrupted=True)), (30, COMPLETE)]
    return [(0, INTERRUPTED), *((at + 5, item) for at, item in stale), (over + 20, COMPLETE)]


def add(seed: int) -> Callable[[Call], Awaitable[None]]:
    """One call of its own seed."""
    chance = random.Random(seed)
    kinds = [chance.choice([FRAME, VOICE, SERVER, BUNDLED, LATE]) for _ in range(CUTS)]
    moments = [chance.randrange(0, 1200, 20) for _ in range(CUTS)]
    parts = [chance.choice([1, 1, 3]) for _ in range(CUTS)]
    lengths = [(LONG // 3, 40) if n == 3 else (LONG, 100) for n in parts]
    rules: list[Json] = []
    for n in range(CUTS):
        messages, ms = lengths[n]
        every = chance.choice([15, 25] if kinds[n] == VOICE else [15, 25, 60])
        begin = speech(n + 1, messages, parts=parts[n], ms=ms, every=every)
        rules.append(on("content" if n == 0 else "text", max(1, n), begin))
        # Without hush a reply that is still under way goes on past its interruption.
        hush = kinds[n] != VOICE
        rules.append(on("cue", n + 1, ending(n + 1, kinds[n], chance), hush=hush))
    rules.append(on("text", CUTS, whole(CUTS + 1, LAST)))

    async def scene(call: Call) -> None:
        for n, (kind, moment) in enumerate(zip(kinds, moments, strict=True)):
            if n == 0:
                await call.begin()
            else:
                await call.ask()
            await call.hears(n + 1, max(20, moment))
            if kind == FRAME:
                await call.stop()
            if kind == VOICE:
                call.mic.say(question()[:SPOKEN])
            call.server.cue(call.plan)
            await call.cut(n + 1)
            await call.server_sent("turnComplete", n + 1)
            if kind == VOICE:  # who still speaks would interrupt the next reply as well
                await call.has_spoken(kinds[: n + 1].count(VOICE))
        await call.ask()
        await call.hears(CUTS + 1, LAST * 100)

    scene.__name__ = f"seed_{seed}"
    scene.lengths = [(count * parts[n], ms) for n, (count, ms) in enumerate(lengths)]  # type: ignore[attr-defined]
    # The fade of a held reply would look like samples of another one, so nothing is held here.
    return scenes.add(connection(*rules), mic=VOICE in kinds, policy="cut")(scene)


RANDOM = [add(seed) for seed in range(1, CALLS + 1)]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Played:
    question()
    return scenes.play(tmp_path_factory.mktemp("wire"), at_once=6)


@pytest.mark.parametrize("scene", RANDOM, ids=lambda s: s.__name__)
def test_no_stale_sample_and_every_reply_from_its_first_sample(calls, scene):
    call = calls[scene]
    assert len(call.sink.cuts) == CUTS
    for n, (messages, ms) in enumerate(scene.lengths):
        assert call.stale(n + 1, n) == 0, f"reply {n + 1}"
        assert call.beginning(n + 1, messages, ms), f"reply {n + 1}"
    assert call.whole(CUTS + 1, LAST)


@pytest.mark.parametrize("scene", RANDOM, ids=lambda s: s.__name__)
def test_every_reply_begins_once_and_is_interrupted_once(calls, scene):
    call = calls[scene]
    assert call.order().replace("EI", "I") == "SI" * CUTS + "SE"
    assert call.said()[-1] == words(CUTS + 1, LAST).strip()
    assert call.ended
