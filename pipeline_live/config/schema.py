"""The spec as JSON Schema, for editors. ``bot.schema.json`` in this folder is what they load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_live.config.spec import BOT

FILE = Path(__file__).with_name("bot.schema.json")


def json_schema() -> dict[str, Any]:
    """The schema of a bot's file. It knows fields and values; ``lint`` knows much more."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A voice bot for pipeline-live",
        **BOT.schema(),
    }
