"""What is peculiar about the SDK and its connections, in one place.

Facts about google-genai were tried on 2.34; ``tests/pipecat/test_sdk_facts.py`` pins them.
"""

from __future__ import annotations

import re
import ssl

from google.genai import errors, types
from websockets.exceptions import InvalidStatus, WebSocketException

from pipeline_live.errors import ConnectionFailed, UsageError
from pipeline_live.turn.policy import Floor

_POLICY_VIOLATION = 1008
_INVALID = 1007


def options_for(base_url: str, ca_file: str | None = None) -> types.HttpOptions:
    """Lead a client to another server than Google's.

    The SDK turns any address into ``wss`` for API keys, so the server needs TLS.

    Args:
        base_url: For example ``https://127.0.0.1:8765``.
        ca_file: PEM file of the certificate to trust; the system's when not given.
    """
    trust = ssl.create_default_context(cafile=ca_file)
    return types.HttpOptions(base_url=base_url, async_client_args={"ssl": trust})


def is_close(error: errors.APIError) -> bool:
    """Whether the SDK's error stands for a closed WebSocket.

    The SDK raises ``APIError`` with the close code for every close, even a polite one (1000), and
    with 4xx for an error object on an open connection.
    """
    return 1000 <= (error.code or 0) <= 4999


CONNECT_FAILURES = (errors.APIError, ConnectionFailed, WebSocketException, OSError, TimeoutError)
"""What opening a connection can raise without being a bug."""


def explain(error: BaseException) -> ConnectionFailed:
    """Say why a connection could not be opened, and what to do.

    Args:
        error: What ``connect()`` of google-genai raised.
    """
    if isinstance(error, ConnectionFailed):
        return error
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in (401, 403):
            return ConnectionFailed(
                "the API key was refused",
                code=status,
                hint="check GEMINI_API_KEY (keys are made at aistudio.google.com/apikey)",
                terminal=True,
            )
        return ConnectionFailed(f"the server answered HTTP {status}", code=status)
    if isinstance(error, errors.APIError):
        return _explain_close(error.code or 1006, str(error.details or error.message or ""))
    if isinstance(error, TimeoutError):
        return ConnectionFailed("no answer in time", hint="check the network and try again")
    if isinstance(error, (OSError, WebSocketException)):
        said = str(error) or type(error).__name__
        return ConnectionFailed(said, hint="check the network and the address")
    return ConnectionFailed(f"{type(error).__name__}: {error}", terminal=True)


def _explain_close(code: int, reason: str) -> ConnectionFailed:
    reason = reason or "closed during the set-up"
    if re.search(r"auth token|token has been used", reason, re.IGNORECASE):
        hint = "make a new ephemeral token; by default one opens one session, within a minute"
        return ConnectionFailed(reason, code=code, hint=hint, terminal=True)
    if re.search(r"api[ _]key|credential|auth|permission", reason, re.IGNORECASE):
        hint = "check GEMINI_API_KEY (keys are made at aistudio.google.com/apikey)"
        return ConnectionFailed(reason, code=code, hint=hint, terminal=True)
    if re.search(r"\bmodels?\b.*(not found|not supported)|entity was not found", reason, re.I):
        hint = "choose a Live model, for example gemini-3.8-live"
        return ConnectionFailed(reason, code=code, hint=hint, terminal=True)
    if code in (_INVALID, _POLICY_VIOLATION):
        hint = "the server rejects this configuration; see the reason"
        return ConnectionFailed(reason, code=code, hint=hint, terminal=True)
    return ConnectionFailed(reason, code=code)


def prepared_config(
    config: types.LiveConnectConfigOrDict | None, floor: Floor | None
) -> tuple[types.LiveConnectConfig, Floor]:
    """The configuration to send, and who holds the floor under it.

    Automatic activity detection is always sent explicitly: without any ``realtimeInputConfig`` some
    sessions were seen not to react at all (VOSStudio probe, September 2026).

    Args:
        config: What the program asked for.
        floor: Who is to decide turns; None takes it from ``config``: automatic VAD on means the
            server, off means that the program sends activityStart and activityEnd itself.

    Raises:
        UsageError: ``config`` and ``floor`` contradict each other.
    """
    live = (
        types.LiveConnectConfig.model_validate(config)
        if isinstance(config, dict)
        else (config or types.LiveConnectConfig())
    )
    realtime = live.realtime_input_config or types.RealtimeInputConfig()
    detection = realtime.automatic_activity_detection or types.AutomaticActivityDetection()
    if floor is None:
        floor = Floor.PROGRAM if detection.disabled else Floor.SERVER
    if floor is Floor.SERVER and detection.disabled:
        raise UsageError(
            "floor='server' needs automatic activity detection, but the configuration disables it; "
            "drop one of the two"
        )
    if floor is Floor.LOCAL and detection.disabled is False:
        raise UsageError(
            "floor='local' needs automatic activity detection off, but the configuration turns it "
            "on; drop one of the two"
        )
    detection = detection.model_copy(update={"disabled": floor is not Floor.SERVER})
    realtime = realtime.model_copy(update={"automatic_activity_detection": detection})
    return live.model_copy(update={"realtime_input_config": realtime}), floor
