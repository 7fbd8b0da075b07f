"""A recorded call from its two files: ``call.wav`` (what was heard) and ``timeline.jsonl`` (why).

Parsing is pure (`parse_sound`, `make_record`); only `read_call` opens files.

All times are call time: milliseconds since the call began. The sound may begin later; the note
``SoundStarted`` says when, and `CallRecord.sound_start_ms` keeps it.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline_live.audio import BYTES_PER_SAMPLE, OUTPUT_RATE, Samples, samples_to_ms, to_array
from pipeline_live.errors import AudioFormatError, UsageError
from pipeline_live.report.lines import Line, parse_timeline
from pipeline_live.report.story import Segment, Story, tell

RATE = OUTPUT_RATE
SAMPLES_PER_MS = RATE // 1000

# Used until the timeline says what the sink was configured with.
DEFAULT_CHUNK_MS = 20
QUEUES_MS = 10
"""An interruption reaches the sink through a few queues, and the timeline counts whole ms."""
DEFAULT_DEVICE_BUFFER_MS = 40


@dataclass(frozen=True, slots=True)
class Interruption:
    """A confirmed interruption of a reply, as the timeline reports it.

    Attributes:
        at_ms: When it was confirmed.
        reply: Number of the interrupted reply.
        source: Who confirmed it: ``local_speech``, ``server``, ``stop`` or ``text``.
        onset_ms: When the speech behind it began, as known at the decision; None without speech.
        held_ms: When playout was held before; None when it was not.
        heard_ms: How much of the reply the ledger says was heard.
        heard_text: The words that the ledger says were heard.
    """

    at_ms: int
    reply: int
    source: str
    onset_ms: int | None
    held_ms: int | None
    heard_ms: int
    heard_text: str


@dataclass(frozen=True, slots=True)
class ReplyStart:
    """The beginning of a reply, in call time."""

    at_ms: int
    reply: int


@dataclass(frozen=True, slots=True)
class UserClip:
    """A clip that a test played into the microphone, whose true onset is known, in call time."""

    at_ms: int
    onset_ms: int
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Both channels of the recording, s16 at 24 kHz, read-only and of equal length."""

    user: Samples
    bot: Samples

    @property
    def duration_ms(self) -> int:
        """Length in milliseconds, rounded down."""
        return samples_to_ms(len(self.bot), RATE)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """Everything the report needs to know about one call.

    Attributes:
        sound: The recording; None when there is none.
        sound_start_ms: Call time of the recording's first sample.
        story: What happened besides interruptions, and between them.
        measured: Whether the recording was made where the bot was heard; False when it was put
            together from what the ledger says was played.
        interruptions: In order of time, like all tuples here.
        replies: Beginnings of replies.
        clips: Clips with a known onset.
        speech_onset_ms: Where the local VAD thinks speech began.
        stop_ms: When Stop was requested.
        silent_ms: When, at a hold or a flush, the last sample will be over, as (moment, end).
        chunk_ms: Size of the sink's chunks.
        device_buffer_ms: What the sink's device holds beyond the current chunk.
    """

    sound: Sound | None
    sound_start_ms: int
    story: Story
    measured: bool = True
    interruptions: tuple[Interruption, ...] = ()
    replies: tuple[ReplyStart, ...] = ()
    clips: tuple[UserClip, ...] = ()
    speech_onset_ms: tuple[int, ...] = ()
    stop_ms: tuple[int, ...] = ()
    silent_ms: tuple[tuple[int, int], ...] = ()
    chunk_ms: int = DEFAULT_CHUNK_MS
    device_buffer_ms: int = DEFAULT_DEVICE_BUFFER_MS

    @property
    def whole(self) -> Segment:
        """The stretch of call time that can be shown: the recording, or all lines without one."""
        if self.sound is None:
            return self.story.whole
        return Segment(self.sound_start_ms, self.sound_start_ms + self.sound.duration_ms)

    @property
    def allowed_tail_ms(self) -> int:
        """How long a sink may sound after a decision.

        One chunk on its way, the device's own buffer, and the way of the interruption through the
        pipeline's queues.
        """
        return self.chunk_ms + self.device_buffer_ms + QUEUES_MS

    def to_sample(self, t_ms: int) -> int:
        """Index of the sample at call time ``t_ms``, cut to the recording."""
        index = (t_ms - self.sound_start_ms) * SAMPLES_PER_MS
        return min(max(index, 0), len(self.sound.bot) if self.sound else 0)

    def to_ms(self, sample: int) -> int:
        """Call time at which ``sample`` begins, rounded to the nearest millisecond."""
        return self.sound_start_ms + round(sample / SAMPLES_PER_MS)


