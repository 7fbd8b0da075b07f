"""What the user says, and when exactly they begin: recordings with a manifest, or made speech."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline_live.audio import (
    INPUT_RATE,
    OUTPUT_RATE,
    bytes_of,
    ms_to_samples,
    read_wav,
    resample,
    samples_of,
    samples_to_ms,
    silence,
    to_array,
    to_pcm,
)
from pipeline_live.bench.scenarios import USER_VOICE
from pipeline_live.emulator import synthesize
from pipeline_live.errors import UsageError
from pipeline_live.report.speech import speech_spans

MANIFEST_NAME = "MANIFEST.csv"
SPEECH_KINDS = ("command", "question", "short_word", "phrase", "read")
"""Kinds of the manifest with which people barge in; the order in which they are taken in turn."""
QUESTION_KINDS = ("command", "question", "phrase", "read")
"""Kinds with which people ask something."""
SPOKEN_MS = 3000
"""What is used of a clip, from its onset."""
LEAD_MS = 1000
"""What is used of it before its onset; with more the reply could be over when the user speaks."""
ASKED_MS = 6000
"""A question that takes longer is not used."""
NOISE_MS = 8000
MOST_VOICE = 0.3
"""A noise clip in which a VAD hears speech more often than this share of time holds voices."""

_COLUMNS = ("file", "kind", "speech_onset_ms", "onset_confidence")
_SENTENCES = (
    "Sorry, stop for a moment.",
    "Wait, I have another question.",
    "Can I get a coffee with milk?",
    "No, that is not what I meant.",
    "Please tell me about the ferry.",
    "Hold on, how much does it cost?",
    "Okay, thank you, that is enough.",
    "What time does the office close?",
)


@dataclass(frozen=True, slots=True)
class Clip:
    """Something for the microphone.

    Attributes:
        name: For tables.
        kind: Which sort, as the manifest calls it.
        pcm: Mono s16le at 16 kHz.
        onset_ms: True onset of speech; 0 for noise.
        end_ms: True end of speech; None where it is not known, or was cut off.
    """

    name: str
    kind: str
    pcm: bytes
    onset_ms: int = 0
    end_ms: int | None = None

    @property
    def duration_ms(self) -> int:
        """Length in milliseconds."""
        return samples_to_ms(samples_of(self.pcm), INPUT_RATE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the manifest that can be used."""

    file: str
    kind: str
    onset_ms: int
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest's speech with a sure onset, and its noise without voices."""

    speech: tuple[Entry, ...]
    noise: tuple[Entry, ...]

    @property
    def questions(self) -> tuple[Entry, ...]:
        """Speech to ask something with: its end is known, and it is not too long."""
        return tuple(
            entry
            for entry in self.speech
            if entry.kind in QUESTION_KINDS
            and entry.end_ms is not None
            and entry.onset_ms < entry.end_ms <= entry.onset_ms + ASKED_MS
        )


