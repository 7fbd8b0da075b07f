"""How a spoken reply is cut into messages, and when each leaves, from the start of its sound.

The shape is that of gemini-3.8-live in frontier-on-cloud/gemini-live-stop-test (sidecar
``*_audio.json``): the first message holds 100 ms of sound, later ones multiples of 40 ms, 316 ms on
average; they come 22-185 ms apart, which makes about 4.3 times real time; the words ride on every
third of them, ahead of the sound they belong to.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from pipeline_live.audio import BYTES_PER_SAMPLE, OUTPUT_RATE, ms_to_samples
from pipeline_live.emulator.families import Family, Words
from pipeline_live.emulator.voice import Speech, Word

_WORDS_LEAD_MS = 1000
_WORDS_EVERY = 3


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message of a reply.

    Attributes:
        offset_ms: When it leaves, from the reply's first sound.
        pcm: Its sound, s16le at 24 kHz.
        audio_ms: How long that lasts.
        words: The words that come with it, possibly none; they begin with a space unless they are
            the reply's first.
        spoken: The same words with their times.
    """

    offset_ms: int
    pcm: bytes
    audio_ms: int
    words: str
    spoken: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A reply ready to be sent.

    Attributes:
        parcels: Its messages in order.
        generated_ms: When generationComplete leaves, from the first sound; None for never.
        played_ms: When turnComplete leaves, which is when a listener who started with the first
            sound has heard it all; None for never.
        reason: turnCompleteReason; empty as long as nothing is wrong.
        words_again_ms: When the user's words are sent once more; None for never.
        falls_silent_ms: When the connection stops to carry serverContent; None for never.
    """

    parcels: tuple[Parcel, ...]
    generated_ms: int | None
    played_ms: int | None
    reason: str = ""
    words_again_ms: int | None = None
    falls_silent_ms: int | None = None


def plan(speech: Speech, family: Family, speed: float, rng: random.Random) -> Delivery:
    """Cut ``speech`` into messages.

    Args:
        speech: The reply as spoken.
        family: Sizes and gaps of messages.
        speed: How many times faster than real time the sound leaves.
        rng: Decides sizes and gaps.
    """
    sizes = _sizes(speech.duration_ms, family, rng)
    offsets = _offsets(sizes, family, speed, rng)
    parcels = []
    sent_ms = spoken = 0
    for n, (size_ms, offset_ms) in enumerate(zip(sizes, offsets, strict=True)):
        last = n == len(sizes) - 1
        start, end = _at(sent_ms), None if last else _at(sent_ms + size_ms)
        sent_ms += size_ms
        words = []
        if n % _WORDS_EVERY == 0 or last or family.words is not Words.BUNDLED:
            lead_ms = sent_ms + _WORDS_LEAD_MS
            while spoken < len(speech.words) and (last or speech.words[spoken].start_ms < lead_ms):
                words.append(speech.words[spoken])
                spoken += 1
        text = " ".join(word.text for word in words)
        if words and spoken > len(words):
            text = " " + text
        parcels.append(Parcel(offset_ms, speech.pcm[start:end], size_ms, text, tuple(words)))
    generated_ms = (offsets[-1] if offsets else 0) + rng.randint(*family.generated_ms)
    played_ms = speech.duration_ms + rng.randint(*family.played_ms)
    return Delivery(tuple(parcels), generated_ms, max(generated_ms, played_ms))


def in_parts(pcm: bytes, share: float, rng: random.Random) -> list[bytes]:
    """The sound of a message as the parts that carry it: one, or in a share of messages two."""
    if not share or rng.random() >= share:
        return [pcm]
    half = len(pcm) // 2 // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
    return [piece for piece in (pcm[:half], pcm[half:]) if piece]


def in_pieces(words: str, rng: random.Random) -> list[str]:
    """A text in pieces of one or two words, spaces kept (2.5 in pydantic-ai's cassettes)."""
    spaced = re.findall(r"\s*\S+", words)
    pieces = []
    while spaced:
        count = rng.randint(1, 2)
        pieces.append("".join(spaced[:count]))
        spaced = spaced[count:]
    return pieces


def _at(ms: int) -> int:
    return ms_to_samples(ms, OUTPUT_RATE) * BYTES_PER_SAMPLE


def _sizes(total_ms: int, family: Family, rng: random.Random) -> list[int]:
    """Sound per message, in ms: they sum to ``total_ms``; only the last may break the grid."""
    step = family.audio_step_ms
    most = max(family.audio_most_ms // step, 1)
    mode = max(1.0, 3 * family.audio_mean_ms / step - 1 - most)
    sizes = [min(family.first_audio_ms, total_ms)] if total_ms else []
    rest_ms = total_ms - sum(sizes)
    while rest_ms > 0:
        size_ms = min(step * round(rng.triangular(1, most, min(mode, most))), rest_ms)
        sizes.append(size_ms)
        rest_ms -= size_ms
    return sizes


def _offsets(sizes: list[int], family: Family, speed: float, rng: random.Random) -> list[int]:
    """When each message leaves: the sound so far divided by the speed, gaps kept in their range."""
    scale = family.speed / speed
    least, most, jitter = family.gap_ms[0] * scale, family.gap_ms[1] * scale, 15 * scale
    offsets = [0.0]
    sent_ms = 0
    for size_ms in sizes[1:]:
        sent_ms += size_ms
        target = sent_ms / speed + rng.uniform(-jitter, jitter)
        offsets.append(min(max(target, offsets[-1] + least), offsets[-1] + most))
    return [round(offset) for offset in offsets[: len(sizes)]]
