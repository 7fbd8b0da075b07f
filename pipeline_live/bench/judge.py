"""What a call's recording and timeline say about one disturbance. Pure.

The sound decides: there is one reply in a call, so every audible sample belongs to it. When the
user's speech began is found by looking for the clip in the recorded microphone, so no clock of the
program takes part. The timeline only adds when a bot decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_live.audio import (
    INPUT_RATE,
    OUTPUT_RATE,
    Samples,
    ms_to_samples,
    resample,
    samples_to_ms,
    to_array,
)
from pipeline_live.bench.scenarios import Act, Side
from pipeline_live.bench.schedule import Trial
from pipeline_live.errors import PipelineLiveError
from pipeline_live.report.lines import Line
from pipeline_live.report.reading import (
    DEFAULT_CHUNK_MS,
    DEFAULT_DEVICE_BUFFER_MS,
    QUEUES_MS,
    SAMPLES_PER_MS,
    Sound,
)
from pipeline_live.report.speech import Span, audible_spans

INTERRUPTION_SEEN = "InterruptionSeen"
"""Note in the timeline: an InterruptionFrame came to the sink."""
USER_ACTED = "UserActed"
"""Note in the timeline: Stop was pressed, or the microphone was given its clip."""
ALLOWED_TAIL_MS = DEFAULT_CHUNK_MS + DEFAULT_DEVICE_BUFFER_MS + QUEUES_MS
"""Sound that nobody can call back after a decision: a chunk, the device's buffer, the queues."""
EARLY_MS = 150
"""Labelled onsets are good to some 10 ms, and a breath before them may be heard too."""
_LIKENESS = 0.9
_MISSING_MS = 300  # a reply of which less is missing was played to its end
_PLAYING_MS = 700  # a reply that sounded so shortly before the recording's end goes on


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one side fared in one trial. Durations count from the reference: onset, or Stop.

    Attributes:
        side: Whose bot.
        scenario: Name of the scenario.
        trial: Name of the trial.
        clip: Name of the clip; empty for Stop.
        offset_ms: Where in the reply the reference lies, from its first audible sample.
        silenced: The reply ended before its end.
        to_silence_ms: To the last audible sample; a lower bound unless ``silenced``. None, as the
            three after it, for a reply that was over before the reference: nobody silenced it.
        decision_ms: To the decision; None when there was none.
        after_decision_ms: From the decision to the last audible sample.
        stale_ms: Sound after the decision and what nobody could call back.
        holds: Times the reply was held.
        interrupted: An interruption came to the sink.
        by_server: It was the server who interrupted.
        noise_ms: Noise that was played while the bot spoke.
        answer_ms: From the end of the user's question to the first audible sample of the answer,
            negative when the bot did not wait for the end; None when nobody asked, or without one.
        loop_late_ms: How late the event loop was at worst.
        together: The other side's bot ran at the same time.
    """

    side: Side
    scenario: str
    trial: str
    clip: str
    offset_ms: int
    silenced: bool
    to_silence_ms: int | None
    decision_ms: int | None
    after_decision_ms: int | None
    stale_ms: int | None
    holds: int
    interrupted: bool
    by_server: bool
    noise_ms: int
    answer_ms: int | None = None
    loop_late_ms: int = 0
    together: bool = True


def judge(trial: Trial, side: Side, sound: Sound, lines: Sequence[Line], reply: Samples) -> Outcome:
    """Measure one side of a trial.

    Args:
        trial: What was done.
        side: Whose bot.
        sound: Its recording.
        lines: Its timeline.
        reply: The whole reply as spoken, 24 kHz.

    Raises:
        PipelineLiveError: The recording does not hold what was played into the microphone, or no
            reply at all.
    """
    moments = _Moments(lines)
    heard = audible_spans(sound.bot)
    if not heard:
        raise PipelineLiveError(f"{trial.name}, {side}: the recording holds no reply")
    reference_ms = _reference_ms(trial, sound, moments)
    if trial.scenario.act is Act.ASK:
        return _answer(trial, side, reference_ms, heard)
    silence_ms = _ms(heard[-1].end)
    silenced = _is_silenced(sound.bot, reply)
    noise = trial.scenario.act is Act.NOISE
    unmeasured = noise or silence_ms < reference_ms - EARLY_MS
    decision_ms = moments.decision_ms(reference_ms - EARLY_MS)
    stale_ms = None if decision_ms is None else _sound_ms(sound.bot, decision_ms + ALLOWED_TAIL_MS)
    played_ms = trial.clip.duration_ms if noise and trial.clip is not None else 0
    return Outcome(
        side=side,
        scenario=trial.scenario.name,
        trial=trial.name,
        clip=trial.clip.name if trial.clip is not None else "",
        offset_ms=reference_ms - _ms(heard[0].start),
        silenced=silenced,
        to_silence_ms=None if unmeasured else max(0, silence_ms - reference_ms),
        decision_ms=None if unmeasured or decision_ms is None else decision_ms - reference_ms,
        after_decision_ms=(
            None if unmeasured or decision_ms is None else max(0, silence_ms - decision_ms)
        ),
        stale_ms=None if unmeasured else stale_ms,
        holds=len(moments.holds),
        interrupted=bool(moments.seen),
        by_server=bool(moments.seen) and _by_server(trial, side, lines),
        # A bot that was silenced hears no more noise while it speaks.
        noise_ms=min(played_ms, max(0, silence_ms - reference_ms)),
    )


def _answer(trial: Trial, side: Side, onset_ms: int, heard: Sequence[Span]) -> Outcome:
    """Judge a call in which the user asked a silent bot something."""
    assert trial.clip is not None
    if trial.clip.end_ms is None:
        raise PipelineLiveError(f"{trial.name}: nobody knows when the question ends")
    end_ms = onset_ms - trial.clip.onset_ms + trial.clip.end_ms
    begins = [_ms(span.start) for span in heard if _ms(span.start) > onset_ms]
    return Outcome(
        side=side,
        scenario=trial.scenario.name,
        trial=trial.name,
        clip=trial.clip.name,
        offset_ms=onset_ms - _ms(heard[0].start),
        silenced=False,
        to_silence_ms=None,
        decision_ms=None,
        after_decision_ms=None,
        stale_ms=None,
        holds=0,
        interrupted=False,
        by_server=False,
        noise_ms=0,
        answer_ms=begins[0] - end_ms if begins else None,
    )


def _by_server(trial: Trial, side: Side, lines: Sequence[Line]) -> bool:
    """Ours says who it was; stock has nobody else to interrupt it, unless its floor is local."""
    if side is Side.STOCK:
        return trial.scenario.act is not Act.STOP and not trial.scenario.local_floor
    reports = [line for line in lines if line.name == "ReportInterruption"]
    return any(line.get("source", str, "") == "server" for line in reports)


def _reference_ms(trial: Trial, sound: Sound, moments: _Moments) -> int:
    if trial.clip is None or trial.scenario.act is Act.NOISE:
        return moments.acted_ms
    clip = to_array(resample(trial.clip.pcm, INPUT_RATE, OUTPUT_RATE))
    at = locate(sound.user, clip)
    if at is None:
        raise PipelineLiveError(f"{trial.name}: the recorded microphone does not hold the clip")
    return _ms(at) + trial.clip.onset_ms


def locate(recorded: Samples, clip: Samples) -> int | None:
    """The sample of ``recorded`` at which ``clip`` begins; None when it is not there, or cut."""
    if not clip.any() or len(clip) > len(recorded):
        return None
    size = 1 << (len(recorded) + len(clip)).bit_length()
    there = np.fft.rfft(recorded.astype(np.float64), size)
    wanted = np.fft.rfft(clip.astype(np.float64), size)
    likeness = np.fft.irfft(there * np.conj(wanted), size)[: len(recorded) - len(clip) + 1]
    at = int(np.argmax(likeness))
    piece = recorded[at : at + len(clip)].astype(np.float64)
    whole = float(np.sqrt(np.sum(piece**2) * np.sum(clip.astype(np.float64) ** 2)))
    return at if whole > 0 and likeness[at] / whole >= _LIKENESS else None


def _is_silenced(bot: Samples, reply: Samples) -> bool:
    """Neither said to the end nor still sounding at the recording's end."""
    if _sound_ms(reply, 0) - _sound_ms(bot, 0) < _MISSING_MS:
        return False
    return _sound_ms(bot, samples_to_ms(len(bot), OUTPUT_RATE) - _PLAYING_MS) == 0


