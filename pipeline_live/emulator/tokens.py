"""Ephemeral tokens: what a browser uses instead of the API key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_live.emulator.fields import camel, check
from pipeline_live.emulator.messages import INTERNAL, INVALID, Json, Refused
from pipeline_live.errors import UsageError

_PREFIX = "auth_tokens/"
_MOST_TOKENS = 1024
# Unless said otherwise (google-genai's ``AuthToken``).
NEW_SESSION_MS = 60_000
EXPIRE_MS = 30 * 60_000


@dataclass(slots=True)
class _Token:
    uses: int
    new_session_until_ms: int
    expires_ms: int
    locked: Mapping[str, Any] = field(default_factory=dict)
    used: int = 0


class Tokens:
    """The tokens of one emulator.

    A token opens as many sessions as it has uses, one unless said otherwise; resuming a session
    does not count (google-genai's ``AuthToken``). What it locks replaces what the client's setup
    says, silently (measured on gemini-3.8-live in October 2026). It opens new sessions for a minute
    only, and expires later; how the service closes then was not published, so the words are ours,
    and the code is that of a token without uses. All times are of one clock of the caller's.

    Args:
        open: Let in tokens that were not issued here too, each once; when any API key is welcome.
    """

    def __init__(self, *, open: bool) -> None:
        self._open = open
        self._tokens: dict[str, _Token] = {}

    def issue(
        self,
        at_ms: int,
        uses: int = 1,
        locked: Mapping[str, Any] | None = None,
        *,
        new_session_ms: int = NEW_SESSION_MS,
        expire_ms: int = EXPIRE_MS,
    ) -> str:
        """Make a token.

        Args:
            at_ms: When.
            uses: Sessions that it opens; 0 for any number.
            locked: Fields of the setup message that it decides.
            new_session_ms: For so long it opens them.
            expire_ms: For so long it is good for anything.

        Raises:
            UsageError: The setup message has no such field, or the number of uses is none.
        """
        if uses < 0:
            raise UsageError(f"a token of {uses} uses; give 1 or more, or 0 for any number")
        locked = {camel(field): value for field, value in (locked or {}).items()}
        try:
            check("setup", locked, vertex=False)
        except Refused as refused:
            raise UsageError(f"a token cannot decide this setup: {refused.reason}") from None
        name = f"{_PREFIX}{secrets.token_hex(16)}"
        self._keep(name, _Token(uses, at_ms + new_session_ms, at_ms + expire_ms, locked))
        return name

    def check(self, name: str, at_ms: int) -> None:
        """See whether this is a token at all. One that was not issued here begins now.

        Raises:
            Refused: It is none.
        """
        if name in self._tokens:
            return
        if not self._open or not name.startswith(_PREFIX) or name == _PREFIX:
            raise Refused(INVALID, "Missing or malformed auth token.")
        self._keep(name, _Token(1, at_ms + NEW_SESSION_MS, at_ms + EXPIRE_MS))

    def locked(self, name: str, setup: Json) -> Json:
        """The setup as the token wants it."""
        locked = self._tokens[name].locked
        free = {key: value for key, value in setup.items() if camel(key) not in locked}
        return {**free, **locked}

    def use(self, name: str, at_ms: int, *, resumes: bool) -> int:
        """Open a session with a token that was ``check``-ed.

        Returns:
            When it expires, and the session ends.

        Raises:
            Refused: It has no use left, or its time is over.
        """
        token = self._tokens[name]
        if at_ms >= token.expires_ms:
            raise expired()
        if resumes:
            return token.expires_ms
        if at_ms >= token.new_session_until_ms:
            raise Refused(INTERNAL, "Auth token has expired for new sessions.")
        if token.uses and token.used >= token.uses:
            raise Refused(INTERNAL, "Token has been used too many times")
        token.used += 1
        return token.expires_ms

    def _keep(self, name: str, token: _Token) -> None:
        self._tokens[name] = token
        if len(self._tokens) > _MOST_TOKENS:
            del self._tokens[next(iter(self._tokens))]


def expired() -> Refused:
    """The time of a token is over."""
    return Refused(INTERNAL, "Auth token has expired.")
