"""A checked file becomes a bot: the one place where YAML meets Pipecat.

``plan`` says which objects with which arguments, ``build`` makes them, ``eject`` writes them down
as Python. Names load on first use, for ``eject`` needs no Pipecat.
"""

from __future__ import annotations

import importlib

__all__ = ["Built", "Engine", "bot_from", "build", "emulated", "engine_for", "run_here"]

_HOMES = {
    "Built": "building",
    "Engine": "engine",
    "bot_from": "running",
    "build": "building",
    "emulated": "engine",
    "engine_for": "engine",
    "run_here": "running",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pipeline_live.builder.building import Built, build
    from pipeline_live.builder.engine import Engine, emulated, engine_for
    from pipeline_live.builder.running import bot_from, run_here


def __getattr__(name: str) -> object:
    """Load a name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
