"""A WebSocket connection whose answers to pings and to a close can be late."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol


class Socket(ServerConnection):
    """One client's connection.

    Attributes:
        pong_delay_ms: How late pings are answered.
        close_delay_ms: How late the client's close is answered.
    """

    def __init__(self, protocol: ServerProtocol, server: Server, **options: Any) -> None:
        super().__init__(protocol, server, **options)
        self.pong_delay_ms = 0
        self.close_delay_ms = 0
        self._receive = protocol.recv_frame
        protocol.recv_frame = self._receive_or_wait  # type: ignore[method-assign]

    def send_data(self) -> None:
        """Write what is to be sent; after a close of the client that is the answer to it.

        If the client does not wait for it, nobody else does.
        """
        if self.close_delay_ms and self.protocol.close_rcvd_then_sent:
            loop = asyncio.get_running_loop()
            loop.call_later(self.close_delay_ms / 1000, super().send_data)
            self.close_delay_ms = 0
        else:
            super().send_data()

    def _receive_or_wait(self, frame: Frame) -> None:
        """Websockets answers a ping while it parses it; so that is what has to wait."""
        if frame.opcode is Opcode.PING and self.pong_delay_ms:
            loop = asyncio.get_running_loop()
            loop.call_later(self.pong_delay_ms / 1000, self._answer_late, frame)
        else:
            self._receive(frame)

    def _answer_late(self, ping: Frame) -> None:
        if not self.transport.is_closing():
            self._receive(ping)
            self.send_data()
