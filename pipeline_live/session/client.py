"""``LiveClient``: looks like ``genai.Client`` where it matters and yields a ``LiveSession``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from google import genai
from google.genai import types

from pipeline_live.session.call import Call
from pipeline_live.session.capabilities import Certainty
from pipeline_live.session.connection import prepared_config
from pipeline_live.session.ears import EarsPolicy
from pipeline_live.session.live_session import LiveSession
from pipeline_live.session.timeline import Timeline
from pipeline_live.turn.policy import Floor, TurnPolicy


class _Live:
    def __init__(self, client: LiveClient) -> None:
        self._client = client

    @asynccontextmanager
    async def connect(
        self, *, model: str, config: types.LiveConnectConfigOrDict | None = None
    ) -> AsyncIterator[LiveSession]:
        """Connect to the Live API; arguments and errors are google-genai's.

        Yields:
            The session; leaving the block closes it.

        Raises:
            UsageError: The configuration contradicts the floor that the client was made with.
        """
        async with self._client.open(model=model, config=config) as session:
            yield session


class _Aio:
    def __init__(self, client: LiveClient, inner: Any) -> None:
        self.live = _Live(client)
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class LiveClient:
    """Wraps a ``genai.Client``: two changed lines give a program barge-in and a stop.

    Everything but ``aio.live.connect`` is the wrapped client's.

    Args:
        client: The client to use; an API key or Vertex, any base URL.
        floor: Who decides user turns. ``"server"``: Gemini's automatic VAD. ``"local"``: our ears;
            automatic VAD is switched off and activities are sent for you. None: as the
            configuration says (when it disables automatic VAD, the program sends activities).
        local_speech: Let the user's speech, as heard here, interrupt a reply before the server
            says so. Off when the program sends the activities itself.
        ears: Thresholds of the local ears.
        policy: The waits of the turn machine.
        timeline: Where to write what happens; one file for one session. By default as the
            environment variable ``PIPELINE_LIVE_TIMELINE`` says, a folder for each session.
        call: Hold all sessions of this client in one call, instead of a call for each.
        listen: Let the call hear what is sent; False when somebody else feeds its ears.
        stop_certainty: Tell the server of a Stop only in ways of which we are at least so sure
            (``pipeline_live.session.capabilities``).
    """

    def __init__(
        self,
        client: genai.Client,
        *,
        floor: Literal["server", "local"] | Floor | None = None,
        local_speech: bool = True,
        ears: EarsPolicy | None = None,
        policy: TurnPolicy | None = None,
        timeline: Timeline | None = None,
        call: Call | None = None,
        listen: bool = True,
        stop_certainty: Certainty = Certainty.DOCUMENTED,
    ) -> None:
        self._client = client
        self._floor = None if floor is None else Floor(floor)
        self._local_speech = local_speech
        self._ears = ears or EarsPolicy()
        self._policy = policy
        self._timeline = timeline
        self._call = call
        self._listen = listen
        self._stop_certainty = stop_certainty
        self.aio = _Aio(self, client.aio)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the wrapped client's."""
        return getattr(self._client, name)

    @asynccontextmanager
    async def open(
        self, *, model: str, config: types.LiveConnectConfigOrDict | None = None
    ) -> AsyncIterator[LiveSession]:
        """Open a session: ``aio.live.connect`` under a name of its own."""
        wanted = self._call.floor if self._call else self._floor
        prepared, floor = prepared_config(config, wanted)
        call = self._call or self._new_call(floor)
        try:
            async with (
                self._client.aio.live.connect(model=model, config=prepared) as sdk,
                LiveSession(
                    sdk,
                    call,
                    model=model,
                    stop_certainty=self._stop_certainty,
                    listen=self._listen,
                ) as session,
            ):
                yield session
        finally:
            if call is not self._call:
                call.end()

    def _new_call(self, floor: Floor) -> Call:
        listens = floor is Floor.LOCAL or (floor is Floor.SERVER and self._local_speech)
        return Call(
            floor=floor,
            policy=self._policy,
            ears=self._ears if listens else None,
            timeline=self._timeline,
        )
