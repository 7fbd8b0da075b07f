"""Existing bots, with Pipecat's stock service and with one import changed: the same, or better."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from existing_bots import BOTS, SUNNY, Seen, Talk
from fakes import run
from google_http import GoogleHttp, google_http
from loguru import logger
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.services.google.gemini_live.vertex.llm import GeminiLiveVertexLLMService
from pipelines import Tap, running

from pipeline_live.emulator import Emulator
from pipeline_live.processors import GeminiLiveService, GeminiLiveVertexService

pytestmark = pytest.mark.timeout(120)  # the first test pays for all runs
STOCK, OURS, WITH_PLAYBACK = "stock", "ours", "ours with Playback"
KINDS = {
    (STOCK, False): GeminiLiveLLMService,
    (STOCK, True): GeminiLiveVertexLLMService,
    (OURS, False): GeminiLiveService,
    (OURS, True): GeminiLiveVertexService,
}
SPOKEN = {"locally_driven_turns", "supplemental_vad", "spoken_question"}
"""Those with a microphone: each listens with one or two VADs in real time."""
PLAYED = ("function_calling", "graceful_end", "locally_driven_turns", "stop_button")
AT_ONCE, SPOKEN_AT_ONCE = 8, 3
LIMIT_S = 60


@contextmanager
def quiet_logs() -> Iterator[None]:
    logger.disable("pipecat")
    try:
        yield
    finally:
        logger.enable("pipecat")


async def talk(name: str, who: str, vertex: bool, google: GoogleHttp, folder: Any) -> Seen:
    script, play = BOTS[name]
    speed = 4.3 if name == "stop_button" else 20
    async with Emulator(script, model_speed=speed) as emulator:
        kind = KINDS[STOCK if who == STOCK else OURS, vertex]
        one = Talk(kind, emulator, google, folder, playback=who == WITH_PLAYBACK)
        async with asyncio.timeout(LIMIT_S):
            await play(one)
        return one.seen()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Seen | BaseException]:
    """Every bot with every service, a few at a time."""
    runs = [(name, who, False) for name in BOTS for who in (STOCK, OURS)]
    runs += [(name, WITH_PLAYBACK, False) for name in PLAYED]
    runs += [("function_calling", who, True) for who in (STOCK, OURS)]

    async def everything() -> list[Seen | BaseException]:
        places = {True: asyncio.Semaphore(SPOKEN_AT_ONCE), False: asyncio.Semaphore(AT_ONCE)}

        async def one(name: str, who: str, vertex: bool) -> Seen:
            async with places[name in SPOKEN]:
                return await talk(name, who, vertex, google, tmp_path_factory.mktemp(name))

        return await asyncio.gather(*(one(*run) for run in runs), return_exceptions=True)

    with google_http() as google, quiet_logs():
        results = asyncio.run(everything())
    return {
        ("vertex" if vertex else name, who): result
        for (name, who, vertex), result in zip(runs, results, strict=True)
    }


SAME = sorted(set(BOTS) - {"stop_button", "spoken_question"} | {"vertex"})


def result(seen: dict[tuple[str, str], Seen | BaseException], name: str, who: str) -> Seen:
    one = seen[name, who]
    if isinstance(one, BaseException):
        raise one
    return one


def what_counts(one: Seen) -> Seen:
    """Without what may differ.

    Ours always says who detects activity, keeps session handles to itself, and does not announce
    the interruption of nothing, as Pipecat's local turn start does. How long speech was depends on
    who cut it out; whether a user's turn ends before an answer begins, and Pipecat writes it down
    first, on the machine.
    """
    setup = {**one.setup, "realtimeInputConfig": None, "sessionResumption": None}
    heard = [re.sub(r"\d\.\d s of", "some", words) for _, words in one.history]
    context = [re.sub(r"\d\.\d s of", "some", str(message)) for message in one.context]
    spoken = "some speech" in "".join(heard)
    tokens = [] if spoken else one.tokens
    bot = [kind for kind in one.order if not kind.startswith(("User", "Interruption"))]
    bot = [kind for i, kind in enumerate(bot) if i == 0 or bot[i - 1] != kind]
    order = bot + [kind for kind in one.order if kind.startswith("User")]
    return replace(
        one,
        order=order,
        setup=setup,
        history=heard,
        context=sorted(context) if spoken else context,
        tokens=tokens,
        rtvi=[kind for kind in one.rtvi if kind != "bot-interrupted"],
    )


@pytest.mark.parametrize(
    ("name", "who"),
    [(name, OURS) for name in SAME] + [(name, WITH_PLAYBACK) for name in PLAYED if name in SAME],
)
def test_an_existing_bot_sees_the_same_with_one_import_changed(seen, name, who):
    stock = result(seen, name, STOCK)
    assert stock.said
    assert what_counts(result(seen, name, who)) == what_counts(stock)


def test_the_bots_did_what_they_are_about(seen):
    """What the comparison rests on: stock itself did it."""
    weather = [("weather", {**SUNNY, "city": "Bern"})]
    for name in ("function_calling", "vertex", "async_tool"):
        assert result(seen, name, STOCK).results == weather
    assert result(seen, "google_search", STOCK).origins == [
        ("https://harbour.example", "Harbour", 1)
    ]
    assert result(seen, "video", STOCK).pictures == 1
    assert result(seen, "async_tool", STOCK).said == "Hi.It is old.It is sunny."
    assert result(seen, "graceful_end", STOCK).said.endswith("Goodbye, and thank you.")
    assert "UserStoppedSpeakingFrame" in result(seen, "locally_driven_turns", STOCK).order
    assert "file_data" in str(result(seen, "context_with_a_file", STOCK).context)


def test_a_turn_that_interrupts_nothing_announces_no_interruption(seen):
    for name in ("locally_driven_turns", "supplemental_vad"):
        assert "InterruptionFrame" in result(seen, name, STOCK).order
        assert "InterruptionFrame" not in result(seen, name, OURS).order


def test_contract_12_the_vertex_twin_connects_and_answers(seen):
    for who in (STOCK, OURS):
        one = result(seen, "vertex", who)
        assert one.setup["model"].startswith("projects/p/locations/us-east4/")
        assert one.said == "Hi.It is sunny."


def test_user_turns_are_seen_without_any_vad_in_the_pipeline(seen):
    """Goes red when a bot that changed nothing but the import gets no user turns."""
    stock, ours = (result(seen, "spoken_question", who) for who in (STOCK, OURS))
    turn = ["UserStartedSpeakingFrame", "UserStoppedSpeakingFrame"]
    assert [kind for kind in ours.order if kind not in turn] == stock.order
    assert [kind for kind in ours.order if kind in turn] == turn
    assert what_counts(ours).context == what_counts(stock).context


def test_a_stop_lets_nothing_of_the_reply_through(seen):
    """Goes red when what is still under way after an InterruptionFrame is played."""
    stock = result(seen, "stop_button", STOCK)
    assert stock.late_sound > 0, "the scene is not what it is meant to be"
    assert stock.order.count("LLMFullResponseStartFrame") == 3, "the rest counts as a new reply"
    for who in (OURS, WITH_PLAYBACK):
        ours = result(seen, "stop_button", who)
        assert ours.late_sound == 0
        assert ours.order.count("LLMFullResponseStartFrame") == 2
        assert ours.said.endswith("It is old.")


def test_the_bot_ends_while_the_server_is_deaf_to_everything(tmp_path):
    """A connection that never becomes a session must not keep a pipeline from ending."""

    async def scenario():
        async def swallow(reader: Any, writer: Any) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        llm = GeminiLiveService(api_key="k", http_options={"base_url": f"https://127.0.0.1:{port}"})
        tap = Tap()
        async with running(llm, tap):
            await tap.until(lambda: tap.down)
        server.close()

    run(scenario())
