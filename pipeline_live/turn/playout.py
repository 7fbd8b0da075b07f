"""What the user really heard: replies, and the ledger of their samples.

The server sends a reply several times faster than it can be played, so what was received says
little about what was heard. The ledger counts both.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

RATE = 24_000
"""Sample rate of Gemini's speech in Hz (s16le, mono)."""

_CHARS_PER_SECOND = 15
"""Speed of speech that is assumed until a reply is complete (English, any Gemini voice)."""


@dataclass(slots=True, eq=False)
class Reply:
    """One model turn as the client sees it; the tag that its audio carries everywhere.

    The object is shared: once ``dead`` is set, whoever holds audio with this tag drops it.

    Attributes:
        number: 1 for the first reply of a call. The server sends no id.
        dead: True once the reply was interrupted.
        protected: True for a reply that is played to its end, whatever happens.
    """

    number: int
    dead: bool = False
    protected: bool = False


@dataclass(slots=True)
class _Account:
    reply: Reply
    received: int = 0
    played: int = 0
    first_ms: int | None = None
    complete: bool = False
    flushed: bool = False
    text: str = ""
    anchors: list[tuple[int, int]] = field(default_factory=list)
    """(characters before this piece of transcript, samples received before it), ascending."""


class PlayoutLedger:
    """Counts, per reply, what was received and what was played, in samples at 24 kHz.

    Without a sink that reports (``attach_sink``), playout is assumed to run in real time from the
    first sample of each reply, one reply after the other: right for a program that plays what it
    gets, without a delay of its own.

    Args:
        keep: How many replies to remember; older ones are forgotten.
    """

    def __init__(self, keep: int = 16) -> None:
        self._keep = keep
        self._accounts: dict[int, _Account] = {}
        self._sink_reports = False

    def attach_sink(self) -> None:
        """From now on a sink reports what it played; nothing is assumed."""
        self._sink_reports = True

    def start(self, reply: Reply) -> None:
        """Open the account of a new reply."""
        self._accounts[reply.number] = _Account(reply)
        while len(self._accounts) > self._keep:
            del self._accounts[next(iter(self._accounts))]

    def receive(self, reply: Reply, samples: int, at_ms: int) -> None:
        """Speech of ``reply`` was received and handed on."""
        account = self._accounts[reply.number]
        if account.first_ms is None and samples:
            account.first_ms = at_ms
        account.received += samples

    def transcribe(self, reply: Reply, text: str) -> None:
        """Words of ``reply`` were received; they describe audio from here on."""
        account = self._accounts[reply.number]
        account.anchors.append((len(account.text), account.received))
        account.text += text

    def complete(self, reply: Reply) -> None:
        """The server has sent all of ``reply``."""
        self._accounts[reply.number].complete = True

    def play(self, number: int, samples: int) -> None:
        """The sink has played ``samples`` of reply ``number`` in total; it never runs back."""
        account = self._accounts.get(number)
        if account is not None:
            account.played = min(account.received, max(account.played, samples))

    def settle(self, at_ms: int) -> None:
        """Bring the assumed playout up to ``at_ms``; without effect when a sink reports."""
        if self._sink_reports:
            return
        free_ms = 0
        for account in self._accounts.values():
            if account.first_ms is None:
                continue
            begin_ms = max(account.first_ms, free_ms)
            if not account.flushed:
                elapsed = max(0, at_ms - begin_ms) * RATE // 1000
                account.played = max(account.played, min(account.received, elapsed))
            free_ms = begin_ms + account.played * 1000 // RATE

    def flush(self, reply: Reply) -> None:
        """What waits of ``reply`` will never be played."""
        self._accounts[reply.number].flushed = True

    def waiting(self) -> tuple[Reply, ...]:
        """Replies with audio that was received but not played yet, oldest first."""
        return tuple(
            account.reply
            for account in self._accounts.values()
            if account.played < account.received and not account.flushed
        )

    def received_samples(self, reply: Reply) -> int:
        """Samples of ``reply`` received so far."""
        return self._accounts[reply.number].received

    def expected_end_ms(self, reply: Reply) -> int | None:
        """When the server believes playback of ``reply`` ends: first audio plus all of it."""
        account = self._accounts[reply.number]
        if account.first_ms is None:
            return None
        return account.first_ms + account.received * 1000 // RATE

    def heard_samples(self, reply: Reply) -> int:
        """Samples of ``reply`` that the user heard."""
        return self._accounts[reply.number].played

    def heard_ms(self, reply: Reply) -> int:
        """Milliseconds of ``reply`` that the user heard."""
        return self.heard_samples(reply) * 1000 // RATE

    def heard_text(self, reply: Reply) -> str:
        """The words of ``reply`` that were heard to their end, as far as the transcript tells.

        A word is placed at an even speed of speech (of the whole reply once it is complete, an
        assumed one before), never earlier than the audio with which its transcript came. An
        estimate: pauses are not looked at.
        """
        account = self._accounts[reply.number]
        if not account.text or not account.played:
            return ""
        if account.complete and account.played >= account.received:
            return account.text.strip()
        per_char = RATE / _CHARS_PER_SECOND
        if account.complete:
            per_char = account.received / len(account.text)
        heard_to = 0
        for word in re.finditer(r"\S+", account.text):
            piece = bisect.bisect_right(account.anchors, (word.start(), account.received)) - 1
            begins_at, anchor = account.anchors[piece]
            end = max(word.end() * per_char, anchor + (word.end() - begins_at) * per_char)
            if account.complete:
                end = word.end() * per_char
            if end > account.played:
                break
            heard_to = word.end()
        return account.text[:heard_to].strip()
