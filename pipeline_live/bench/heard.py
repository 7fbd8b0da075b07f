"""How well the heard words are known: against the true times of a synthesizer's words.

``pipeline-live bench --heard`` lets each voice of the emulator speak replies full of pauses,
numbers and words of all lengths, sends them to a ledger in the order of each model family, four
times faster than real time, and cuts them every 100 ms. No network, no clock: some thousand cuts
take seconds. A word that is cut in the middle may count as heard or not, so a row says how often
the ledger is within one word by either truth: words that were heard to their end, and words that
had begun.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_live.audio import OUTPUT_RATE, bytes_of, levels, ms_to_samples, samples_of
from pipeline_live.bench.page import page
from pipeline_live.emulator.script import ANSWERS
from pipeline_live.emulator.voice import VOICES, Speech, synthesize
from pipeline_live.turn import PlayoutLedger, Reply

REPLIES = (
    *ANSWERS[:4],
    "I am booking the 3 p.m. slot for you now. Would you like me to list what you should bring?",
    "Well, let me see... The total comes to $42.50, including tax, and your order number is 7 3 9 "
    "1. Is that okay?",
    "No. Yes. Maybe. I really could not say, because it depends on a great many things that "
    "neither of us controls.",
    "Once upon a time there was a small village at the edge of a dark forest where nobody had ever "
    "seen the sea and everybody knew everybody else by name.",
    "Photosynthesis, in short, is how plants turn light into sugar; water and carbon dioxide go "
    "in, oxygen comes out. Extraordinary, isn't it?",
    "First, open the settings. Second, choose notifications. Third, switch off the sound, and "
    "finally, restart the telephone. That should do it!",
)
CUT_EVERY_MS = 100
_STEP_MS = 20
_MARK = "heard"


@dataclass(frozen=True, slots=True)
class Order:
    """How a family sends words and sound.

    Attributes:
        name: The family.
        message_ms: Sound in a message.
        every: Words come with every so many messages.
        ahead_ms: How far ahead of its sound a word comes at least; negative for behind.
        first: The message's words stand before its sound.
        speed: How many times faster than real time the sound comes.
    """

    name: str
    message_ms: int
    every: int = 1
    ahead_ms: int = 0
    first: bool = False
    speed: float = 4


ORDERS = (
    Order("2.5", 60, ahead_ms=1500, first=True),
    Order("3.1", 160),
    Order("3.8", 320, every=3),
    Order("3.8, words 600 ms late", 320, every=3, ahead_ms=-600),
    Order("words 3 s ahead", 320, ahead_ms=3000),
    Order("Vertex, all words first", 60, ahead_ms=10**6, first=True),
    Order("3.8, sound only 1.5 times real time", 320, every=3, speed=1.5),
    Order("Vertex, sound only 1.5 times real time", 60, ahead_ms=10**6, first=True, speed=1.5),
)


@dataclass(frozen=True, slots=True)
class Cut:
    """One interruption: words of the ledger, and what was true."""

    counted: int
    ended: int
    begun: int


@dataclass(frozen=True, slots=True)
class Score:
    """All cuts of one voice in one order.

    Attributes:
        voice: Which.
        order: Its name.
        cuts: How many.
        ended: Share within one word of those that were heard to their end.
        begun: Share within one word of those that had begun.
        worst: Largest distance, in words, from the nearer of the two.
    """

    voice: str
    order: str
    cuts: int
    ended: float
    begun: float
    worst: int


def scores(
    texts: Sequence[str] = REPLIES,
    voices: Sequence[str] = VOICES,
    orders: Sequence[Order] = ORDERS,
) -> list[Score]:
    """Cut every reply in every voice and order; a voice's replies are those of one call."""
    found = []
    for voice in voices:
        for order in orders:
            ledger = PlayoutLedger()
            ledger.attach_sink()
            cuts = [
                cut
                for number, text in enumerate(texts, 1)
                for cut in _cuts(ledger, Reply(number), synthesize(text, voice), order)
            ]
            found.append(_score(voice, order.name, cuts))
    return found


