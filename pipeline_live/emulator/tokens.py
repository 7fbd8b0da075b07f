"""Ephemeral tokens: what a browser uses instead of the API key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_live.emulator.fields import camel
from pipeline_live.emulator.messages import INTERNAL, INVALID, Json, Refused

_PREFIX = "auth_tokens/"
_MOST_TOKENS = 1024


@dataclass(slots=True)
class _Token:
    uses: int
    locked: Mapping[str, Any] = field(default_factory=dict)
    used: int = 0


class Tokens:
    """The tokens of one emulator.

    A token opens as many sessions as it has uses, one unless said otherwise; resuming a session
    does not count (google-genai's ``AuthToken``). What it locks replaces what the client's setup
    says, silently (measured on gemini-3.8-live in October 2026). That tokens expire is not played.

    Args:
        open: Let in tokens that were not issued here too, each once; when any API key is welcome.
    """

    def __init__(self, *, open: bool) -> None:
        self._open = open
        self._tokens: dict[str, _Token] = {}

    def issue(self, uses: int = 1, locked: Mapping[str, Any] | None = None) -> str:
        """Make a token.

        Args:
            uses: Sessions that it opens; 0 for any number.
            locked: Fields of the setup message that it decides, in lowerCamelCase.
        """
        name = f"{_PREFIX}{secrets.token_hex(16)}"
        self._keep(name, _Token(uses, locked or {}))
        return name

    def check(self, name: str) -> None:
        """See whether this is a token at all.

        Raises:
            Refused: It is none.
        """
        if name in self._tokens:
            return
        if not self._open or not name.startswith(_PREFIX) or name == _PREFIX:
            raise Refused(INVALID, "Missing or malformed auth token.")
        self._keep(name, _Token(1))

    def locked(self, name: str, setup: Json) -> Json:
        """The setup as the token wants it."""
        locked = self._tokens[name].locked
        free = {key: value for key, value in setup.items() if camel(key) not in locked}
        return {**free, **locked}

    def use(self, name: str, *, resumes: bool) -> None:
        """Open a session with a token that was ``check``-ed.

        Raises:
            Refused: It has no use left.
        """
        token = self._tokens[name]
        if resumes:
            return
        if token.uses and token.used >= token.uses:
            raise Refused(INTERNAL, "Token has been used too many times")
        token.used += 1

    def _keep(self, name: str, token: _Token) -> None:
        self._tokens[name] = token
        if len(self._tokens) > _MOST_TOKENS:
            del self._tokens[next(iter(self._tokens))]
