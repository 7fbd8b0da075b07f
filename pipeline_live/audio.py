"""PCM arithmetic: bytes, samples and milliseconds; exact chunking; WAV files; resampling.

All sound in this package is mono, signed 16-bit little-endian PCM ("s16le") as ``bytes``, unless a
name says otherwise. Gemini Live takes 16 kHz and sends 24 kHz.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from pipeline_live.errors import AudioFormatError

BYTES_PER_SAMPLE = 2
INPUT_RATE = 16_000
OUTPUT_RATE = 24_000
FADE_MS = 5

Samples = npt.NDArray[np.int16]


def samples_of(pcm: bytes | bytearray) -> int:
    """Whole samples in ``pcm``."""
    return len(pcm) // BYTES_PER_SAMPLE


def bytes_of(samples: int) -> int:
    """Bytes that ``samples`` samples take."""
    return samples * BYTES_PER_SAMPLE


def ms_to_samples(ms: int, rate: int) -> int:
    """Samples in ``ms`` milliseconds at ``rate`` Hz, rounded down."""
    return ms * rate // 1000


def samples_to_ms(samples: int, rate: int) -> int:
    """Milliseconds that ``samples`` samples last at ``rate`` Hz, rounded down."""
    return samples * 1000 // rate


def silence(ms: int, rate: int) -> bytes:
    """``ms`` milliseconds of digital silence at ``rate`` Hz."""
    return bytes(bytes_of(ms_to_samples(ms, rate)))


def to_array(pcm: bytes) -> Samples:
    """``pcm`` as an int16 array; an odd last byte is left out."""
    return np.frombuffer(pcm, dtype="<i2", count=samples_of(pcm)).astype(np.int16, copy=False)


def to_pcm(samples: npt.NDArray[np.floating] | Samples) -> bytes:
    """An int16 array, or floats in -1..1, as s16le bytes; floats beyond the range are clipped."""
    if np.issubdtype(samples.dtype, np.floating):
        samples = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)
    return samples.astype("<i2", copy=False).tobytes()


def levels(pcm: bytes, rate: int) -> bytes:
    """Loudness of each 20 ms of ``pcm`` (RMS, the rest at the end too), one byte each.

    Returns:
        Decibels above -96 dBFS, 0 to 96: digital silence is 0, a full-scale sine 93.
    """
    samples = to_array(pcm).astype(np.float64)
    frame = ms_to_samples(20, rate)
    starts = np.arange(0, len(samples), frame)
    if not len(starts):
        return b""
    power = np.add.reduceat(samples**2, starts) / np.diff(starts, append=len(samples))
    decibels = 10 * np.log10(np.maximum(power, 1e-9) / 32768**2) + 96
    return bytes(np.clip(np.rint(decibels), 0, 96).astype(np.uint8))


def faded_in(pcm: bytes, rate: int) -> bytes:
    """Mono ``pcm`` with its first 5 ms rising from nothing, so that it begins without a click."""
    samples = to_array(pcm).astype(np.float64)
    rise = ramp(rate)[: len(samples)]
    samples[: len(rise)] *= rise
    return to_pcm(samples.astype(np.int16))


def faded_out(pcm: bytes, rate: int) -> bytes:
    """The first 5 ms of mono ``pcm``, falling to nothing."""
    samples = to_array(pcm[: bytes_of(ms_to_samples(FADE_MS, rate))])
    return to_pcm((samples * ramp(rate)[::-1][: len(samples)]).astype(np.int16))


def decay(pcm: bytes, rate: int) -> bytes:
    """5 ms that fall from the last sample of ``pcm`` to nothing, for sound that was cut there."""
    last = int(to_array(pcm[-BYTES_PER_SAMPLE:])[0]) if pcm else 0
    return to_pcm((last * ramp(rate)[::-1]).astype(np.int16))


def ramp(rate: int) -> npt.NDArray[np.float64]:
    """From nearly 0 to nearly 1 within 5 ms."""
    steps = ms_to_samples(FADE_MS, rate)
    return np.arange(1, steps + 1) / (steps + 1)


def chunks(pcm: bytes, size: int) -> Iterator[bytes]:
    """Cut ``pcm`` into pieces of ``size`` bytes; the last one may be shorter."""
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


def resample(pcm: bytes, rate: int, to_rate: int) -> bytes:
    """``pcm`` at ``rate`` Hz as s16le at ``to_rate`` Hz."""
    if rate == to_rate:
        return pcm
    return to_pcm(np.asarray(soxr.resample(to_array(pcm), rate, to_rate), dtype=np.int16))


class Resampler:
    """Resamples a stream of mono s16le PCM that comes in pieces, without seams between them.

    Args:
        rate: Sample rate of what is fed, in Hz.
        to_rate: Sample rate of what comes out, in Hz.
        quality: soxr's name: ``"HQ"`` lags by up to 40 ms, ``"QQ"`` by less than a sample.
    """

    def __init__(self, rate: int, to_rate: int, *, quality: str = "HQ") -> None:
        self.rate = rate
        self._stream = (
            None
            if rate == to_rate
            else soxr.ResampleStream(rate, to_rate, 1, dtype="int16", quality=quality)
        )

    def feed(self, pcm: bytes) -> bytes:
        """Resample the next piece; a few ms may come out with the piece after it."""
        if self._stream is None:
            return pcm
        return to_pcm(np.asarray(self._stream.resample_chunk(to_array(pcm)), np.int16))

    def rest(self) -> bytes:
        """What is still to come at the end of the stream; nothing can be fed after it."""
        if self._stream is None:
            return b""
        return to_pcm(np.asarray(self._stream.resample_chunk(to_array(b""), last=True), np.int16))


class Rechunker:
    """Cuts a stream of bytes of any sizes into whole samples, carrying an odd byte over.

    The last chunk of a Gemini reply can end in the middle of a sample (protocol facts, part 6).
    """

    def __init__(self) -> None:
        self._carry = b""

    def feed(self, data: bytes) -> bytes:
        """Return the whole samples so far; keep an odd byte for the next call."""
        data = self._carry + data
        whole = bytes_of(samples_of(data))
        self._carry = data[whole:]
        return data[:whole]

    def reset(self) -> None:
        """Forget the carried byte, for example at the start of a new reply."""
        self._carry = b""


def read_wav(path: Path | str, rate: int) -> bytes:
    """Read a WAV file (any rate, 8 to 32 bit PCM, any channel count) as mono s16le at ``rate`` Hz.

    Args:
        path: The file.
        rate: Sample rate of the result in Hz.

    Raises:
        AudioFormatError: The file is missing, empty, broken, or not PCM. The text names the file
            and what to do.
    """
    path = Path(path)
    try:
        with wave.open(str(path), "rb") as wav:
            channels, width, source_rate = (
                wav.getnchannels(),
                wav.getsampwidth(),
                wav.getframerate(),
            )
            data = wav.readframes(wav.getnframes())
    except FileNotFoundError:
        raise AudioFormatError(f"{path}: no such file; give the path of a WAV file") from None
    except (wave.Error, EOFError, RuntimeError) as error:  # the last: sizes that do not fit
        said = str(error) or "the file ends too early"
        raise AudioFormatError(
            f"{path}: not a PCM WAV file ({said}); convert it, for example: "
            f"sox {path.name} -b 16 fixed.wav"
        ) from None
    except OSError as error:
        raise AudioFormatError(f"{path}: cannot be read ({error.strerror or error})") from None
    data = data[: len(data) // (width * channels) * width * channels]
    if not data:
        raise AudioFormatError(f"{path}: holds no sound; record something and try again")
    if width > 4:
        raise AudioFormatError(f"{path}: {8 * width} bit; re-export it with 16")
    if source_rate <= 0:
        raise AudioFormatError(f"{path}: declares a sample rate of {source_rate} Hz; re-export it")
    if width == 1:
        wide = (np.frombuffer(data, np.uint8).astype(np.float64) - 128.0) / 128.0
    elif width == 3:
        raw = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
        packed = (raw[:, 0] << 8) | (raw[:, 1] << 16) | (raw[:, 2] << 24)
        wide = packed.astype(np.int32) / 2147483648.0
    else:
        wide = np.frombuffer(data, f"<i{width}") / float(1 << (8 * width - 1))
    mono = wide.reshape(-1, channels).mean(axis=1)
    if source_rate != rate:
        mono = np.asarray(soxr.resample(mono, source_rate, rate))
    return to_pcm(mono)


def write_wav(path: Path | str, pcm: bytes, rate: int, channels: int = 1) -> None:
    """Write s16le ``pcm`` (interleaved when ``channels`` > 1) as a WAV file.

    Raises:
        AudioFormatError: The file cannot be written.
    """
    try:
        with open(path, "wb") as file, wave.open(file, "wb") as wav:
            wav.setnchannels(channels)
            wav.setsampwidth(BYTES_PER_SAMPLE)
            wav.setframerate(rate)
            wav.writeframes(pcm)
    except OSError as error:
        raise AudioFormatError(f"{path}: cannot be written ({error.strerror or error})") from None


def mono(pcm: bytes, channels: int) -> bytes:
    """Interleaved s16le ``pcm`` mixed down to one channel."""
    if channels == 1:
        return pcm
    frames = to_array(pcm)[: samples_of(pcm) // channels * channels].reshape(-1, channels)
    return to_pcm(frames.mean(axis=1).astype(np.int16))
