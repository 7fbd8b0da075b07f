"""When a session can be resumed, and what the client is told about it."""

from __future__ import annotations

from pipeline_live.emulator import frames
from pipeline_live.emulator.families import Family
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import Setup
from pipeline_live.emulator.stage import Stage


class Resumption:
    """Issues the handles of one connection; each restores the conversation as it is then.

    Some families send one handle unasked, right after setup. Who asks gets a new one whenever the
    model has said something, and an empty update while it cannot be resumed: while it generates or
    waits for a tool (Google's page on sessions; kazunori279/adk-streaming-guide#11 shows the empty
    ones). A new handle comes before turnComplete, since nothing follows that on 3.8 (ANC); the
    exact place is ours.

    Args:
        stage: Where to plan and to send.
        setup: Whether the client asked.
        family: Whether it gets one unasked.
        session: Keeps what the handles restore.

    Attributes:
        consumed: How many messages of the client the model has taken in.
    """

    def __init__(self, stage: Stage, setup: Setup, family: Family, session: Session) -> None:
        self.consumed = 0
        self._stage = stage
        self._asked = setup.resumption
        self._transparent = setup.transparent
        self._family = family
        self._session = session
        self._resumable = True
        self._opened_ms = 0

    def open(self, at_ms: int) -> None:
        """Setup is complete."""
        self._opened_ms = at_ms
        if self._asked or self._family.resumption_unasked:
            self._stage.plan(at_ms + self._stage.wait(self._family.resumption_ms), self._issue)

    def suspend(self, at_ms: int) -> None:
        """From now on the session cannot be resumed."""
        if self._asked and self._resumable:
            self._resumable = False
            self._stage.send(frames.resumption_update(""), at_ms)

    def offer(self, at_ms: int) -> None:
        """From now on it can."""
        if self._asked:
            self._resumable = True
            self._issue(at_ms)

    def _issue(self, at_ms: int) -> None:
        if not self._resumable:
            return
        handle = f"{self._stage.rng.getrandbits(128):032x}"
        self._session.remember(handle, at_ms - self._opened_ms)
        consumed = self.consumed if self._transparent else None
        self._stage.send(frames.resumption_update(handle, consumed), at_ms)
