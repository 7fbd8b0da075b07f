"""What Pipecat's Gemini Live service gets in place of a ``genai.Client`` and its session.

The base service calls exactly ``client.aio.live.connect(model=, config=)`` and, on the session,
``receive``, ``send_realtime_input``, ``send_client_content``, ``send_tool_response`` and
``close``. The contract towards it (each point pinned by a test in ``tests/pipecat``):

- Entering ``connect()`` never raises, for the base would die silently: it yields a session that is
  still connecting. A fault that cannot be cured is told to ``on_fault``; then ``receive()`` parks.
- ``receive()`` never simply returns, and never raises for what can be cured: the facade connects
  again by itself, with backoff.
- One part per message, for the base reads only the first one; no half samples.
- Resumption is ours: the base gets no handle that it might use behind our back.
- Sending never waits, neither for a connection nor for the network, for the base sends inside
  ``process_frame``: an end, a cancellation or a Stop would wait behind it. Messages go into an
  outbox, in order.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from google import genai
from google.genai import errors, types
from loguru import logger
from websockets.exceptions import WebSocketException

from pipeline_live.audio import Rechunker
from pipeline_live.errors import ConnectionFailed
from pipeline_live.session import Call, LiveClient, LiveSession
from pipeline_live.session.connection import CONNECT_FAILURES, explain
from pipeline_live.session.messages import split_parts
from pipeline_live.turn import Reply
from pipeline_live.turn.events import TextSent

ATTEMPTS = 6
"""Connections tried in a row before a curable fault counts as incurable."""
BACKOFF_MS = 250
"""First wait between two attempts; doubled each time, plus up to as much again at random."""
MAX_OUTBOX = 256
"""Messages (not sound) that wait to be sent; beyond that the oldest is lost, which is logged."""
KEPT_SOUND_MS = 2000
"""Microphone sound kept until the base lets the first of it through."""

_Message = tuple[str, dict[str, Any]]
OnFault = Callable[[ConnectionFailed], Awaitable[None]]
OnFresh = Callable[[], Awaitable[None]]


class ServiceClient:
    """Looks like ``genai.Client`` to the base service.

    Args:
        client: The base's own client.
        call: The call that all its connections belong to.
        on_fault: Told when there will be no connection.
        on_fresh: Told when a connection replaced one without its memory.
    """

    def __init__(
        self, client: genai.Client, call: Call, on_fault: OnFault, on_fresh: OnFresh
    ) -> None:
        self._client = client
        self._call = call
        self._live = LiveClient(client, call=call, listen=False)
        self._on_fault = on_fault
        self._on_fresh = on_fresh
        self.session: ServiceSession | None = None
        self.model = ""
        self.microphone = Microphone()

    @property
    def aio(self) -> ServiceClient:
        """Stands for ``client.aio``."""
        return self

    @property
    def live(self) -> ServiceClient:
        """Stands for ``client.aio.live``."""
        return self

    @asynccontextmanager
    async def connect(
        self, *, model: str, config: types.LiveConnectConfig
    ) -> AsyncIterator[ServiceSession]:
        """Yield a session at once; it connects on its own."""
        self.model = model
        session = ServiceSession(
            self._live, self._call, model, config, self.microphone, self._on_fault, self._on_fresh
        )
        self.session = session
        try:
            yield session
        finally:
            await session.close()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the real client's."""
        return getattr(self._client, name)


class Microphone:
    """Sound that the pipeline brought and the base has not let through yet.

    The base drops what comes before its session is ready; so it only says *when* sound may go, and
    what goes is everything kept here. Bounded: the oldest sound goes first.
    """

    def __init__(self) -> None:
        self._kept: deque[types.Blob] = deque()
        self._ms = 0

    def keep(self, pcm: bytes, rate: int) -> None:
        """Keep mono s16le ``pcm`` at ``rate`` Hz."""
        self._kept.append(types.Blob(data=pcm, mime_type=f"audio/pcm;rate={rate}"))
        self._ms += len(pcm) * 500 // rate
        while self._ms > KEPT_SOUND_MS and len(self._kept) > 1:
            self._drop_oldest()

    def take(self) -> list[types.Blob]:
        """Everything kept, oldest first."""
        taken = list(self._kept)
        self.forget()
        return taken

    def forget(self) -> None:
        """Keep nothing; for a muted microphone."""
        self._kept.clear()
        self._ms = 0

    def _drop_oldest(self) -> None:
        blob = self._kept.popleft()
        rate = int((blob.mime_type or "=16000").rpartition("=")[2])
        self._ms -= len(blob.data or b"") * 500 // rate


