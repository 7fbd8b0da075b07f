"""A pytest fixture: an emulator for each test that asks for one.

Name it in ``conftest.py``, and every test of yours can talk to a Gemini Live server without a key::

    pytest_plugins = ["pipeline_live.emulator.fixtures"]

and in a test::

    @pytest.mark.gemini_live("It is sunny.", model_speed=20)
    def test_my_bot(gemini_live):
        run_my_bot()  # genai.Client() inside finds the emulator by itself
        assert gemini_live.sessions[0].history[-1].text == "It is sunny."

It is not installed as a plugin of every pytest run, for loading the emulator takes half a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_live.emulator.script import Script
from pipeline_live.emulator.server import Emulator

_MARK = "gemini_live"
# They would lead google-genai elsewhere.
_OTHERS = ("GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_VERTEX_BASE_URL")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(*replies, **options): what the emulator of the fixture says to each user turn, "
        "and further arguments of pipeline_live.emulator.Emulator",
    )


@pytest.fixture
def gemini_live(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emulator]:
    """A running emulator; until the test ends the environment leads google-genai to it.

    The marker ``gemini_live`` gives its replies, in order, or a ``Script`` as the only one, and any
    further arguments of ``Emulator`` by name. Without it the replies are made up.
    """
    marker = request.node.get_closest_marker(_MARK) or pytest.mark.gemini_live().mark
    script, options = _script_of(marker.args), marker.kwargs
    with Emulator(script, **options) as emulator:
        monkeypatch.setenv("GEMINI_API_KEY", options.get("key") or "any")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
        monkeypatch.setenv("SSL_CERT_FILE", emulator.ca_file)
        for name in _OTHERS:
            monkeypatch.delenv(name, raising=False)
        yield emulator


def _script_of(replies: tuple[Any, ...]) -> Script:
    if len(replies) == 1 and isinstance(replies[0], Script):
        return replies[0]
    return Script(replies)
