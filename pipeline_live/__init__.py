"""pipeline_live: the barge-in layer for Gemini Live voice bots on Pipecat.

Public names load on first use, so that importing the package costs next to nothing and plain
google-genai programs never load Pipecat.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

__all__ = [
    "FileSink",
    "GeminiLiveService",
    "LiveClient",
    "MicSource",
    "Playback",
    "SileroVAD",
    "local_turns",
    "server_turns",
]

_HOMES = {
    "FileSink": "pipeline_live.processors",
    "GeminiLiveService": "pipeline_live.processors",
    "LiveClient": "pipeline_live.session",
    "MicSource": "pipeline_live.processors",
    "Playback": "pipeline_live.processors",
    "SileroVAD": "pipeline_live.processors",
    "local_turns": "pipeline_live.processors",
    "server_turns": "pipeline_live.processors",
}

TYPE_CHECKING = False  # without the module typing this package loads in half the time
if TYPE_CHECKING:
    from pipeline_live.processors import (
        FileSink,
        GeminiLiveService,
        MicSource,
        Playback,
        SileroVAD,
        local_turns,
        server_turns,
    )
    from pipeline_live.session import LiveClient


def __getattr__(name: str) -> object:
    """Load a public name from its home module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names without loading them."""
    return sorted([*globals(), *__all__])
