"""Whom a bot talks to: Gemini with a key, an emulator without one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from google.genai.types import HttpOptions

from pipeline_live.config import Bot, spec
from pipeline_live.emulator import Emulator
from pipeline_live.session.connection import options_for


@dataclass(frozen=True, slots=True)
class Engine:
    """A Gemini Live server.

    Attributes:
        name: What to tell people.
        api_key: The key.
        base_url: Where; None for Google, or where the environment says.
        ca_file: Certificate to trust.
    """

    name: str
    api_key: str
    base_url: str | None = None
    ca_file: str | None = None

    def http_options(self) -> HttpOptions | None:
        """Options for google-genai that lead there."""
        if self.base_url is None:
            return None
        return options_for(self.base_url, self.ca_file)


def emulated(emulator: Emulator) -> Engine:
    """An emulator that serves."""
    return Engine("the emulator", "emulator", emulator.base_url, str(emulator.ca_file))


def key_of(bot: Bot) -> str:
    """The bot's key: its own, or GEMINI_API_KEY; empty without one."""
    step = bot.model_step
    own = step.options.get("api_key") if step.name == spec.GEMINI_LIVE.name else None
    return str(own or os.environ.get("GEMINI_API_KEY", "")).strip()


@contextlib.contextmanager
def engine_for(bot: Bot) -> Iterator[Engine]:
    """Gemini for a bot with a key or with Vertex AI, otherwise an emulator of its own."""
    if bot.model_step.name == spec.GEMINI_LIVE_VERTEX.name:
        yield Engine(f"Vertex AI, {bot['model']}", "")
        return
    key = key_of(bot)
    if key:
        yield Engine(f"Gemini, {bot['model']}", key)
        return
    with Emulator() as emulator:
        yield emulated(emulator)
