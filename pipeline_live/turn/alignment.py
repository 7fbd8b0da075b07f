"""Where in a reply's sound its words are: transcript and loudness laid on one another.

The server sends words without times, bundled with the sound or seconds ahead of it. What ties the
two together is the pauses: sound falls into stretches with silence between them, text into phrases
at its punctuation. The words are dealt out to the stretches so that their expected lengths fit and
pauses fall on punctuation, by dynamic programming; within a stretch they share its time.

The pace of the voice is measured on the way. What has been decided for good, a phrase that ended
seconds ago, is settled and not looked at again, so a long reply costs no more than a short one.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

RATE = 24_000
"""Sample rate of Gemini's speech in Hz (s16le, mono)."""
FRAME_MS = 20
"""Loudness is known per frame of this length."""

_FRAME = RATE * FRAME_MS // 1000
_UNKNOWN = 255  # loudness of a frame that nobody measured: it counts as speech
_DROP_DB = 30  # silence is so much below the loudest tenth of the frames
_NOISE_DB, _LEAST_DROP_DB = 6, 15  # or so little above the quietest twentieth, but so much below
_PAUSE_FRAMES = 5  # shorter silence belongs to a word: the closure of a p, t or k

# Length of a word at pace 1: fitted to four synthetic voices, which scatter 90 ms around it.
_WORD_MS = 25
_LETTER_MS = 55
_PHRASE_END_MS = 140  # the last word before a pause is drawn out
_DIGIT_LETTERS, _SIGN_LETTERS, _IDEOGRAPH_LETTERS = 4.5, 7, 3
_SCATTER_MS2, _SCATTER_MS = 60**2, 30  # variance of a stretch: so much, and so much per ms of it
_FASTEST, _SLOWEST = 0.5, 2.0  # paces beyond are not believed
_PRIOR_MS = 2500  # the expected pace counts for so much measured speech

# What it costs, as a negative log likelihood, that no pause follows a mark, and that one does.
_INNER_COST = (0.0, 0.8, 3.0)
_PAUSE_COST = (2.0, 0.3, 0.0)
_PAUSE_COST_MS = 150  # without a mark, one more for so much pause
# A transcript is rarely later than its sound: recorded on 3.8 and 3.1, half a second at the most,
# the message of up to 0.7 s that brings it included. How far ahead it is has no limit (Vertex).
_LATEST_MS = 1200
_LATE_COST_MS = 300  # one for so much more
_TOLD_MS = 2500  # no words came for so much sound: those of the sound that did come are all there
_BEAM = 12.0  # ways that cost so much more than the best one are given up

_WINDOW_MS, _AHEAD_MS = 20_000, 8000  # sound looked at in one go: so much, or so far from playout
_TRUST_MS = 2500  # nearer to the end of that sound, what comes after it may still move a word
_SETTLE_MS = 4000  # a phrase that ends so long before it keeps its place
_SETTLE_PAUSE_MS = 200
_AGAIN_MS = 160  # no new look before so much more was heard
_HEARD_SHARE = 0.5  # of a word that was heard for it to count

_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORDS = re.compile(rf"[{_IDEOGRAPHS}][^\w\s]*|[^\s{_IDEOGRAPHS}]+")
_SENTENCE_ENDS = frozenset(".!?…。！？")
_PHRASE_ENDS = frozenset(",;:—–、，；：")
_CLOSERS = "\"'”’)]»」』）"
_SIGNS = frozenset("$€£%&@+=#")

