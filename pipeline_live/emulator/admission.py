"""Who is let in, and as what: key or token, setup message, resumption handle. No socket, no clock.

Times are milliseconds of one clock of the caller's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from websockets.http11 import Request

from pipeline_live.emulator.families import Family, adjusted, admit, checked, family_named
from pipeline_live.emulator.gate import Place, check_key, given_key
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import INTERNAL, INVALID, POLICY, Refused, Setup
from pipeline_live.emulator.tokens import Tokens
from pipeline_live.emulator.tools import uuid_of
from pipeline_live.emulator.voice import voice_for
from pipeline_live.emulator.wire import read_message

_SESSIONS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Guest:
    """A client that was let in.

    Attributes:
        setup: What it asked for, as far as its token leaves it the choice.
        family: Which kind of model serves it.
        ends_ms: When its token expires; None without one.
    """

    setup: Setup
    family: Family
    ends_ms: int | None


class Admission:
    """Decides about the clients of one emulator.

    Args:
        key: The only API key that is accepted; None for any.
        family: The one family that serves whatever model is asked for; None for that of the model.
        profile: Facts of the family that are to be different.

    Attributes:
        tokens: Its ephemeral tokens.
        sessions: What each connection's model heard and said, oldest first; the last 256.

    Raises:
        UsageError: There is no such family or fact.
    """

    def __init__(self, key: str | None, family: str | None, profile: Mapping[str, Any]) -> None:
        self.tokens = Tokens(open=key is None)
        self.sessions: list[Session] = []
        self._key = key
        self._family = None if family is None else family_named(family)
        self._profile = checked(profile)

    def identify(self, request: Request, place: Place, at_ms: int) -> str:
        """See who knocks.

        Args:
            request: The handshake.
            place: What lives at its path.
            at_ms: Now.

        Returns:
            The ephemeral token; empty for a client with a key.

        Raises:
            Refused: The key is not the right one, or the token is none.
        """
        if not place.constrained:
            check_key(request, self._key, vertex=place.vertex)
            return ""
        token = given_key(request)
        self.tokens.check(token, at_ms)
        return token

    def admit(
        self,
        first: str | bytes,
        place: Place,
        token: str,
        session: Session,
        rng: random.Random,
        at_ms: int,
    ) -> Guest:
        """Let a client in that was identified.

        Args:
            first: Its first message.
            place: What lives at the path that it asked for.
            token: Its ephemeral token, or empty.
            session: Its record, which is filled in and kept.
            rng: Decides the session's id.
            at_ms: Now.

        Raises:
            Refused: The service would close the connection.
        """
        setup = read_message(first, vertex=place.vertex)
        if not isinstance(setup, Setup):
            raise Refused(INVALID, "setup must be the first message and only the first.")
        ends_ms = None
        if token:
            locked = json.dumps({"setup": self.tokens.locked(token, setup.raw)})
            setup = cast(Setup, read_message(locked))
            ends_ms = self.tokens.use(token, at_ms, resumes=bool(setup.handle))
        family = adjusted(
            admit(setup, place.version, vertex=place.vertex, only=self._family), self._profile
        )
        if setup.handle:
            self._resume(session, setup, family, at_ms)
        session.id = uuid_of(rng.getrandbits(128))
        session.model = setup.model
        session.family = family.name
        session.voice = voice_for(setup.voice)
        session.setup = setup.raw
        self.sessions.append(session)
        del self.sessions[:-_SESSIONS_KEPT]
        return Guest(setup, family, ends_ms)

    def _resume(self, session: Session, setup: Setup, family: Family, at_ms: int) -> None:
        """Begin with what was known when the handle was issued."""
        earlier = next((one for one in self.sessions if setup.handle in one.memories), None)
        if earlier is None or (
            earlier.closed_ms is not None and at_ms > earlier.closed_ms + family.handle_ms
        ):
            raise Refused(POLICY, "BidiGenerateContent session not found")
        if earlier.open or not earlier.resumable:
            raise Refused(INTERNAL, "Internal error encountered.")
        # All of the setup but the model may change (Google's page on sessions).
        if earlier.model != setup.model:
            raise Refused(INVALID, "Request contains an invalid argument.")
        session.recall(earlier.memories[setup.handle])
