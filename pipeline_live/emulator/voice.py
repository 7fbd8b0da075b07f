"""The emulator's mouth: text in, 24 kHz PCM with the time of every word out.

The sound is hibari's bundled voice "heart": offline, about 20 ms of one core per second of speech.
"low" is the same voice three semitones deeper: spoken faster, then played slower, so that pitch and
timbre drop while the pace stays.

Word times are the voice's own. Its network decides how many frames every phoneme lasts before it
makes sound; that decision is read from inside the graph, so a word begins where its sound does, to
about 30 ms. Where the written words of a sentence cannot be matched with the spoken ones, its time
is shared by the length of its words, which can be some 100 ms off.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hibari
import numpy as np
import onnxruntime

from pipeline_live.audio import (
    BYTES_PER_SAMPLE,
    OUTPUT_RATE,
    ms_to_samples,
    resample,
    samples_of,
    samples_to_ms,
    silence,
    to_pcm,
)

VOICES = ("heart", "low")
SLOWEST, FASTEST = 0.5, 1.75
#: Pitch of "low" as a share of "heart"'s.
_LOW_PITCH = 0.84
_PAUSE_MS = 250
# What is left of the silence before the first phoneme.
_LEAD_MS = 50
# Sound begins so much before the frame that the voice gives its phoneme (measured on the bursts of
# p, t and k after a pause: 50-75 ms).
_EARLY_MS = 60
_AUDIBLE = 0.01
_PUNCTUATION = ';:,.!?—…"“”()'
_FRAME_MS = 25
_PHONEME_ENDS = "/CumSum_output_0"
_LOUDNESS = 2.0
_SEED = 7
_CACHED_TEXTS = 128


@dataclass(frozen=True, slots=True)
class Word:
    """One written word of a speech and when it sounds.

    Attributes:
        text: The word with its punctuation, without spaces.
        start_ms: Where it begins, from the start of the speech.
        end_ms: Where it ends.
    """

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Speech:
    """A text as it is spoken.

    Attributes:
        pcm: Mono s16le at 24 kHz.
        words: Its words in order, without gaps in the text.
    """

    pcm: bytes
    words: tuple[Word, ...]

    @property
    def duration_ms(self) -> int:
        """How long it lasts."""
        return samples_to_ms(samples_of(self.pcm), OUTPUT_RATE)


def voice_for(name: str) -> str:
    """The voice that plays the part of a Gemini voice, always the same one.

    Args:
        name: A prebuilt voice name of the setup message, for example "Charon"; may be empty.
    """
    if name in VOICES:
        return name
    deep = {"charon", "fenrir", "orus", "puck", "iapetus", "algenib", "enceladus", "umbriel"}
    return "low" if name.lower() in deep else "heart"


def synthesize(text: str, voice: str = "heart", speed: float = 1.0) -> Speech:
    """Speak ``text``; the same text in the same voice at the same speed gives the same bytes.

    Blocks for about 20 ms per second of speech; call it in a thread. The last 128 results are kept
    for the process, and who asks for one that is being made waits for it.

    Args:
        text: English text. Nothing speakable in it gives an empty speech.
        voice: One of ``VOICES``.
        speed: How many times faster than usual, ``SLOWEST`` to ``FASTEST``. The voice keeps to it
            roughly (measured: within 16 %); the times of the words are those of the sound.
    """
    with _lock_for(text, voice, speed):
        return _synthesize(text, voice, speed)


@functools.lru_cache(maxsize=_CACHED_TEXTS)
def _lock_for(text: str, voice: str, speed: float) -> threading.Lock:
    return threading.Lock()


@functools.lru_cache(maxsize=_CACHED_TEXTS)
def _synthesize(text: str, voice: str, speed: float) -> Speech:
    pieces: list[bytes] = []
    words: list[Word] = []
    at_ms = 0
    pause_ms = round(_PAUSE_MS / speed)
    for sentence in hibari.Hibari.split_sentences(text):
        pcm, spoken = _sentence(sentence, voice, speed)
        if not pcm:
            continue
        pieces += [pcm, silence(pause_ms, OUTPUT_RATE)]
        words += [Word(w.text, at_ms + w.start_ms, at_ms + w.end_ms) for w in spoken]
        at_ms += samples_to_ms(samples_of(pcm), OUTPUT_RATE) + pause_ms
    return Speech(b"".join(pieces[:-1]), tuple(words))


def lasting(speech: Speech, length_ms: int) -> Speech:
    """A speech of just this length: over and over, broken off after a word, silent to the end.

    Args:
        speech: What is said.
        length_ms: How long.
    """
    if not speech.words:
        return Speech(silence(length_ms, OUTPUT_RATE), ())
    round_ms = speech.duration_ms + _PAUSE_MS
    rounds = -(-length_ms // round_ms)
    words = tuple(
        Word(word.text, word.start_ms + n * round_ms, word.end_ms + n * round_ms)
        for n in range(rounds)
        for word in speech.words
    )
    kept = tuple(word for word in words if word.end_ms <= length_ms)
    spoken_ms = kept[-1].end_ms if kept else 0
    pcm = (speech.pcm + silence(_PAUSE_MS, OUTPUT_RATE)) * rounds
    size = ms_to_samples(spoken_ms, OUTPUT_RATE) * BYTES_PER_SAMPLE
    return Speech(pcm[:size] + silence(length_ms - spoken_ms, OUTPUT_RATE), kept)


def warm_up() -> None:
    """Load the voice now (about a second), so that the first reply does not pay for it."""
    synthesize("Hello.")


def _sentence(sentence: str, voice: str, speed: float) -> tuple[bytes, list[Word]]:
    """One sentence: its PCM and its words, timed from its own start."""
    pitch = _LOW_PITCH if voice == "low" else 1.0
    sound: list[np.ndarray[Any, Any]] = []
    spans: list[tuple[int, int]] = []
    at_ms = 0
    with _LOCK:
        tts, session = _tts()
        for phonemes in tts.phonemize(sentence):
            audio, edges_ms = _render(tts, session, phonemes, speed / pitch)
            spans += [(at_ms + a, at_ms + b) for a, b in _word_spans(phonemes, edges_ms)]
            sound.append(audio)
            at_ms += len(audio) * 1000 // OUTPUT_RATE
    if not sound:
        return b"", []
    pcm = to_pcm(np.concatenate(sound) * _LOUDNESS)
    if pitch != 1.0:
        pcm = resample(pcm, round(OUTPUT_RATE * pitch), OUTPUT_RATE)
        spans = [(round(a / pitch), round(b / pitch)) for a, b in spans]
    length_ms = samples_to_ms(samples_of(pcm), OUTPUT_RATE)
    return pcm, _time_words(sentence.split(), spans, length_ms)


def _render(
    tts: Any, session: Any, phonemes: str, speed: float
) -> tuple[np.ndarray[Any, Any], list[int]]:
    """Sound of one phoneme string; where its first phoneme begins and where each ends, in ms.

    The silence that the voice puts before the first phoneme is shortened.
    """
    ids = tts.ids(phonemes)
    known = [mark in tts.vocab for mark in phonemes]
    outputs = session.run(
        None, {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
    )
    audio = hibari.tts.dsp.synth(*(o[0] for o in outputs[:6]), np.random.default_rng(_SEED))
    if len(outputs) > 6:
        ends = [int(frame) * _FRAME_MS for frame in outputs[6].ravel()]
    else:
        step = len(audio) * 1000 / OUTPUT_RATE / len(ids)
        ends = [round((n + 1) * step) for n in range(len(ids))]
    ends = [max(end_ms - _EARLY_MS, 0) for end_ms in ends]
    cut_ms = max(ends[0] - _LEAD_MS, 0)
    edges = [ends[0] - cut_ms]
    later = iter(ends[1:])
    for is_known in known:
        edges.append(next(later) - cut_ms if is_known else edges[-1])
    audio = audio[cut_ms * OUTPUT_RATE // 1000 :]
    audible = np.flatnonzero(np.abs(audio) > _AUDIBLE)
    heard_ms = int(audible[-1]) * 1000 // OUTPUT_RATE if len(audible) else 0
    return audio, [min(edge_ms, heard_ms) for edge_ms in edges]


def _word_spans(phonemes: str, edges_ms: Sequence[int]) -> list[tuple[int, int]]:
    """Start and end of every spoken word: what lies between the blanks, without punctuation.

    Args:
        phonemes: A sentence.
        edges_ms: Where each phoneme begins, and where the last one ends.
    """
    spans: list[tuple[int, int]] = []
    fresh = True
    for mark, (start_ms, end_ms) in zip(phonemes, itertools.pairwise(edges_ms), strict=True):
        if mark == " ":
            fresh = True
        elif mark not in _PUNCTUATION:
            spans.append((start_ms if fresh else spans.pop()[0], end_ms))
            fresh = False
    return spans


def _time_words(
    written: Sequence[str], spans: Sequence[tuple[int, int]], length_ms: int
) -> list[Word]:
    """Lay the written words on the spoken ones; share the time by letters when they differ."""
    counts = [1] * len(written)
    if len(spans) != len(written):
        with _LOCK:
            tts, _ = _tts()
            counts = [len(_word_spans(p := tts.g2p(w), [0] * (len(p) + 1))) for w in written]
    if len(spans) == sum(counts) and all(counts):
        words = []
        for word, count in zip(written, counts, strict=True):
            own, spans = spans[:count], spans[count:]
            words.append(Word(word, own[0][0], min(own[-1][1], length_ms)))
        return words
    first_ms = spans[0][0] if spans else 0
    last_ms = min(spans[-1][1], length_ms) if spans else length_ms
    letters = np.cumsum([0, *(len(word) + 1 for word in written)])
    edges = [int(first_ms + (last_ms - first_ms) * n / letters[-1]) for n in letters]
    return [Word(w, a, b) for w, a, b in zip(written, edges[:-1], edges[1:], strict=True)]


_LOCK = threading.Lock()


@functools.cache
def _tts() -> tuple[Any, Any]:
    """The voice and its network, the phoneme ends among the network's outputs where it has them."""
    tts = hibari.Hibari(voice="heart")
    graph = Path(tts.model_path).read_bytes()
    if _PHONEME_ENDS.encode() not in graph:
        return tts, tts.sess
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        graph + _extra_output(_PHONEME_ENDS), options, providers=["CPUExecutionProvider"]
    )
    tts.sess = session
    return tts, session


def _extra_output(name: str) -> bytes:
    """An ONNX fragment that, appended to a model, makes its inner value ``name`` an output.

    ONNX files are protocol buffers, and a message that occurs twice is merged: ``ModelProto.graph``
    is field 7, ``GraphProto.output`` field 12, ``ValueInfoProto.name`` field 1.
    """
    fragment = name.encode()
    for field in (1, 12, 7):
        assert len(fragment) < 128
        fragment = bytes((field << 3 | 2, len(fragment))) + fragment
    return fragment
