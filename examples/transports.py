"""Transport parameters for Pipecat's runner: by name, made when the transport is chosen.

``audio_out_10ms_chunks=2`` lets a transport fall silent within 20 ms; Pipecat's own is 40.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipecat.transports.base_transport import TransportParams

BOTH_WAYS: dict[str, Any] = {
    "audio_in_enabled": True,
    "audio_out_enabled": True,
    "audio_out_10ms_chunks": 2,
}


def webrtc() -> TransportParams:
    """A browser, peer to peer."""
    return TransportParams(**BOTH_WAYS)


def daily() -> Any:
    """A room at Daily; needs pip install 'pipecat-ai[daily]'."""
    from pipecat.transports.daily.transport import DailyParams

    return DailyParams(**BOTH_WAYS)


def phone_line() -> Any:
    """A phone line: Twilio, Telnyx, Plivo or Exotel."""
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

    return FastAPIWebsocketParams(**BOTH_WAYS)


def websocket() -> Any:
    """Pipecat's WebSocket clients."""
    from pipecat.serializers.protobuf import ProtobufFrameSerializer

    params = phone_line()
    params.serializer = ProtobufFrameSerializer()
    return params


def evaluation() -> Any:
    """``pipecat eval``; needs pip install 'pipecat-ai[evals]'."""
    from pipecat.evals.transport import EvalTransportParams

    return EvalTransportParams(**BOTH_WAYS)


TRANSPORTS: dict[str, Callable[[], Any]] = {
    "webrtc": webrtc,
    "daily": daily,
    **dict.fromkeys(("twilio", "telnyx", "plivo", "exotel"), phone_line),
    "websocket": websocket,
    "eval": evaluation,
}
