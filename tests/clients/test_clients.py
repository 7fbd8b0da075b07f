"""Clients that nobody here wrote, at one conversation each, all at once."""

import asyncio

import pytest
from client_conversation import SCRIPT, judge
from genai_client import GenaiClient
from pipecat_client import LOSES_THE_LINE, PipecatClient

from pipeline_live.emulator import Emulator

CLIENTS = {
    "google-genai, API key": lambda emulator: GenaiClient(emulator, vertex=False),
    "google-genai, Vertex": lambda emulator: GenaiClient(emulator, vertex=True),
    "Pipecat": PipecatClient,
}


async def one(make, faults):
    async with Emulator(SCRIPT, faults=faults) as emulator:
        async with asyncio.timeout(50):
            seen = await make(emulator).converse()
        return seen, judge(seen, emulator.sessions)


@pytest.fixture(scope="module")
def verdicts():
    async def all_of_them():
        faults = [[LOSES_THE_LINE] if name == "Pipecat" else [] for name in CLIENTS]
        return await asyncio.gather(*map(one, CLIENTS.values(), faults))

    return dict(zip(CLIENTS, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_holds_a_whole_conversation(verdicts, name):
    seen, verdict = verdicts[name]
    assert set(verdict.values()) == {"yes"}, seen