_Stretch = tuple[int, int]  # of speech: beginning and end in ms
_Span = tuple[int, int]  # of words: the first, and one past the last


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the transcript, or one sign where words are not set apart.

    Attributes:
        start: Where it begins in the text, in characters.
        end: Where it ends.
        came_ms: How much sound had come when it came.
        length_ms: How long it takes at pace 1.
        mark: What follows: 0 nothing, 1 a comma or the like, 2 the end of a sentence.
    """

    start: int
    end: int
    came_ms: int
    length_ms: float
    mark: int


class Alignment:
    """Tells, for one reply that may still be arriving, how much of its text was heard.

    Pure and incremental: sound and words are taken in as they arrive, ``heard`` may be asked at any
    time. It holds the words, and a byte per 20 ms of the sound that is not settled.

    Args:
        pace: How slowly the voice is expected to speak, 1 for the usual; best the ``pace`` of the
            reply before.

    Attributes:
        text: The transcript so far.
        pace: How slowly it speaks as far as it was measured.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.text = ""
        self.pace = pace
        self._expected_pace = pace
        self._samples = 0
        self._levels = bytearray()  # from frame _first on
        self._first = 0
        self._counts = [0] * 256  # frames of each loudness
        self._complete = False
        self._words: list[_Word] = []
        self._settled = 0  # words whose place is final
        self._placed_ms: list[float] = []  # when each word counts as heard, ascending
        self._trusted_ms = -1.0  # up to where the places can be used
        self._final = False  # they are those of the whole reply
        self._heard = 0

    def hear(self, samples: int, levels: Sequence[int] = b"") -> None:
        """Take in the sound that comes next.

        Args:
            samples: How much, at 24 kHz.
            levels: Loudness of each of its frames of 20 ms, the last one possibly shorter, in dB
                above -96 dBFS; empty when nobody measured.
        """
        if not levels:
            levels = bytes((_UNKNOWN,)) * -(-samples // _FRAME)
        for number, level in enumerate(levels):
            frame = (self._samples + number * _FRAME + _FRAME // 2) // _FRAME
            if frame >= self._first + len(self._levels):
                self._levels.append(level)
                self._counts[level] += 1
        self._samples += samples
        self._final = False

    def read(self, text: str) -> None:
        """Take in the text that comes next; a piece may end in the middle of a word."""
        begin, came_ms = len(self.text), self._received_ms
        self.text += text
        if len(self._words) > self._settled and self._words[-1].end == begin:
            last = self._words.pop()
            begin, came_ms = last.start, last.came_ms
        for found in _WORDS.finditer(self.text, begin):
            word = found.group()
            mark = _mark_of(word, self.text[found.end() : found.end() + 2])
            self._words.append(_Word(*found.span(), came_ms, _length_ms(word), mark))
            came_ms = self._received_ms
        self._trusted_ms = min(self._trusted_ms, self._received_ms - _LATEST_MS)
        self._final = False

    def close(self) -> None:
        """Nothing more will come."""
        if not self._complete:
            self._complete = True
            self._final = False
            self._trusted_ms = -1.0

    def heard(self, samples: int) -> int:
        """How many characters of the text were heard when ``samples`` of the sound were.

        A word counts once half of it was heard. The answer never runs back.
        """
        position_ms = samples * 1000 / RATE
        to_place = len(self._words) > self._settled
        if to_place and position_ms > self._trusted_ms and not self._final:
            self._align(position_ms)
        count = bisect.bisect_right(self._placed_ms, position_ms)
        if count:
            self._heard = max(self._heard, self._words[count - 1].end)
        return self._heard

    @property
    def _received_ms(self) -> int:
        return self._samples * 1000 // RATE

    def _align(self, position_ms: float) -> None:
        """Place the words on what was received, but on no more than what is heard soon."""
        begin_ms = self._first * FRAME_MS
        end_ms = min(self._received_ms, int(max(begin_ms + _WINDOW_MS, position_ms + _AHEAD_MS)))
        self._final = self._complete and end_ms == self._received_ms
        words = self._words[self._settled :]
        is_told = self._final or (bool(words) and self._received_ms - words[-1].came_ms > _TOLD_MS)
        view = _View(words, self._stretches(end_ms), end_ms, self._final, is_told)
        pace = self._expected_pace
        for _ in range(3):
            spans = view.deal(pace)
            expected, pace = pace, view.pace(spans, self._expected_pace)
            if abs(pace - expected) < 0.03 * expected:
                break
        self.pace = pace
        self._placed_ms[self._settled :] = view.place(spans, pace)
        self._trusted_ms = max(end_ms - _TRUST_MS, position_ms + _AGAIN_MS)
        settled = view.settled(spans)
        if settled is not None and not self._final:
            settled_words, from_ms = settled
            self._settled += settled_words
            del self._levels[: from_ms // FRAME_MS - self._first]
            self._first = from_ms // FRAME_MS

    def _stretches(self, end_ms: int) -> list[_Stretch]:
        """Stretches of speech that are not settled yet, up to ``end_ms``."""
        floor = self._floor()
        stretches: list[_Stretch] = []
        levels = self._levels[: -(-end_ms // FRAME_MS) - self._first]
        for frame, level in enumerate(levels, self._first):
            if level < floor:
                continue
            start_ms = frame * FRAME_MS
            if stretches and start_ms - stretches[-1][1] < _PAUSE_FRAMES * FRAME_MS:
                start_ms = stretches.pop()[0]
            stretches.append((start_ms, (frame + 1) * FRAME_MS))
        return stretches

    def _floor(self) -> int:
        """The loudness below which there is silence, or the noise behind the voice."""
        frames = list(itertools.accumulate(self._counts[:_UNKNOWN]))  # up to each loudness
        total, mute = frames[-1], frames[0]
        loud = bisect.bisect_left(frames, total - (total - mute) / 10)
        noise = bisect.bisect_right(frames, total // 20)
        return max(1, loud - _DROP_DB, min(noise + _NOISE_DB, loud - _LEAST_DROP_DB))


@dataclass(frozen=True, slots=True)
class _View:
    """Words and stretches of speech that are laid on one another.

    Attributes:
        words: From the first one that is not settled.
        stretches: From where the settled ones end.
        end_ms: How far the sound is looked at.
        is_last: The reply ends there, and ``words`` are all that are left of it.
        is_told: The words of all sound are there, and perhaps those of sound that will come.
    """

    words: Sequence[_Word]
    stretches: Sequence[_Stretch]
    end_ms: int
    is_last: bool
    is_told: bool

    @property
    def closed(self) -> int:
        """How many of the stretches are known to their end."""
        if self.stretches and not self.is_last:
            rest_ms = self.end_ms - self.stretches[-1][1]
            return len(self.stretches) - (rest_ms < _PAUSE_FRAMES * FRAME_MS)
        return len(self.stretches)

    def deal(self, pace: float) -> list[_Span]:
        """Give each stretch its words; one whose end is not known gets all that are left."""
        lengths = [0.0, *itertools.accumulate(pace * word.length_ms for word in self.words)]
        inner = [0.0, *itertools.accumulate(_INNER_COST[word.mark] for word in self.words)]
        table: list[_Costs] = [{0: (0.0, 0)}]
        for number in range(self.closed):
            table.append(self._deal_one(number, table[-1], lengths, inner, pace))
        spans = _trace(table, len(self.words) if self.is_last else None)
        if self.closed < len(self.stretches):
            spans.append((spans[-1][1] if spans else 0, len(self.words)))
        return spans

    def _deal_one(
        self,
        number: int,
        before: _Costs,
        lengths: Sequence[float],
        inner: Sequence[float],
        pace: float,
    ) -> _Costs:
        """The cheapest way to have given out so many words once this stretch has its own."""
        start_ms, end_ms = self.stretches[number]
        length_ms = end_ms - start_ms
        scatter = 2 * (_SCATTER_MS2 + _SCATTER_MS * length_ms)
        most_ms = 1.6 * length_ms + 500
        limit = min(cost for cost, _ in before.values()) + _BEAM
        after: _Costs = {}
        for first, (cost, _) in before.items():
            if cost > limit:
                continue
            if first < len(self.words):
                cost += self._cost_of_place(first, start_ms)
            for last in range(first, len(self.words) + 1):
                expected_ms = lengths[last] - lengths[first]
                if expected_ms > most_ms:
                    break
                total = cost
                if last > first:
                    expected_ms += pace * _PHRASE_END_MS
                    total += inner[last - 1] - inner[first]
                    total += self._cost_of_pause(number, last - 1)
                missing_ms = length_ms - expected_ms
                if missing_ms < 0 or last < len(self.words) or self.is_told:
                    total += missing_ms * missing_ms / scatter  # else: its words have yet to come
                if last not in after or total < after[last][0]:
                    after[last] = (total, first)
        return after

    def _cost_of_place(self, word: int, at_ms: int) -> float:
        """What it costs that ``word`` is said long before it came."""
        early_ms = self.words[word].came_ms - _LATEST_MS - at_ms
        return max(0, early_ms) / _LATE_COST_MS

    def _cost_of_pause(self, number: int, word: int) -> float:
        """What it costs that ``word`` stands before the pause after this stretch."""
        if number + 1 == len(self.stretches):
            return 0.0
        mark = self.words[word].mark
        if mark:
            return _PAUSE_COST[mark]
        pause_ms = self.stretches[number + 1][0] - self.stretches[number][1]
        return _PAUSE_COST[0] + pause_ms / _PAUSE_COST_MS

    def pace(self, spans: Sequence[_Span], expected: float) -> float:
        """How slowly the stretches are spoken that have all their words."""
        spoken_ms, usual_ms = expected * _PRIOR_MS, float(_PRIOR_MS)
        for number, (first, last) in enumerate(spans[: self.closed]):
            if last > first and (self.is_told or last < len(self.words)):
                spoken_ms += self.stretches[number][1] - self.stretches[number][0]
                usual_ms += self._usual_ms(first, last)
        return min(max(spoken_ms / usual_ms, _FASTEST), _SLOWEST)

    def place(self, spans: Sequence[_Span], pace: float) -> list[float]:
        """When each word counts as heard, ascending; not before its sound has come."""
        placed_ms: list[float] = []
        for number, (first, last) in enumerate(spans):
            if last == first:
                continue
            edge_ms, end_ms = map(float, self.stretches[number])
            scale = (end_ms - edge_ms) / self._usual_ms(first, last)
            if number == self.closed:
                scale = pace
            elif last == len(self.words) and not self.is_told:
                scale = min(scale, pace)
            for word in self.words[first:last]:
                if number == self.closed:
                    edge_ms = max(edge_ms, word.came_ms - _LATEST_MS)
                placed_ms.append(edge_ms + scale * word.length_ms * _HEARD_SHARE)
                edge_ms += scale * word.length_ms
        end_ms = max([self.end_ms, *placed_ms[-1:]]) if self.is_last else float("inf")
        return placed_ms + [end_ms] * (len(self.words) - len(placed_ms))

    def settled(self, spans: Sequence[_Span]) -> tuple[int, int] | None:
        """How many words have their final place, and where the next stretch begins, in ms."""
        for number in range(self.closed - 1, 0, -1):
            start_ms, words = self.stretches[number][0], spans[number][0]
            pause_ms = start_ms - self.stretches[number - 1][1]
            is_old = start_ms < self.end_ms - _SETTLE_MS
            if is_old and pause_ms >= _SETTLE_PAUSE_MS and 0 < words < len(self.words):
                return words, start_ms
        return None

    def _usual_ms(self, first: int, last: int) -> float:
        return sum(word.length_ms for word in self.words[first:last]) + _PHRASE_END_MS


_Costs = dict[int, tuple[float, int]]  # words given out: least cost, and how many before the last


def _trace(table: Sequence[_Costs], count: int | None) -> list[_Span]:
    """The cheapest way back through the table, from ``count`` words if that many can be reached."""
    costs = table[-1]
    at = count if count in costs else min(costs, key=lambda words: costs[words][0])
    spans: list[_Span] = []
    for costs in reversed(table[1:]):
        first = costs[at][1]
        spans.append((first, at))
        at = first
    return spans[::-1]


def _length_ms(word: str) -> float:
    letters = 0.0
    for sign in word:
        if sign.isdigit():
            letters += _DIGIT_LETTERS
        elif sign in _SIGNS:
            letters += _SIGN_LETTERS
        elif "\u3040" <= sign <= "\u9fff":
            letters += _IDEOGRAPH_LETTERS
        elif sign.isalpha():
            letters += 1
    return _WORD_MS + _LETTER_MS * letters


def _mark_of(word: str, following: str) -> int:
    last = word.rstrip(_CLOSERS)[-1:]
    if last in _SENTENCE_ENDS:
        return 0 if following[1:].islower() else 2  # "3 p.m. slot"
    return 1 if last in _PHRASE_ENDS else 0
