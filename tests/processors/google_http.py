"""Google's plain HTTP services on loopback, as far as bots need them: access tokens and files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class GoogleHttp(ThreadingHTTPServer):
    """Serves tokens at ``/token`` and the Files API's resumable upload at ``/files``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.uploads: list[bytes] = []

    def service_account(self) -> str:
        """Credentials whose tokens come from here."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key": pem,
                "private_key_id": "k",
                "client_email": "bot@p.example",
                "token_uri": f"{self.url}/token",
            }
        )


class _Handler(BaseHTTPRequestHandler):
    server: GoogleHttp

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match self.path.partition("?")[0]:
            case "/token":
                self._answer({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})
            case "/files":
                self._answer({}, {"X-Goog-Upload-URL": f"{self.server.url}/files/upload"})
            case "/files/upload":
                self.server.uploads.append(body)
                self._answer({"file": {"name": "files/1", "uri": f"{self.server.url}/files/1"}})

    def _answer(self, body: dict[str, object], headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def google_http() -> Iterator[GoogleHttp]:
    """Serve for the length of a block."""
    server = GoogleHttp()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