def parse_sound(data: bytes, name: str = "call.wav") -> Sound:
    """Parse the bytes of a stereo WAV file, 24 kHz s16le, left the user and right the bot.

    Args:
        data: The file's content.
        name: How messages call the file.

    Raises:
        AudioFormatError: It is not such a file, or holds no sound.
    """
    try:
        with wave.open(io.BytesIO(data), "rb") as wav:
            shape = (wav.getframerate(), wav.getnchannels(), wav.getsampwidth())
            pcm = wav.readframes(wav.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:  # the last: sizes that do not fit
        said = str(error) or "the file ends too early"
        raise AudioFormatError(
            f"{name}: not a PCM WAV file ({said}); record the call again"
        ) from None
    if shape != (RATE, 2, BYTES_PER_SAMPLE):
        rate, channels, width = shape
        raise AudioFormatError(
            f"{name}: {rate} Hz, {channels} channels, {8 * width} bit; a call is recorded at "
            f"{RATE} Hz, 2 channels (left user, right bot), 16 bit; record it again in that shape"
        )
    frames = len(pcm) // (2 * BYTES_PER_SAMPLE)
    if not frames:
        raise AudioFormatError(f"{name}: holds no sound; record the call again")
    both = to_array(pcm)[: 2 * frames].reshape(-1, 2)
    return Sound(_frozen(both[:, 0]), _frozen(both[:, 1]))


def _frozen(samples: Samples) -> Samples:
    own = np.ascontiguousarray(samples)
    own.setflags(write=False)
    return own


@dataclass(slots=True)
class _Found:
    """What `make_record` has met so far; the tuples of `CallRecord` in the making."""

    sound_start_ms: int | None = None
    measured: bool = True
    interruptions: list[Interruption] = field(default_factory=list)
    replies: list[ReplyStart] = field(default_factory=list)
    clips: list[UserClip] = field(default_factory=list)
    speech_onset_ms: list[int] = field(default_factory=list)
    stop_ms: list[int] = field(default_factory=list)
    silent_ms: list[tuple[int, int]] = field(default_factory=list)
    chunk_ms: int = DEFAULT_CHUNK_MS
    device_buffer_ms: int = DEFAULT_DEVICE_BUFFER_MS

    def take(self, line: Line) -> None:
        """Keep what ``line`` says; unknown names are other people's business."""
        match line.kind, line.name:
            case "note", "SoundStarted":
                self.sound_start_ms = line.t_ms
                self.measured = line.get("measured", bool, True)
            case "note", "PlayoutConfigured":
                self.chunk_ms = line.get("chunk_ms", int)
                self.device_buffer_ms = line.get("device_buffer_ms", int)
            case "note", "PlayoutSilent":
                self.silent_ms.append((line.t_ms, line.get("silent_ms", int)))
            case "note", "UserClip":
                onset_ms, label = line.get("onset_ms", int), line.get("label", str, "")
                self.clips.append(UserClip(line.t_ms, onset_ms, label))
            case "fact", "SpeechStarted":
                self.speech_onset_ms.append(line.get("onset_ms", int, line.t_ms))
            case "fact", "StopRequested":
                self.stop_ms.append(line.t_ms)
            case "action", "StartReply":
                self.replies.append(ReplyStart(line.t_ms, line.get("reply", int)))
            case "action", "ReportInterruption":
                self.interruptions.append(_interruption(line))
            case _:
                pass


def _interruption(line: Line) -> Interruption:
    return Interruption(
        at_ms=line.t_ms,
        reply=line.get("reply", int),
        source=line.get("source", str),
        onset_ms=line.maybe("onset_ms", int),
        held_ms=line.maybe("held_ms", int),
        heard_ms=line.get("heard_ms", int),
        heard_text=_heard_text(line),
    )


def _heard_text(line: Line) -> str:
    """The heard words; how many letters they have where the timeline keeps no words."""
    letters = line.maybe("heard_text_chars", int)
    if letters is None:
        return line.get("heard_text", str)
    return f"({letters} letters)" if letters else ""


def make_record(
    lines: Sequence[Line], sound: Sound | None, *, name: str = "timeline.jsonl"
) -> CallRecord:
    """Join a parsed timeline and its sound.

    Args:
        lines: The timeline, in order of time.
        sound: The recording, where there is one.
        name: How messages call the timeline.

    Raises:
        UsageError: A known line lacks a field, no line says when the sound started, or there is no
            line at all.
    """
    if not lines and sound is None:
        raise UsageError(f"{name}: holds no line; record the call again")
    found = _Found()
    for line in lines:
        found.take(line)
    if found.sound_start_ms is None and sound is not None:
        raise UsageError(
            f"{name}: no line says when the sound started; add "
            '{"t_ms": ..., "kind": "note", "name": "SoundStarted"} with the call time of the '
            "recording's first sample"
        )
    return CallRecord(
        sound=sound,
        sound_start_ms=found.sound_start_ms or 0,
        story=tell(lines),
        measured=found.measured,
        interruptions=tuple(found.interruptions),
        replies=tuple(found.replies),
        clips=tuple(found.clips),
        speech_onset_ms=tuple(sorted(found.speech_onset_ms)),
        stop_ms=tuple(found.stop_ms),
        silent_ms=tuple(found.silent_ms),
        chunk_ms=found.chunk_ms,
        device_buffer_ms=found.device_buffer_ms,
    )


def read_call(wav: Path | str | None, timeline: Path | str) -> CallRecord:
    """Read a recorded call.

    Args:
        wav: Stereo WAV file, 24 kHz s16le, left the user's microphone, right the bot; None when
            no sound was recorded.
        timeline: JSON lines beside it.

    Raises:
        UsageError: A file is missing or broken; the text says where and what to do.
    """
    timeline = Path(timeline)
    sound = None if wav is None else parse_sound(_read_bytes(Path(wav)), str(wav))
    try:
        text = _read_bytes(timeline).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{timeline}:{line}: not UTF-8 ({error.reason}); is this a timeline? record the call "
            "again"
        ) from None
    return make_record(parse_timeline(text, str(timeline)), sound, name=str(timeline))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such file; give the folder of a recorded call (call.wav, timeline.jsonl)"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None
