"""Who may come in: addresses to serve on, request paths, keys, and how much of everything.

The service says no by closing the connection after its handshake; only a path that does not exist
is refused by HTTP, and a bad key while the fault ``handshake-refused`` is on. What a quota is worth
and how long a message may be is not published, so the numbers here are ours; the close codes and
the words are the service's.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
import urllib.parse
from dataclasses import dataclass
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from pipeline_live.emulator.messages import INTERNAL, INVALID, POLICY, Refused
from pipeline_live.errors import UsageError

# @google/genai 3.3 asks for v1 unless told otherwise, python's google-genai 2.34 for v1beta.
_DEVELOPER = re.compile(
    r"/+ws/google\.ai\.generativelanguage\.(?P<version>v1|v1alpha|v1beta)"
    r"\.GenerativeService[./]BidiGenerateContent(?P<constrained>Constrained)?"
)
_VERTEX = re.compile(
    r"/+ws/google\.cloud\.aiplatform\.(?P<version>v1|v1beta1)"
    r"\.LlmBidiService[./]BidiGenerateContent"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a server takes on.

    Attributes:
        message_bytes: A longer message of a client ends its connection with 1009.
        sessions: Connections at once; one more is told that its quota is used up (1011).
        setup_ms: So long may a client take for its setup message (1011).
    """

    message_bytes: int = 4 * 2**20
    sessions: int = 100
    setup_ms: int = 30_000

    def __post_init__(self) -> None:
        for name in ("message_bytes", "sessions", "setup_ms"):
            if getattr(self, name) < 1:
                raise UsageError(f"a limit of {getattr(self, name)} {name}: must be 1 or more")


@dataclass(frozen=True, slots=True)
class Place:
    """What a request path asks for.

    Attributes:
        version: API version.
        vertex: The Vertex surface.
        constrained: The method for ephemeral tokens.
    """

    version: str
    vertex: bool
    constrained: bool = False


def place_of(path: str) -> Place | None:
    """What lives at a request path, with or without a query; None for nothing.

    google-genai's paths begin with two slashes.
    """
    path = path.partition("?")[0]
    developer, vertex = _DEVELOPER.fullmatch(path), _VERTEX.fullmatch(path)
    match = developer or vertex
    if match is None:
        return None
    constrained = developer is not None and developer["constrained"] is not None
    if constrained and match["version"] == "v1":  # a public probe with a made-up token found none
        return None
    return Place(match["version"], vertex is not None, constrained)


def check_path(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse a path that the service does not have."""
    if place_of(request.path) is not None:
        return None
    path = request.path.partition("?")[0]
    return connection.respond(HTTPStatus.NOT_FOUND, f"nothing lives at {path}\n")


def check_host(host: str, key: str | None) -> None:
    """See whether one can serve on an address, and whether it is safe.

    Args:
        host: Name or address.
        key: The key that is asked for, if any.

    Raises:
        UsageError: It is none, or others could reach it and no key is asked for.
    """
    if not host or not host.isascii():
        raise no_address(host)
    if not is_loopback(host) and not key:
        raise UsageError(
            f"cannot serve on {host} without a key, for others can reach it; "
            "give one, or serve on 127.0.0.1"
        )


def no_address(host: str) -> UsageError:
    """Nobody can serve there."""
    return UsageError(
        f"{host or 'nothing'} is no address of this machine; choose another, or 127.0.0.1"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reachable_name(host: str) -> str:
    """How a client names a server that listens on ``host``."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return socket.gethostname() if address.is_unspecified else host


def check_key(request: Request, key: str | None, *, vertex: bool) -> None:
    """See whether a client has the right key.

    Args:
        request: Its handshake: a key can be a header, a bearer token or in the query.
        key: The only one that is right; None for any, but on the Developer API there must be one.
        vertex: Asked on the Vertex surface, whose clients may come without one when any is right.

    Raises:
        Refused: It has not.
    """
    given = given_key(request)
    if not given and not (vertex and key is None):
        raise Refused(
            POLICY,
            "Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        )
    if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
        raise Refused(INVALID, "API key not valid. Please pass a valid API key.")


def given_key(request: Request) -> str:
    """The key or token of a handshake: a header, a bearer token or in the query; or empty."""
    fields = urllib.parse.parse_qs(request.path.partition("?")[2])
    keys = [
        request.headers.get("x-goog-api-key", ""),
        *fields.get("key", ()),
        *fields.get("access_token", ()),
        request.headers.get("Authorization", "").partition(" ")[2],
    ]
    return next((one for one in keys if one), "")


def out_of_quota() -> Refused:
    """One session too many (429 RESOURCE_EXHAUSTED as it arrives on a WebSocket)."""
    return Refused(INTERNAL, "Resource has been exhausted (e.g. check quota).")


def too_late() -> Refused:
    """No setup message came."""
    return Refused(INTERNAL, "Deadline expired before operation could complete.")
