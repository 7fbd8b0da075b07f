"""The client: what it made for a session goes with it."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from pipeline_live import LiveClient
from pipeline_live.session.timeline import FOLDER_VARIABLE, KEEP_VARIABLE, Timeline


def test_a_connection_that_fails_leaves_no_file_open(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv(KEEP_VARIABLE, "words,sound")
    closed: list[Timeline] = []
    close = Timeline.close
    monkeypatch.setattr(Timeline, "close", lambda one: (closed.append(one), close(one)))

    @asynccontextmanager
    async def connect(**_):
        raise ConnectionRefusedError
        yield

    genai_client = SimpleNamespace(aio=SimpleNamespace(live=SimpleNamespace(connect=connect)))

    async def try_it() -> None:
        async with LiveClient(genai_client).aio.live.connect(model="gemini-3.8-live"):
            pass

    with pytest.raises(ConnectionRefusedError):
        asyncio.run(try_it())
    assert len(closed) == len(list(tmp_path.iterdir())) == 1
