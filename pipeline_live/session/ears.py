"""The ears of a call: when the user starts and stops speaking, told from the microphone's sound.

Pure: sound in, verdicts out. Time is the microphone's own sample count, so the verdicts do not
depend on how the sound is cut into pieces or how late a piece is handled.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pipeline_live.audio import INPUT_RATE, samples_of, samples_to_ms
from pipeline_live.vad import WINDOW_MS, SpeechDetector, Window


@dataclass(frozen=True, slots=True)
class EarsPolicy:
    """When speech probability becomes speech.

    Attributes:
        threshold: Probability at which a window counts as speech.
        release: Probability under which a window counts as silence once the user speaks.
        confirm_ms: Speech that is needed to be sure, in whole 32 ms windows.
        bridge_ms: A gap up to this long inside those windows does not start the count again.
        end_ms: Silence after which the user has stopped.
    """

    threshold: float = 0.5
    release: float = 0.35
    confirm_ms: int = 160
    bridge_ms: int = 64
    end_ms: int = 700


@dataclass(frozen=True, slots=True)
class Heard:
    """A verdict.

    Attributes:
        started: True when speech started, False when it ended.
        ago_ms: How long before the newest sample the speech began (or ended).
    """

    started: bool
    ago_ms: int


class Ears:
    """Listens to one microphone.

    Args:
        policy: The thresholds.
    """

    def __init__(self, policy: EarsPolicy | None = None) -> None:
        self.policy = policy or EarsPolicy()
        self.speaking = False
        self._detector: SpeechDetector | None = None
        self._rate = INPUT_RATE
        self._position = 0
        self._run_start: int | None = None
        self._speech_windows = 0
        self._quiet_windows = 0
        self._last_speech_end = 0
        self._verdicts: deque[tuple[bool, int]] = deque()

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
            self._run_start, self._last_speech_end = None, 0
        self._position += samples
        for window in windows:
            self._take(window)
        verdicts = [
            Heard(started, samples_to_ms(max(0, self._position - at), self._rate))
            for started, at in self._verdicts
        ]
        self._verdicts.clear()
        return verdicts

    def _take(self, window: Window) -> None:
        if self.speaking:
            self._take_while_speaking(window)
        else:
            self._take_while_quiet(window)

    def _take_while_quiet(self, window: Window) -> None:
        if window.probability < self.policy.threshold:
            self._quiet_windows += 1
            if self._quiet_windows * WINDOW_MS > self.policy.bridge_ms:
                self._run_start, self._speech_windows = None, 0
            return
        self._quiet_windows = 0
        if self._run_start is None:
            self._run_start = window.end_sample - WINDOW_MS * self._rate // 1000
        self._speech_windows += 1
        if self._speech_windows * WINDOW_MS >= self.policy.confirm_ms:
            self.speaking = True
            self._last_speech_end = window.end_sample
            self._verdicts.append((True, self._run_start))
            self._run_start, self._speech_windows = None, 0

    def _take_while_speaking(self, window: Window) -> None:
        if window.probability >= self.policy.release:
            self._last_speech_end = window.end_sample
        elif (window.end_sample - self._last_speech_end) * 1000 >= self.policy.end_ms * self._rate:
            self.speaking = False
            self._quiet_windows = 0
            self._verdicts.append((False, self._last_speech_end))
