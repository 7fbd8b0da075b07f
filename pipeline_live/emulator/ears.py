"""Where a user's turn begins and ends: automatic activity detection over speech probabilities.

Time is the place in the received sound, counted in samples, so it does not matter how the sound was
cut or how fast it arrived. The thresholds are this file's own; a client's are none of its business.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline_live.audio import Rechunker, samples_of
from pipeline_live.emulator.hearing import CLEAN, Hearing
from pipeline_live.emulator.messages import Setup
from pipeline_live.vad import SpeechDetector, Window

# A start is committed 140-235 ms after the first sound of a word, an end 1.22-1.42 s after the last
# one (timelines of frontier-on-cloud/gemini-live-stop-test, default settings). Silero needs one to
# three windows of 32 ms to notice either; these make up the rest.
_PREFIX_MS = 96
_SILENCE_MS = 1200


class Detector(Protocol):
    """Judges sound window by window."""

    def feed(self, pcm: bytes) -> list[Window]:
        """The windows that ``pcm`` completes."""


@dataclass(frozen=True, slots=True)
class Onset:
    """A user's turn has begun.

    Attributes:
        position_ms: Where in the received sound it was noticed.
    """

    position_ms: int


@dataclass(frozen=True, slots=True)
class Ending:
    """A user's turn has ended.

    Attributes:
        position_ms: Where in the received sound it was noticed.
        speech_ms: From the first to the last sound of speech.
    """

    position_ms: int
    speech_ms: int


class Ears:
    """Turns received sound into onsets and endings, which alternate.

    Args:
        prefix_ms: Speech needed before a start is committed.
        silence_ms: Silence needed before an end is committed.
        enter: Probability from which a window counts as speech while none was heard.
        leave: Probability below which it counts as silence after that.
        detector: Makes a detector for a sample rate.
    """

    def __init__(
        self,
        *,
        prefix_ms: int = _PREFIX_MS,
        silence_ms: int = _SILENCE_MS,
        enter: float = CLEAN.enter[0],
        leave: float = CLEAN.leave[0],
        detector: Callable[[int], Detector] = SpeechDetector,
    ) -> None:
        self._prefix_ms = prefix_ms
        self._silence_ms = silence_ms
        self._ends_after_ms = silence_ms
        self._enter = enter
        self._leave = leave
        self._make_detector = detector
        self._detector: Detector | None = None
        self._whole = Rechunker()
        self._rate = 0
        self._samples = 0
        self._base_ms = 0
        self._speaking = False
        self._window_end_ms = 0
        self._speech_from_ms: int | None = None
        self._speech_to_ms = 0

    @classmethod
    def from_setup(
        cls,
        setup: Setup,
        hearing: Hearing = CLEAN,
        rng: random.Random | None = None,
        detector: Callable[[int], Detector] = SpeechDetector,
        *,
        low: bool = False,
    ) -> Ears:
        """Ears with the settings of ``realtimeInputConfig.automaticActivityDetection``.

        Args:
            setup: The client's settings.
            hearing: Thresholds, from which this session's are drawn.
            rng: Draws them.
            detector: Makes a detector for a sample rate.
            low: Sensitivities are LOW where the client does not say.
        """
        rng = rng or random.Random(0)
        start_low = low if setup.start_low is None else setup.start_low
        end_low = low if setup.end_low is None else setup.end_low
        return cls(
            prefix_ms=_PREFIX_MS if setup.prefix_ms is None else setup.prefix_ms,
            silence_ms=_SILENCE_MS if setup.silence_ms is None else setup.silence_ms,
            enter=rng.uniform(*(hearing.enter_low if start_low else hearing.enter)),
            leave=rng.uniform(*(hearing.leave_low if end_low else hearing.leave)),
            detector=detector,
        )

    @property
    def position_ms(self) -> int:
        """How much sound was received."""
        return self._base_ms + (self._samples * 1000 // self._rate if self._rate else 0)

    def hear(self, pcm: bytes, rate: int) -> list[Onset | Ending]:
        """Listen to the next piece of sound.

        Args:
            pcm: Mono s16le; a piece may end in the middle of a sample.
            rate: Its samples per second; it may change between pieces.
        """
        if rate != self._rate or self._detector is None:
            self._base_ms = self._window_end_ms = self.position_ms
            self._samples, self._rate = 0, rate
            self._detector = self._make_detector(rate)
        pcm = self._whole.feed(pcm)
        self._samples += samples_of(pcm)
        heard = []
        for window in self._detector.feed(pcm):
            start_ms = self._window_end_ms
            self._window_end_ms = self._base_ms + window.end_sample * 1000 // rate
            event = self._judge(window.probability, start_ms, self._window_end_ms)
            if event is not None:
                heard.append(event)
        return heard

    def skip(self, pcm: bytes, rate: int) -> None:
        """Let sound pass without listening; only the position moves."""
        if rate != self._rate:
            self._base_ms, self._samples, self._rate = self.position_ms, 0, rate
        self._samples += samples_of(self._whole.feed(pcm))
        self._detector = None

    def hurry(self, silence_ms: int) -> None:
        """Let so much silence end the turn that is open; later ones are as before."""
        if self._speaking:
            self._ends_after_ms = silence_ms

    def flush(self) -> Ending | None:
        """End an open turn here and now: the microphone was switched off."""
        first_ms, self._speech_from_ms = self._speech_from_ms, None
        if not self._speaking:
            return None
        self._speaking = False
        self._ends_after_ms = self._silence_ms
        return Ending(self.position_ms, self._speech_to_ms - (first_ms or 0))

    def _judge(self, probability: float, start_ms: int, end_ms: int) -> Onset | Ending | None:
        started = self._speech_from_ms is not None
        if probability >= (self._leave if started else self._enter):
            if self._speech_from_ms is None:
                self._speech_from_ms = start_ms
            self._speech_to_ms = end_ms
            if not self._speaking and end_ms - self._speech_from_ms >= self._prefix_ms:
                self._speaking = True
                return Onset(end_ms)
            return None
        if not self._speaking:
            self._speech_from_ms = None
            return None
        if end_ms - self._speech_to_ms < self._ends_after_ms:
            return None
        self._ends_after_ms = self._silence_ms
        first_ms, self._speech_from_ms = self._speech_from_ms, None
        self._speaking = False
        return Ending(end_ms, self._speech_to_ms - (first_ms or 0))