class ServiceSession:
    """Looks like ``AsyncSession`` to the base service and survives its connections."""

    def __init__(
        self,
        client: LiveClient,
        call: Call,
        model: str,
        config: types.LiveConnectConfig,
        microphone: Microphone,
        on_fault: OnFault,
        on_fresh: OnFresh,
    ) -> None:
        self._client = client
        self._call = call
        self._seeding = False
        self._model = model
        self._config = config
        self._microphone = microphone
        self._on_fault = on_fault
        self._on_fresh = on_fresh
        self._handle: str | None = None
        self._stack = AsyncExitStack()
        self._live: LiveSession | None = None
        self._ready = False  # the outbox was empty once on this connection: sound may follow
        self._given_up = False
        self._outbox: deque[_Message] = deque()
        self._filled = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._failures = 0
        self._rechunker = Rechunker()
        self._reply: Reply | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._opening = asyncio.create_task(self._open(), name="pipeline_live.open")

    def reply_in_hand(self) -> Reply | None:
        """The reply whose message the base is handling right now, in the asking task."""
        if self._live is None or asyncio.current_task() is not self._reader:
            return None
        return self._live.current_reply

    async def receive(self) -> AsyncIterator[types.LiveServerMessage]:
        """Yield messages as long as the session lives; park when it cannot live."""
        self._reader = asyncio.current_task()
        while True:
            await self._opening
            if self._live is None:
                await asyncio.Future()  # told on_fault: parked until the base closes
                continue
            if self._sender is None:
                self._sender = asyncio.create_task(self._send_all(self._live))
            try:
                async for message in self._live.receive():
                    for part in self._for_base(message):
                        yield part
            except errors.APIError as error:
                await self._reopen(error)

    async def send_realtime_input(self, **given: Any) -> None:
        """Send input; sound means: everything that the microphone has kept may go."""
        if "audio" not in given:
            text = given.get("text")
            self._put("send_realtime_input", given, interrupts=bool(text and text.strip()))
        elif self._ready and self._live is not None:
            for blob in self._microphone.take():
                await self._write(self._live, "send_realtime_input", {"audio": blob})

    async def send_client_content(self, **given: Any) -> None:
        """Send turns; what completes one ends the reply that plays, but for a new start's seed."""
        interrupts = given.get("turn_complete", True) and not self._seeding
        self._put("send_client_content", given, interrupts=interrupts)

    async def send_tool_response(self, **given: Any) -> None:
        """Send results of functions."""
        self._put("send_tool_response", given)

    async def close(self) -> None:
        """Close for good."""
        self._opening.cancel()
        await asyncio.gather(self._opening, return_exceptions=True)
        await self._disconnect()

    # --- sending -------------------------------------------------------------------------------

    def _put(self, name: str, given: dict[str, Any], *, interrupts: bool = False) -> None:
        if self._given_up:
            return
        if interrupts:  # at once, however long the outbox is
            self._call.apply(TextSent(self._call.now_ms()))
        if name != "send_tool_response":
            given = {**given, "interrupts": False}
        self._outbox.append((name, given))
        self._filled.set()
        if len(self._outbox) > MAX_OUTBOX:
            lost, _ = self._outbox.popleft()
            logger.warning(f"nothing could be sent for too long: the oldest {lost} was lost")

    async def _send_all(self, live: LiveSession) -> None:
        """Empty the outbox in order, as long as the connection lives."""
        while True:
            while self._outbox:
                await self._write(live, *self._outbox.popleft())
            self._ready = True
            self._filled.clear()
            await self._filled.wait()

    async def _write(self, live: LiveSession, name: str, given: dict[str, Any]) -> None:
        """A write onto a line that just broke is for the reader to cure, not for the base."""
        try:
            await getattr(live, name)(**given)
        except (WebSocketException, OSError):
            logger.debug("a message was lost with the connection that is being replaced")
        except (ValueError, TypeError) as error:
            logger.error(f"google-genai refused the arguments of {name} ({type(error).__name__})")

    # --- connecting ----------------------------------------------------------------------------

    async def _open(self) -> None:
        """Connect, again and again while that can help; then be ready or tell ``on_fault``."""
        while True:
            try:
                config = self._config.model_copy(update={"session_resumption": self._resumption()})
                connection = self._client.open(model=self._model, config=config)
                self._live = await self._stack.enter_async_context(connection)
            except CONNECT_FAILURES as error:
                failure = explain(error)
                self._failures += 1
                if failure.terminal or self._failures >= ATTEMPTS:
                    self._given_up = True
                    self._outbox.clear()
                    await self._on_fault(failure)
                    return
                await asyncio.sleep(backoff_ms(self._failures, random.random()) / 1000)
            else:
                return

    async def _reopen(self, error: errors.APIError) -> None:
        """Replace a connection that ended."""
        logger.warning(f"Gemini Live connection ended ({error.code}); connecting again")
        remembered = self._handle is not None
        await self._disconnect()
        self._opening = asyncio.create_task(self._open(), name="pipeline_live.open")
        await self._opening
        if not self._given_up and not remembered:
            later, self._outbox = self._outbox, deque()
            self._seeding = True
            try:
                await self._on_fresh()  # the conversation so far goes first
            finally:
                self._seeding = False
            self._outbox.extend(later)

    async def _disconnect(self) -> None:
        self._ready, self._live = False, None
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
            self._sender = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    def _resumption(self) -> types.SessionResumptionConfig:
        return types.SessionResumptionConfig(handle=self._handle)

    # --- what the base gets to see -------------------------------------------------------------

    def _for_base(self, message: types.LiveServerMessage) -> list[types.LiveServerMessage]:
        self._failures = 0
        update = message.session_resumption_update
        if update is not None:
            if update.resumable and update.new_handle:
                self._handle = update.new_handle
            message = message.model_copy(update={"session_resumption_update": None})
        assert self._live is not None
        reply = self._live.current_reply
        if reply is not None and reply is not self._reply:
            self._reply = reply
            self._rechunker.reset()
        return [self._whole_samples(part) for part in split_parts(message)]

    def _whole_samples(self, message: types.LiveServerMessage) -> types.LiveServerMessage:
        content = message.server_content
        parts = (content.model_turn.parts if content and content.model_turn else None) or []
        for part in parts:
            if part.inline_data and part.inline_data.data:
                part.inline_data.data = self._rechunker.feed(part.inline_data.data)
        return message


def backoff_ms(failures: int, chance: float) -> int:
    """Wait before the next attempt: doubling, with jitter.

    Args:
        failures: Attempts that failed in a row, 1 or more.
        chance: A random number from 0 to 1.
    """
    base = BACKOFF_MS << (failures - 1)
    return base + int(base * chance)
