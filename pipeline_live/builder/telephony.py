"""Phone calls over a WebSocket, without the provider's credentials.

Pipecat's own ``create_transport`` makes serializers that hang up at the provider and so want its
credentials; a bot that ends its calls by closing the WebSocket needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipecat.runner.types import CallData, WebSocketRunnerArguments
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.base_serializer import FrameSerializer

from pipeline_live.errors import UsageError

if TYPE_CHECKING:
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketTransport

_INBOUND = "PCMU"


async def plain_telephony(
    runner_args: WebSocketRunnerArguments, chunks_10ms: int
) -> FastAPIWebsocketTransport:
    """The transport of a phone call that nobody hangs up at the provider.

    Args:
        runner_args: The session; gets the provider and what it said of the call.
        chunks_10ms: What the transport writes at once.

    Raises:
        UsageError: The other side is no provider that Pipecat knows.
    """
    from pipecat.transports.websocket.fastapi import (
        FastAPIWebsocketParams,
        FastAPIWebsocketTransport,
    )

    provider, call = await parse_telephony_websocket(runner_args.websocket)
    if provider not in _SERIALIZERS:
        known = ", ".join(_SERIALIZERS)
        raise UsageError(f"not a phone call of {known}: the first messages fit none of them")
    runner_args.transport_type, runner_args.call_data = provider, call
    params = FastAPIWebsocketParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_out_10ms_chunks=chunks_10ms,
        serializer=_SERIALIZERS[provider](call),
    )
    return FastAPIWebsocketTransport(websocket=runner_args.websocket, params=params)


def _twilio(call: CallData) -> FrameSerializer:
    from pipecat.serializers.twilio import TwilioFrameSerializer as Serializer

    quiet = Serializer.InputParams(auto_hang_up=False)
    return Serializer(call["stream_id"], call["call_id"], params=quiet)


def _telnyx(call: CallData) -> FrameSerializer:
    from pipecat.serializers.telnyx import TelnyxFrameSerializer as Serializer

    quiet = Serializer.InputParams(auto_hang_up=False)
    encoding = call["outbound_encoding"]
    return Serializer(call["stream_id"], encoding, _INBOUND, call["call_id"], params=quiet)


def _plivo(call: CallData) -> FrameSerializer:
    from pipecat.serializers.plivo import PlivoFrameSerializer as Serializer

    quiet = Serializer.InputParams(auto_hang_up=False)
    return Serializer(call["stream_id"], call["call_id"], params=quiet)


def _exotel(call: CallData) -> FrameSerializer:
    from pipecat.serializers.exotel import ExotelFrameSerializer as Serializer

    return Serializer(call["stream_id"], call["call_id"])


_SERIALIZERS: dict[str, Callable[[CallData], FrameSerializer]] = {
    "twilio": _twilio,
    "telnyx": _telnyx,
    "plivo": _plivo,
    "exotel": _exotel,
}
