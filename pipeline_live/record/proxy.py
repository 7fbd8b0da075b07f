"""A server on loopback that passes sessions on to the real service and writes them down."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from pipeline_live.emulator.certificate import server_context, write_certificate
from pipeline_live.emulator.connection import now_ms
from pipeline_live.emulator.recording import Recording, SessionRecording
from pipeline_live.errors import UsageError
from pipeline_live.record.marks import SpeechMarks

SERVICE = "https://generativelanguage.googleapis.com"
_HOST = "127.0.0.1"
_MESSAGE_BYTES = 16 * 2**20
_REASON_BYTES = 123
_NO_STATUS, _ABNORMAL, _TLS = 1005, 1006, 1015
_INTERNAL = 1011


class Proxy:
    """Listens on loopback; ``async with`` serves on the running loop.

    Messages pass unchanged, in both directions, and so do close codes and reasons. The client's own
    key is not passed on: the service gets this one's, so a client may use any.

    Args:
        recording: Where every message is written.
        key: API key for the service.
        upstream: Base URL of the service.
        port: TCP port, 0 for a free one.

    Attributes:
        base_url: For ``HttpOptions(base_url=...)``, while it serves.
        ca_file: PEM file of the certificate to trust, while it serves.
        port: The port in use.
        failures: Why the service could not be reached, one text per session that failed.

    Raises:
        UsageError: The upstream is no ``https`` URL; on entry, the port is taken.
    """

    def __init__(
        self, recording: Recording, key: str, *, upstream: str = SERVICE, port: int = 0
    ) -> None:
        url = urlsplit(upstream)
        if url.scheme not in ("https", "wss") or not url.netloc:
            raise UsageError(f"--upstream {upstream}: must be an https URL, for example {SERVICE}")
        self.port = port
        self.ca_file = ""
        self.failures: list[str] = []
        self._upstream = f"wss://{url.netloc}{url.path.rstrip('/')}"
        self._recording = recording
        self._key = key
        self._folder: Path | None = None
        self._server: Server | None = None

    @property
    def base_url(self) -> str:
        """Where it serves."""
        return f"https://{_HOST}:{self.port}"

    def client_ssl_context(self) -> ssl.SSLContext:
        """TLS settings for a client: they trust this proxy and nobody else."""
        return ssl.create_default_context(cafile=self.ca_file)

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="pipeline-live-record-"))
        certificate_file, key_file = write_certificate(self._folder)
        try:
            self._server = await serve(
                self._handle,
                _HOST,
                self.port,
                ssl=server_context(certificate_file, key_file),
                max_size=_MESSAGE_BYTES,
                # A service that is late with its pongs must not look like a client that is gone.
                ping_interval=None,
            )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise UsageError(
                f"port {self.port} cannot be used ({error.strerror}); "
                "choose another, or 0 for a free one"
            ) from None
        self.ca_file = str(certificate_file)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # --- sessions ----------------------------------------------------------------------------

    async def _handle(self, client: ServerConnection) -> None:
        assert client.request is not None
        path, agent = client.request.path, client.request.headers.get("User-Agent", "")
        session = self._recording.session(now_ms, path, agent)
        try:
            service = await self._reach(client, agent)
        except (OSError, TimeoutError, WebSocketException) as error:
            failure = _explain(error)
            self.failures.append(failure)
            session.close(_INTERNAL, failure)
            await _close(client, _INTERNAL, failure)
            return
        async with service:
            await _pass_on(client, service, session)

    async def _reach(self, client: ServerConnection, agent: str) -> ClientConnection:
        """Open the same path at the service, with our key or, on Vertex, the client's token."""
        assert client.request is not None
        path = "/" + client.request.path.partition("?")[0].lstrip("/")
        token = client.request.headers.get("Authorization", "")
        if ".aiplatform." in path and token:
            headers = {"Authorization": token}
        else:
            headers = {"x-goog-api-key": self._key}
        return await connect(
            self._upstream + path,
            additional_headers=headers,
            user_agent_header=agent or None,
            max_size=_MESSAGE_BYTES,
            ping_interval=None,
        )


async def _pass_on(
    client: ServerConnection, service: ClientConnection, session: SessionRecording
) -> None:
    marks = SpeechMarks()

    async def up() -> None:
        async for frame in client:
            session.client(frame)
            await service.send(frame)
            for mark in marks.hear(frame, session.now_ms):
                session.event("speech", state=mark.state, at_ms=mark.at_ms)

    async def down() -> None:
        async for frame in service:
            session.server(frame)
            await client.send(frame)

    pumps = [asyncio.create_task(up()), asyncio.create_task(down())]
    try:
        done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in done:
            with contextlib.suppress(ConnectionClosed):
                pump.result()
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    for mark in marks.finish():
        session.event("speech", state=mark.state, at_ms=mark.at_ms)
    ended, other = (service, client) if service.close_code is not None else (client, service)
    code, reason = ended.close_code, ended.close_reason or ""
    session.close(code, reason)
    await _close(other, code, reason)


async def _close(connection: Connection, code: int | None, reason: str) -> None:
    """Close as the other side did; the codes that cannot be sent become those that say the same."""
    if code is None or code == _NO_STATUS:
        code = 1000
    elif code in (_ABNORMAL, _TLS):
        code = _INTERNAL
    await connection.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))


def _explain(error: Exception) -> str:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        hint = "; check GEMINI_API_KEY" if status in (401, 403) else ""
        return f"the service answered HTTP {status}{hint}"
    return f"the service cannot be reached: {str(error) or type(error).__name__}"