def run(document: Path | None) -> int:
    """Measure and say what was found.

    Args:
        document: Markdown file between whose heard marks the table is written, or None.

    Raises:
        UsageError: The file cannot be used.
    """
    leaf = page(document, _MARK)
    rows = table(scores())
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    if leaf is not None:
        leaf.write(markdown(rows))
    return 0


def table(found: Sequence[Score]) -> Sequence[tuple[str, ...]]:
    """Rows of text; the first is the header."""
    header = ("voice", "order", "cuts", "within a word of those ended", "of those begun", "worst")
    return [
        header,
        *(
            (s.voice, s.order, str(s.cuts), f"{s.ended:.1%}", f"{s.begun:.1%}", str(s.worst))
            for s in found
        ),
    ]


def markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """The rows as a table for people, with how they came about."""
    header, *body = ("| " + " | ".join(row) + " |" for row in rows)
    rule = "|" + "---|" * len(rows[0])
    note = (
        f"{datetime.date.today().isoformat()}, {len(REPLIES)} replies a voice, cut every "
        f"{CUT_EVERY_MS} ms, sound four times faster than real time unless the row says otherwise. "
        "Written by `pipeline-live bench --heard`."
    )
    return "\n".join(("", note, "", header, rule, *body, ""))


def _score(voice: str, order: str, cuts: Sequence[Cut]) -> Score:
    ended = sum(abs(cut.counted - cut.ended) <= 1 for cut in cuts)
    begun = sum(abs(cut.counted - cut.begun) <= 1 for cut in cuts)
    worst = max(max(cut.ended - cut.counted, cut.counted - cut.begun, 0) for cut in cuts)
    return Score(voice, order, len(cuts), ended / len(cuts), begun / len(cuts), worst)


def _cuts(ledger: PlayoutLedger, reply: Reply, speech: Speech, order: Order) -> Iterator[Cut]:
    """Play one reply as it arrives, and look at the ledger at every cut."""
    ledger.start(reply)
    coming = _messages(speech, order)
    received_ms = 0
    for played_ms in range(0, speech.duration_ms + 1, _STEP_MS):
        while received_ms <= speech.duration_ms and received_ms <= played_ms * order.speed:
            words_first, pcm, words = next(coming)
            if words_first:
                ledger.transcribe(reply, words_first)
            ledger.receive(reply, samples_of(pcm), 0, levels(pcm, OUTPUT_RATE))
            if words:
                ledger.transcribe(reply, words)
            received_ms += order.message_ms
            if received_ms > speech.duration_ms:
                ledger.complete(reply)
        ledger.play(reply.number, ms_to_samples(played_ms, OUTPUT_RATE))
        if played_ms % CUT_EVERY_MS == 0:
            yield Cut(
                counted=len(ledger.heard_text(reply).split()),
                ended=sum(word.end_ms <= played_ms for word in speech.words),
                begun=sum(word.start_ms < played_ms for word in speech.words),
            )


def _messages(speech: Speech, order: Order) -> Iterator[tuple[str, bytes, str]]:
    """Words before the sound, the sound, words beside or after it."""
    told = 0
    for number, start_ms in enumerate(range(0, speech.duration_ms + 1, order.message_ms)):
        end_ms = start_ms + order.message_ms
        is_last = end_ms > speech.duration_ms
        words = ""
        if number % order.every == 0 or is_last:
            while told < len(speech.words) and (
                is_last or speech.words[told].start_ms < end_ms + order.ahead_ms
            ):
                words += (" " if told else "") + speech.words[told].text
                told += 1
        first, last = (bytes_of(ms_to_samples(ms, OUTPUT_RATE)) for ms in (start_ms, end_ms))
        pcm = speech.pcm[first:last]
        yield (words, pcm, "") if order.first else ("", pcm, words)
