"""Sound from just before a user's turn, so that its first words are not cut.

The ears need a moment to be sure, and on the local floor the server throws away what comes before
activityStart. So the last sound is kept, and sent right after it.
"""

from __future__ import annotations

from collections import deque

from google.genai import types

from pipeline_live.audio import INPUT_RATE, bytes_of, ms_to_samples

KEEP_MS = 2000
"""How much is kept; the oldest goes first."""


class PreRoll:
    """Keeps the newest sound of a microphone, as the blobs in which it came."""

    def __init__(self) -> None:
        self._blobs: deque[types.Blob] = deque()
        self._ms = 0

    def keep(self, blob: types.Blob) -> None:
        """Keep ``blob``: mono s16le, its rate in the MIME type; without sound it is nothing."""
        if not blob.data:
            return
        self._blobs.append(blob)
        self._ms += ms_of(blob)
        while self._ms - ms_of(self._blobs[0]) > KEEP_MS:
            self._ms -= ms_of(self._blobs.popleft())

    def take(self, ms: int) -> list[types.Blob]:
        """The newest ``ms`` milliseconds, oldest first; nothing is kept after that."""
        blobs, spare = list(self._blobs), self._ms - ms
        self._blobs.clear()
        self._ms = 0
        while blobs and spare >= ms_of(blobs[0]):
            spare -= ms_of(blobs.pop(0))
        if blobs and spare > 0:
            blobs[0] = _without(blobs[0], spare)
        return blobs


def rate_of(blob: types.Blob) -> int:
    """The sample rate that the MIME type declares; 16 kHz when it declares none."""
    for parameter in (blob.mime_type or "").split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "rate" and value.isdigit() and int(value) > 0:
            return int(value)
    return INPUT_RATE


def ms_of(blob: types.Blob) -> int:
    """How long ``blob`` sounds, in milliseconds."""
    return len(blob.data or b"") * 1000 // bytes_of(rate_of(blob))


def _without(blob: types.Blob, ms: int) -> types.Blob:
    """``blob`` without its first ``ms`` milliseconds."""
    skip = bytes_of(ms_to_samples(ms, rate_of(blob)))
    return blob.model_copy(update={"data": (blob.data or b"")[skip:]})