def parse_manifest(text: str, name: str = MANIFEST_NAME) -> Manifest:
    """Read a manifest: CSV with the columns file, kind, speech_onset_ms and onset_confidence.

    Noise is what lies in a folder ``noise``; the optional column vad_speech_ratio tells which of
    it holds voices. The optional column speech_end_ms tells with which speech one can ask.

    Args:
        text: The file's content.
        name: How messages call the file.

    Raises:
        UsageError: Columns are missing, or a number or a file's name is none.
    """
    rows = csv.DictReader(io.StringIO(text))
    try:
        missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
        numbered = [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise UsageError(f"{name}:{rows.line_num + 1}: not CSV ({error}); correct it") from None
    if missing:
        raise UsageError(
            f"{name}: no column {', '.join(missing)}; its first line must name "
            f"{', '.join(_COLUMNS)}"
        )
    speech, noise = [], []
    for number, row in numbered:
        where = f"{name}:{number}"
        file = row["file"] or ""
        if row["onset_confidence"] == "sure" and row["kind"] in SPEECH_KINDS:
            if not file or "\0" in file:
                raise UsageError(f"{where}: file is {row['file']!r}, not a file's name; correct it")
            onset_ms = _number(row["speech_onset_ms"], "speech_onset_ms", where)
            end = row.get("speech_end_ms")
            end_ms = round(_number(end, "speech_end_ms", where)) if end else None
            speech.append(Entry(file, row["kind"], round(onset_ms), end_ms))
        elif Path(file).parts[:1] == ("noise",):
            ratio = _number(row.get("vad_speech_ratio") or "0", "vad_speech_ratio", where)
            if ratio <= MOST_VOICE:
                noise.append(Entry(file, row["kind"] or "", 0))
    return Manifest(tuple(speech), tuple(noise))


def _number(value: str | None, column: str, where: str) -> float:
    try:
        number = float(value or "")
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(f"{where}: {column} is {value!r}, not a number from 0 on; correct it")
    return number


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest.

    Raises:
        UsageError: The folder or its manifest is missing or broken.
    """
    path = folder / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror or error}); give a folder of clips that "
            f"holds {MANIFEST_NAME}, or leave out --audio for made speech"
        ) from None
    return parse_manifest(text, str(path))


def pick(entries: Sequence[Entry], count: int) -> tuple[Entry, ...]:
    """Choose ``count`` entries: the kinds in turn, each kind's spread over its list.

    The same entries give the same choice; fewer entries than asked for are all taken.
    """
    kinds = list(dict.fromkeys([*SPEECH_KINDS, *(entry.kind for entry in entries)]))
    queues = [[entry for entry in entries if entry.kind == kind] for kind in kinds]
    left = [_spread(queue) for queue in queues if queue]
    picked: list[Entry] = []
    while len(picked) < count and any(left):
        picked += [queue.pop(0) for queue in left if queue]
    return tuple(picked[:count])


def _spread(entries: list[Entry]) -> list[Entry]:
    """The same entries, so ordered that neighbours in the list do not come one after another."""
    step = max(1, round(len(entries) ** 0.5))
    return [entry for start in range(step) for entry in entries[start::step]]


def load(folder: Path, entries: Iterable[Entry], *, longest_ms: int) -> tuple[Clip, ...]:
    """Load the clips of a manifest, each up to ``longest_ms`` after its onset.

    Raises:
        UsageError: A file cannot be used, is shorter than its onset, or silent from there on.
    """
    clips = []
    for entry in entries:
        pcm = read_wav(folder / entry.file, INPUT_RATE)
        clip = Clip(Path(entry.file).stem, entry.kind, pcm, entry.onset_ms, entry.end_ms)
        if clip.duration_ms <= entry.onset_ms:
            raise UsageError(
                f"{folder / entry.file}: ends before its onset at {entry.onset_ms} ms; "
                f"correct {MANIFEST_NAME}"
            )
        clip = shortened(clip, longest_ms)
        if entry.kind in SPEECH_KINDS and not any(clip.pcm[_bytes(clip.onset_ms) :]):
            raise UsageError(
                f"{folder / entry.file}: holds no sound after its onset at {entry.onset_ms} ms; "
                f"correct {MANIFEST_NAME}"
            )
        clips.append(clip)
    return tuple(clips)


def shortened(clip: Clip, longest_ms: int) -> Clip:
    """The clip from ``LEAD_MS`` before its onset to ``longest_ms`` after it."""
    skipped_ms = max(clip.onset_ms - LEAD_MS, 0)
    size = _bytes(clip.onset_ms + longest_ms)
    end_ms = None if clip.end_ms is None or size < len(clip.pcm) else clip.end_ms - skipped_ms
    pcm = clip.pcm[_bytes(skipped_ms) : size]
    return replace(clip, pcm=pcm, onset_ms=clip.onset_ms - skipped_ms, end_ms=end_ms)


def _bytes(ms: int) -> int:
    return bytes_of(ms_to_samples(ms, INPUT_RATE))


def made_speech(count: int, longest_ms: int = SPOKEN_MS) -> tuple[Clip, ...]:
    """Sentences in the emulator's voice, their onsets and ends measured on the samples."""
    clips = []
    for text in _SENTENCES[:count]:
        pcm = synthesize(text, USER_VOICE).pcm
        spans = speech_spans(to_array(pcm))
        begun, ended = (samples_to_ms(at, OUTPUT_RATE) for at in (spans[0].start, spans[-1].end))
        name = text.rstrip(".?").lower().replace(",", "").replace(" ", "_")
        sound = resample(pcm, OUTPUT_RATE, INPUT_RATE) + silence(100, INPUT_RATE)
        clips.append(shortened(Clip(name, "made", sound, begun, ended), longest_ms))
    return tuple(clips)


def made_noise(count: int) -> tuple[Clip, ...]:
    """Hiss, hum, clicks and thuds, always the same."""
    rng = np.random.default_rng(7)
    samples = ms_to_samples(NOISE_MS, INPUT_RATE)
    time_s = np.arange(samples) / INPUT_RATE
    clicks = np.zeros(samples)
    for at in rng.integers(0, samples - 400, 40):
        clicks[at : at + 400] += 0.3 * rng.standard_normal(400) * np.exp(-np.arange(400) / 60)
    beats = np.exp(-12 * (time_s % 0.9))
    sounds = {
        "hiss": 0.03 * rng.standard_normal(samples),
        "hum": 0.1 * np.sin(2 * np.pi * 50 * time_s) + 0.03 * np.sin(2 * np.pi * 150 * time_s),
        "clicks": clicks,
        "thuds": 0.4 * np.sin(2 * np.pi * 70 * time_s) * beats,
    }
    return tuple(Clip(name, "made", to_pcm(sound)) for name, sound in sounds.items())[:count]
