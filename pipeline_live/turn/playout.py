"""What the user really heard: replies, and the ledger of their samples.

The server sends a reply several times faster than it can be played, so what was received says
little about what was heard. The ledger counts both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_live.turn.alignment import RATE, Alignment


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
    words: Alignment
    received: int = 0
    played: int = 0
    first_ms: int | None = None
    complete: bool = False
    flushed: bool = False
    heard_chars: int = 0  # once it was flushed

    def advance(self, samples: int) -> None:
        """So much of it was played in total; it never runs back."""
        self.played = max(self.played, min(self.received, samples))
        self.words.heard(self.played)  # a look now and then is cheap, one at the end is not


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
        self.has_sink = False
        """Whether a sink reports what it played; otherwise playout is assumed."""

    def attach_sink(self) -> None:
        """From now on a sink reports what it played; nothing is assumed."""
        self.has_sink = True

    def start(self, reply: Reply) -> None:
        """Open the account of a new reply."""
        latest = next(reversed(self._accounts.values()), None)
        words = Alignment(latest.words.pace if latest is not None else 1.0)
        self._accounts[reply.number] = _Account(reply, words)
        while len(self._accounts) > self._keep:
            del self._accounts[next(iter(self._accounts))]

    def receive(self, reply: Reply, samples: int, at_ms: int, levels: Sequence[int] = b"") -> None:
        """Speech of ``reply`` was received and handed on; ``levels`` as in ``AudioReceived``."""
        account = self._accounts[reply.number]
        if account.first_ms is None and samples:
            account.first_ms = at_ms
        account.received += samples
        account.words.hear(samples, levels)

    def transcribe(self, reply: Reply, text: str) -> None:
        """Words of ``reply`` were received, before, beside or after their sound."""
        self._accounts[reply.number].words.read(text)

    def complete(self, reply: Reply) -> None:
        """The server has sent all of ``reply``."""
        account = self._accounts[reply.number]
        account.complete = True
        account.words.close()

    def play(self, number: int, samples: int) -> None:
        """The sink has played ``samples`` of reply ``number`` in total; it never runs back."""
        account = self._accounts.get(number)
        if account is not None:
            account.advance(samples)

    def settle(self, at_ms: int) -> None:
        """Bring the assumed playout up to ``at_ms``; without effect when a sink reports."""
        if self.has_sink:
            return
        free_ms = 0
        for account in self._accounts.values():
            if account.first_ms is None:
                continue
            begin_ms = max(account.first_ms, free_ms)
            if not account.flushed:
                account.advance(max(0, at_ms - begin_ms) * RATE // 1000)
            free_ms = begin_ms + account.played * 1000 // RATE

    def flush(self, reply: Reply) -> None:
        """What waits of ``reply`` will never be played."""
        account = self._accounts[reply.number]
        account.heard_chars = self.heard_chars(reply.number)
        account.flushed = True

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

    def transcript(self, number: int) -> str:
        """All words of reply ``number`` that were received; empty for one that is forgotten."""
        account = self._accounts.get(number)
        return account.words.text if account is not None else ""

    def heard_chars(self, number: int) -> int:
        """How much of ``transcript`` was heard, in characters; it never runs back.

        Words end where the alignment of transcript and loudness puts them; a word counts once half
        of it was played, and all do once the whole reply was.
        """
        account = self._accounts.get(number)
        if account is None or not account.played:
            return 0
        if account.flushed:
            return account.heard_chars
        if account.complete and account.played >= account.received:
            return len(account.words.text)
        return account.words.heard(account.played)

    def heard_text(self, reply: Reply) -> str:
        """The words of ``reply`` that were heard."""
        return self.transcript(reply.number)[: self.heard_chars(reply.number)].strip()
