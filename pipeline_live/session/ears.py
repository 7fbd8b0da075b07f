"""The ears of a call: when the user starts and stops speaking, told from the microphone's sound.

Pure: sound in, verdicts out. Time is the microphone's own sample count, so the verdicts do not
depend on how the sound is cut into pieces or how late a piece is handled.

Two clocks run side by side. A *burst* is speech without a gap that matters: it is suspected at
once, then confirmed when it lasts or dismissed when it does not. The *turn* starts with the first
confirmed burst and ends with a longer silence; every burst within it is judged anew, so a user who
pauses and goes on over a reply that began in between is heard.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from pipeline_live.audio import INPUT_RATE, samples_of, samples_to_ms
from pipeline_live.vad import WINDOW_MS, SpeechDetector, Window


@dataclass(frozen=True, slots=True)
class EarsPolicy:
    """When speech probability becomes speech.

    The defaults were chosen on 67 real clips with a sure onset at three window alignments: speech
    is suspected 55 ms after its onset in the median, 110 ms at the 95th percentile; every clip, the
    single words "stop", "no" and "go" included, lasts long enough to be confirmed; a sigh, a
    cleared throat or a door does not.

    Attributes:
        threshold: Probability at which a window counts as speech.
        certain: Probability at which one window alone is suspicious.
        release: Probability under which a window counts as silence once the user speaks.
        suspect_ms: Speech that is suspicious, in whole 32 ms windows.
        confirm_ms: Speech that is needed to be sure, in whole 32 ms windows.
        bridge_ms: A gap up to this long does not end a burst.
        pause_ms: Silence after which it is asked whether the turn is complete. Of 36 recorded
            questions 28 were judged complete then, in the median 195 ms after their end (at 224 ms:
            27, after 250 ms); 2 were judged so in a pause before it, at either value.
        end_ms: Silence after which the user has stopped, when nobody can be asked.
        patience_ms: Silence after which the user has stopped though the turn sounded incomplete.
    """

    threshold: float = 0.4
    certain: float = 0.75
    release: float = 0.35
    suspect_ms: int = 64
    confirm_ms: int = 288
    bridge_ms: int = 160
    pause_ms: int = 160
    end_ms: int = 700
    patience_ms: int = 2000


class Verdict(enum.StrEnum):
    """What the ears make of what they hear."""

    SUSPECTED = "suspected"
    STARTED = "started"
    DISMISSED = "dismissed"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Heard:
    """A verdict.

    Attributes:
        verdict: What it is.
        ago_ms: How long before the newest sample the speech began (or, when it is over, ended).
    """

    verdict: Verdict
    ago_ms: int


class Ears:
    """Listens to one microphone.

    Args:
        policy: The thresholds.
    """

    def __init__(self, policy: EarsPolicy | None = None) -> None:
        self.policy = policy or EarsPolicy()
        self.speaking = False
        self.pause = 0
        """The number of the pause that the user makes right now; 0 while there is none."""
        self.patient = False
        """Whether somebody is asked at each pause, so that silence alone ends no turn so soon."""
        self._pauses = 0
        self._detector: SpeechDetector | None = None
        self._rate = INPUT_RATE
        self._position = 0
        self._burst: _Burst | None = None
        self._last_speech_end = 0
        self._verdicts: deque[tuple[Verdict, int]] = deque()

    def hear(self, pcm: bytes, rate: int) -> list[Heard]:
        """Listen to the next piece of mono s16le sound at ``rate`` Hz.

        A change of rate starts a new stream; speech in progress goes on.
        """
        if self._detector is None or rate != self._detector.rate:
            self._detector = SpeechDetector(rate)
        return self.judge(self._detector.feed(pcm), samples_of(pcm), rate)

    def judge(self, windows: list[Window], samples: int, rate: int) -> list[Heard]:
        """Take in windows that were judged elsewhere.

        Args:
            windows: What was found, with positions in the microphone's samples.
            samples: Sound since the last call, in samples.
            rate: The microphone's sample rate in Hz.
        """
        if rate != self._rate:
            self._rate, self._position = rate, 0
            self._last_speech_end = 0
            self._end_burst(0)
        self._position += samples
        for window in windows:
            self._take(window)
        return self._told()

    @property
    def calm(self) -> bool:
        """Whether there is no trace of speech right now."""
        return not self.speaking and self._burst is None

    def deafen(self) -> list[Heard]:
        """Stop listening until the next sound, for a microphone that was muted in mid-speech."""
        self._end_burst(self._position)
        if self.speaking:
            self._last_speech_end = self._position
            self._end_turn()
        return self._told()

    def end_turn(self) -> list[Heard]:
        """End the turn in this pause: it was judged complete, and more speech is another one."""
        if self.speaking and self.pause:
            if self._burst is not None and self._burst.confirmed:
                self._burst = None
            self._end_turn()
        return self._told()

    def _end_turn(self) -> None:
        self.speaking, self.pause = False, 0
        self._verdicts.append((Verdict.ENDED, self._last_speech_end))

    def _told(self) -> list[Heard]:
        told = [
            Heard(verdict, samples_to_ms(max(0, self._position - at), self._rate))
            for verdict, at in self._verdicts
        ]
        self._verdicts.clear()
        return told

    def _take(self, window: Window) -> None:
        loud = window.probability >= self.policy.threshold
        goes_on = self.speaking and window.probability >= self.policy.release
        burst = self._burst
        if loud or (goes_on and burst is not None and burst.confirmed):
            self._speech(window)
        elif burst is not None:
            burst.quiet_ms += WINDOW_MS
            if burst.quiet_ms > self.policy.bridge_ms:
                self._end_burst(window.end_sample)
        if goes_on:
            self._last_speech_end, self.pause = window.end_sample, 0
        elif self.speaking:
            self._silence(window.end_sample)

    def _silence(self, now: int) -> None:
        quiet_ms = (now - self._last_speech_end) * 1000 // self._rate
        if not self.pause and quiet_ms >= self.policy.pause_ms:
            self._pauses += 1
            self.pause = self._pauses
            self._verdicts.append((Verdict.PAUSED, self._last_speech_end))
        if quiet_ms >= (self.policy.patience_ms if self.patient else self.policy.end_ms):
            self._end_turn()

    def _speech(self, window: Window) -> None:
        if self._burst is None:
            self._burst = _Burst(window.end_sample - WINDOW_MS * self._rate // 1000)
        burst = self._burst
        burst.speech_ms += WINDOW_MS
        burst.quiet_ms = 0
        certain = window.probability >= self.policy.certain
        if not burst.suspected and (certain or burst.speech_ms >= self.policy.suspect_ms):
            burst.suspected = True
            self._verdicts.append((Verdict.SUSPECTED, burst.start))
        if not burst.confirmed and burst.speech_ms >= self.policy.confirm_ms:
            burst.confirmed = self.speaking = True
            self._last_speech_end = window.end_sample
            self._verdicts.append((Verdict.STARTED, burst.start))

    def _end_burst(self, at: int) -> None:
        burst, self._burst = self._burst, None
        if burst is not None and burst.suspected and not burst.confirmed:
            self._verdicts.append((Verdict.DISMISSED, at))


@dataclass(slots=True)
class _Burst:
    """Speech without a gap that matters. ``start`` is a position in the microphone's samples."""

    start: int
    speech_ms: int = 0
    quiet_ms: int = 0
    suspected: bool = False
    confirmed: bool = False
