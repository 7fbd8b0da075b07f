"""The emulator's server: TLS, WebSocket handshakes, one conversation per connection."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import errno
import math
import random
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from pipeline_live.emulator.admission import Admission
from pipeline_live.emulator.certificate import server_context, write_certificate
from pipeline_live.emulator.connection import Connection, now_ms
from pipeline_live.emulator.faults import Fault
from pipeline_live.emulator.faults.mischief import Mischief
from pipeline_live.emulator.gate import (
    Limits,
    check_host,
    check_key,
    check_path,
    no_address,
    out_of_quota,
    place_of,
    reachable_name,
    too_late,
)
from pipeline_live.emulator.hearing import hearing_named
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import Refused
from pipeline_live.emulator.mind import Mind
from pipeline_live.emulator.recording import Recording, Scrubber, SessionRecording
from pipeline_live.emulator.script import Script
from pipeline_live.emulator.socket import Socket
from pipeline_live.emulator.stage import Options
from pipeline_live.emulator.tokens import EXPIRE_MS, NEW_SESSION_MS, expired
from pipeline_live.emulator.transcription import check_installed
from pipeline_live.emulator.voice import synthesize
from pipeline_live.errors import UsageError

_REHEARSED = 4
_START_TIMEOUT_S = 20


class Emulator:
    """A Gemini Live server on loopback.

    ``async with`` serves on the running loop; plain ``with`` serves in a thread of its own. Both
    begin to listen on entry, and leave nothing behind on exit.

    A bad key is refused as the Developer API does it: the handshake succeeds, and the answer to
    setup is a close with 1007 and "API key not valid. Please pass a valid API key.", a pair that
    many public reports quote. No key at all: 1008, with Google's usual words for callers without
    identity (that it comes as 1008 is inferred). google-genai raises ``APIError`` for both. With
    the fault ``handshake-refused`` both are HTTP 401, and no WebSocket opens.

    Args:
        script: What the model says; None for made-up replies.
        model_speed: How many times faster than real time it sends speech; None for the family's
            own, 4.3.
        seed: Decides every interval that varies. Connection n always meets the same ones.
        key: The only API key that is accepted; None for any.
        port: TCP port, 0 for a free one.
        host: Name or address to serve on. Beyond loopback a key must be given.
        interrupt_delay_ms: The model notices a user's voice so much later.
        deaf: The model never notices a voice that sets in while it speaks.
        family: The one family that serves whatever model is asked for, by its name or a model's;
            None for that of the model.
        hearing: How well it notices users: "clean" as in recorded sessions, or "phone" as in calls,
            with lags, misses and phantoms.
        profile: Facts of the model's family that are to be different, by the names of ``Family``,
            for example ``{"cancels_calls": True}``.
        faults: Misbehaviours to switch on; a string is read by ``Fault.parse``.
        log: File to write every message to, with its time: sound elided, secrets masked, words
            kept. It is replaced on entry.
        limits: Of messages and connections.
        transcribe: Learn what users say from their sound, with the extra ``transcribe``; without it
            from the script alone.

    Attributes:
        base_url: For ``HttpOptions(base_url=...)``, while it serves.
        ca_file: PEM file of the certificate to trust, while it serves.
        port: The port in use.
        sessions: What each connection's model heard and said, oldest first; the last 256.

    Raises:
        UsageError: Others could reach the host and no key is given, or another argument makes no
            sense; on entry, the port is taken or the log cannot be written.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        model_speed: float | None = None,
        seed: int = 0,
        key: str | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        interrupt_delay_ms: int = 0,
        deaf: bool = False,
        family: str | None = None,
        hearing: str = "clean",
        profile: Mapping[str, Any] | None = None,
        faults: Sequence[Fault | str] = (),
        log: Path | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        transcribe: bool = False,
    ) -> None:
        check_host(host, key)
        if transcribe:
            check_installed()
        if not 0 <= port <= 65535:
            raise UsageError(f"port {port} does not exist; choose 1 to 65535, or 0 for a free one")
        if model_speed is not None and not 0 < model_speed < math.inf:
            raise UsageError(f"model speed {model_speed} is no speed; 4.3 is the real one")
        self.script = script or Script()
        self.host = host
        self.port = port
        self.ca_file = ""
        self._admission = Admission(key, family, profile or {})
        self.sessions = self._admission.sessions
        ears = hearing_named(hearing)
        ears = dataclasses.replace(
            ears, delay_ms=interrupt_delay_ms, miss_rate=1.0 if deaf else ears.miss_rate
        )
        self._options = Options(
            speed=model_speed,
            hearing=ears,
            transcribes=transcribe,
            faults=tuple(Fault.parse(one) if isinstance(one, str) else one for one in faults),
        )
        self._seed = seed
        self._key = key
        self._limits = limits
        self._connections = 0
        self._open = 0
        self._log_path = log
        self._log: Recording | None = None
        self._folder: Path | None = None
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began_ms = 0
        self._rehearsals: set[asyncio.Task[None]] = set()
        self._thread: _LoopThread | None = None

    @property
    def base_url(self) -> str:
        """Where it serves, for example ``https://127.0.0.1:40123``."""
        name = reachable_name(self.host)
        host = f"[{name}]" if ":" in name else name
        return f"https://{host}:{self.port}"

    def client_ssl_context(self) -> ssl.SSLContext:
        """TLS settings for a client: they trust this emulator and nobody else."""
        return ssl.create_default_context(cafile=self.ca_file)

    def http_options(self) -> dict[str, Any]:
        """``http_options`` for ``google.genai.Client``: nothing else has to be set."""
        return {
            "base_url": self.base_url,
            "async_client_args": {"ssl": self.client_ssl_context()},
        }

    def issue_token(
        self,
        uses: int = 1,
        setup: Mapping[str, Any] | None = None,
        *,
        new_session_ms: int = NEW_SESSION_MS,
        expire_ms: int = EXPIRE_MS,
    ) -> str:
        """Make an ephemeral token for ``BidiGenerateContentConstrained``.

        Args:
            uses: Sessions that it opens, resumed ones not counted; 0 for any number.
            setup: Fields of the setup message that it decides.
            new_session_ms: For so long it opens them, from now or, if that is later, from when
                the emulator begins to serve.
            expire_ms: For so long it resumes them, and then those that it opened end.

        Raises:
            UsageError: The setup message has no such field, or the number of uses is none.
        """
        return self._admission.tokens.issue(
            self._served_ms(), uses, setup, new_session_ms=new_session_ms, expire_ms=expire_ms
        )

    def _served_ms(self) -> int:
        """How long it has served; 0 before that. Any thread may ask."""
        return 0 if self._loop is None else int(self._loop.time() * 1000) - self._began_ms

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            UsageError: The port or the host cannot be used, or the log cannot be written.
        """
        if self._log_path is not None:
            self._log = Recording(self._log_path, Scrubber([self._key or ""], words=True))
        self._folder = Path(tempfile.mkdtemp(prefix="pipeline-live-emulator-"))
        try:
            certificate_file, key_file = write_certificate(self._folder, reachable_name(self.host))
            self._server = await serve(
                self._handle,
                self.host,
                self.port,
                ssl=server_context(certificate_file, key_file),
                process_request=self._answer_by_http,
                create_connection=Socket,
                max_size=self._limits.message_bytes,
                # Sound does not get smaller by it, and it would cost a tenth of the core.
                compression=None,
            )
        except OSError as error:
            self._remove_files()
            if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
                raise no_address(self.host) from None
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise UsageError(
                f"port {self.port} on {self.host} cannot be used ({error.strerror}); "
                "choose another, or 0 for a free one"
            ) from None
        self._loop, self._began_ms = asyncio.get_running_loop(), now_ms()
        self.ca_file = str(certificate_file)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        """Stop: hang up on every client, free the port, remove the certificate."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        for task in self._rehearsals:
            task.cancel()
        await asyncio.gather(*self._rehearsals, return_exceptions=True)
        self._remove_files()

    async def wait_closed(self) -> None:
        """Wait until ``close`` was called and has finished."""
        if self._server is not None:
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        self._thread = _LoopThread()
        try:
            self._thread.call(self.start())
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.call(self.close())
            thread.stop()

    def _remove_files(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- connections -------------------------------------------------------------------------

    def _answer_by_http(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake for its path, or for its key if a fault says so."""
        refusal = check_path(connection, request)
        place = place_of(request.path)
        if refusal is not None or place is None or place.constrained:
            return refusal
        try:
            check_key(request, self._key, vertex=place.vertex)
        except Refused as refused:
            faults, number = self._options.faults, self._connections + 1
            status = Mischief(faults, seed=self._seed, connection=number).turns_away()
            if status is not None:
                self._connections = number
                return connection.respond(status, f"{refused.reason}\n")
        return None

    async def _handle(self, websocket: ServerConnection) -> None:
        number = self._connections
        self._connections += 1
        session = Session()
        log = self._begin_log(websocket)
        self._open += 1
        try:
            await self._converse(websocket, session, number, log)
        except Refused as refusal:
            session.open = False  # who is told so may resume at once
            await websocket.close(refusal.code, refusal.reason)
        except ConnectionClosed:
            pass
        finally:
            self._open -= 1
            session.open = False
            session.closed_ms = self._served_ms()
            session.close_code = websocket.protocol.close_code
            session.close_reason = websocket.protocol.close_reason or ""
            if log is not None:
                log.close(session.close_code, session.close_reason)

    def _begin_log(self, websocket: ServerConnection) -> SessionRecording | None:
        request = websocket.request
        if self._log is None or request is None:
            return None
        return self._log.session(now_ms, request.path, request.headers.get("User-Agent", ""))

    async def _converse(
        self,
        websocket: ServerConnection,
        session: Session,
        number: int,
        log: SessionRecording | None,
    ) -> None:
        assert websocket.request is not None
        rng = random.Random(f"{self._seed}/{number}")
        place = place_of(websocket.request.path)
        assert place is not None
        try:
            async with asyncio.timeout(self._limits.setup_ms / 1000):
                first = await websocket.recv()
        except TimeoutError:
            raise too_late() from None
        if log is not None:
            log.client(first)
        token = self._admission.identify(websocket.request, place, self._served_ms())
        if self._open > self._limits.sessions:
            raise out_of_quota()
        guest = self._admission.admit(first, place, token, session, rng, self._served_ms())
        self._rehearse(session.voice)
        mind = Mind(
            guest.setup,
            guest.family,
            session,
            now_ms(),
            script=self.script,
            options=self._options,
            rng=random.Random(rng.random()),
            connection=number + 1,
        )
        assert isinstance(websocket, Socket)
        websocket.close_delay_ms = guest.family.close_ms
        await self._until(guest.ends_ms, Connection(websocket, mind, guest.family, rng, log))

    async def _until(self, ends_ms: int | None, connection: Connection) -> None:
        """Hold a conversation until its token expires, if it has one."""
        left_s = None if ends_ms is None else (ends_ms - self._served_ms()) / 1000
        try:
            async with asyncio.timeout(left_s) as limit:
                await connection.run()
        except TimeoutError:
            if limit.expired():
                raise expired() from None
            raise

    def _rehearse(self, voice: str) -> None:
        """Have the first replies spoken ahead, so that they are ready when they are due."""
        task = asyncio.create_task(self._speak_ahead(voice))
        self._rehearsals.add(task)
        task.add_done_callback(self._rehearsals.discard)

    async def _speak_ahead(self, voice: str) -> None:
        for reply in self.script.likely(_REHEARSED):
            spoken_by = reply.voice or voice
            await asyncio.to_thread(synthesize, reply.text, spoken_by, reply.speed)


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def call(self, work: Any) -> None:
        """Run a coroutine on the loop and wait for its end."""
        future: concurrent.futures.Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(_START_TIMEOUT_S)

    def stop(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT_S)
