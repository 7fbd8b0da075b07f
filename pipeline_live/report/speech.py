"""Who sounded when: spans of sound in one channel.

The two channels need two readings. The bot's is digital: what is not played is exact zeros, so
every sample above -60 dBFS counts and no noise has to be guessed. The user's is a microphone: a
span begins where the level of 5 ms frames rises clearly above the noise of the recording itself.
On 98 real clips with labelled onsets the nearest onset is 5 ms late in the median and within 60 ms
for five of six; a breath or a click just before a word is what makes the others early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_live.audio import OUTPUT_RATE, Samples, ms_to_samples

# The bot's side. -60 dBFS is far below any word and above dither and a resampler's ringing.
AUDIBLE_DBFS = -60
AUDIBLE = round(32768 * 10 ** (AUDIBLE_DBFS / 20))
# A voice crosses zero: shorter gaps between audible samples belong to the sound.
BRIDGE_MS = 20
# Longer gaps than this are drawn as a pause between two bars.
PAUSE_MS = 300

# The user's side.
FRAME_MS = 5
DIGITAL_ZERO_DB = -90.0
# The quiet tenth of what the microphone delivered is taken as its noise, within these limits.
FLOOR_QUANTILE = 0.10
FLOOR_DB = (-70.0, -45.0)
ABOVE_FLOOR_DB = 12.0
# A clean recording's floor says little: breaths rise above it. They are this far below the voice.
VOICE_QUANTILE = 0.95
BELOW_VOICE_DB = 30.0
# Clicks and pops are shorter.
SHORTEST_MS = 40

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of samples that sound."""

    start: int
    end: int

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.end - self.start


def audible_spans(samples: Samples, gap_ms: int = BRIDGE_MS) -> tuple[Span, ...]:
    """Spans of a digital channel, exact to the sample: each begins and ends audibly.

    Args:
        samples: The channel, s16 at 24 kHz.
        gap_ms: Silences up to this length do not divide a span.
    """
    # Two comparisons instead of abs(): -32768 has no positive counterpart in 16 bits.
    loud = np.flatnonzero((samples >= AUDIBLE) | (samples <= -AUDIBLE))
    return _joined(loud, loud + 1, ms_to_samples(gap_ms, OUTPUT_RATE))


def speech_spans(samples: Samples) -> tuple[Span, ...]:
    """Spans of speech on a microphone, on a grid of `FRAME_MS`; clicks are left out.

    Args:
        samples: The channel, s16 at 24 kHz.
    """
    frame = ms_to_samples(FRAME_MS, OUTPUT_RATE)
    levels = frame_levels(samples, frame)
    loud = np.flatnonzero(levels > speech_threshold(levels))
    spans = _joined(loud * frame, (loud + 1) * frame, ms_to_samples(PAUSE_MS, OUTPUT_RATE))
    shortest = ms_to_samples(SHORTEST_MS, OUTPUT_RATE)
    return tuple(span for span in spans if span.samples >= shortest)


def frame_levels(samples: Samples, frame: int) -> Levels:
    """RMS level in dBFS of each whole frame of ``frame`` samples, at least `DIGITAL_ZERO_DB`."""
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power = np.mean(np.square(frames, dtype=np.float32), axis=1, dtype=np.float64)
    lowest = 32768.0**2 * 10 ** (DIGITAL_ZERO_DB / 10)
    return np.asarray(10 * np.log10(np.maximum(power, lowest) / 32768.0**2))


def speech_threshold(levels: Levels) -> float:
    """Level in dBFS above which a frame is speech, from the recording's own noise and voice."""
    live = levels[levels > DIGITAL_ZERO_DB]  # a muted microphone's zeros say nothing about either
    lowest, highest = FLOOR_DB
    if not live.size:
        return lowest
    floor, voice = np.quantile(live, (FLOOR_QUANTILE, VOICE_QUANTILE))
    above_noise = min(max(floor, lowest), highest) + ABOVE_FLOOR_DB
    return float(max(above_noise, voice - BELOW_VOICE_DB))


def _joined(starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp], gap: int) -> tuple[Span, ...]:
    """Ranges in order, neighbours at most ``gap`` samples apart made one."""
    if not starts.size:
        return ()
    breaks = np.flatnonzero(starts[1:] - ends[:-1] > gap)
    firsts = starts[np.concatenate(([0], breaks + 1))]
    lasts = ends[np.concatenate((breaks, [ends.size - 1]))]
    return tuple(Span(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True))