def _sound_ms(bot: Samples, from_ms: int) -> int:
    """Audible sound from ``from_ms`` on, in whole ms, rounded up."""
    start = max(0, ms_to_samples(from_ms, OUTPUT_RATE))
    return -(-sum(span.samples for span in audible_spans(bot[start:])) // SAMPLES_PER_MS)


def _ms(sample: int) -> int:
    return round(sample / SAMPLES_PER_MS)


class _Moments:
    """What the timeline says, on the recording's axis in milliseconds."""

    def __init__(self, lines: Sequence[Line]) -> None:
        starts = [line.t_ms for line in lines if line.name == "SoundStarted"]
        acts = [line.t_ms for line in lines if line.name == USER_ACTED]
        if not starts or not acts:
            raise PipelineLiveError("the timeline does not say when the sound began or who acted")
        self._zero_ms = starts[0]
        self.acted_ms = acts[0] - self._zero_ms
        self.holds = self._of(lines, "HoldPlayout")
        self.seen = self._of(lines, INTERRUPTION_SEEN)
        self._flushes = self._of(lines, "FlushPlayout") + self._of(lines, "ReportInterruption")
        self._resumes = self._of(lines, "ResumePlayout")

    def _of(self, lines: Sequence[Line], name: str) -> list[int]:
        return [line.t_ms - self._zero_ms for line in lines if line.name == name]

    def decision_ms(self, since_ms: int) -> int | None:
        """When the reply was held for good, else flushed, else when the sink was interrupted.

        A hold that was taken back before the reply ended decided nothing.
        """
        ends = sorted(at for at in (self._flushes or self.seen) if at >= since_ms)
        if not ends:
            return None
        end_ms = ends[0]
        holds = [at for at in self.holds if since_ms <= at <= end_ms]
        final = [hold for hold in holds if not any(hold <= at <= end_ms for at in self._resumes)]
        return min([*final, end_ms])
