"""The model's attention: realtime input in its order, and when a user's turn begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pipeline_live.audio import bytes_of, chunks, ms_to_samples, samples_of, samples_to_ms
from pipeline_live.emulator.ears import Detector, Ears, Ending, Onset
from pipeline_live.emulator.families import Family
from pipeline_live.emulator.hearing import Hearing
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import (
    INVALID,
    ActivityEnd,
    ActivityStart,
    Audio,
    Message,
    Refused,
    Setup,
    StreamEnd,
)
from pipeline_live.emulator.stage import Stage
from pipeline_live.emulator.transcription import Tape

# Sound that arrives in a burst is heard about this much faster than real time (pydantic-ai's
# cassette test_audio_in_server_vad_turn: 5 s of it are judged 1.24 s after they arrived).
_HEARING_SPEED = 4
_HEARING_LAG_MOST_MS = 5000
# A message can hold minutes of sound; nobody else shall wait until all of it was judged.
_PIECE_MS = 200


class Listener:
    """Hears realtime input, and says when a turn begins and ends.

    Args:
        stage: Where to plan.
        setup: Automatic or manual detection, and its settings.
        family: What holds where the client does not say.
        hearing: How well it hears.
        session: Counts the sound received.
        starts: Called with the place in the sound, in ms, and the time, when a turn begins.
        ends: Called with the ending and the time when one ends.
        is_busy: Whether the model speaks, or is about to.
        ready_ms: Nothing is heard before.
        detector: Makes a speech detector for a sample rate.
        tape: Keeps the sound of the user's turns, or None.
    """

    def __init__(
        self,
        stage: Stage,
        setup: Setup,
        family: Family,
        hearing: Hearing,
        session: Session,
        *,
        starts: Callable[[int, int], None],
        ends: Callable[[Ending, int], None],
        is_busy: Callable[[], bool],
        ready_ms: int,
        detector: Callable[[int], Detector],
        tape: Tape | None = None,
    ) -> None:
        self._stage = stage
        self._manual = setup.manual
        self._session = session
        self._starts = starts
        self._ends = ends
        self._is_busy = is_busy
        self._family = family
        self._hearing = hearing
        self._ears = Ears.from_setup(
            setup, hearing, stage.rng, detector, low=family.low_sensitivity
        )
        self._heard_ms = ready_ms
        self._noticed_ms = 0
        self._activity_ms: int | None = None
        self._tape = tape

    def spread(self, message: Audio, at_ms: int) -> Iterator[tuple[int, Audio]]:
        """Sound in pieces of at most 200 ms, each with the time when it will have been heard.

        Args:
            message: Realtime input, of any length.
            at_ms: When it arrived.
        """
        size = bytes_of(ms_to_samples(_PIECE_MS, message.rate))
        begun_ms = max(at_ms, self._heard_ms)
        last_ms = self.place(message, at_ms)
        pieces = list(chunks(message.pcm, size)) or [b""]
        for number, pcm in enumerate(pieces, 1):
            heard_ms = begun_ms + (last_ms - begun_ms) * number // len(pieces)
            yield max(heard_ms, at_ms), Audio(pcm, message.rate)

    def place(self, message: Message, at_ms: int) -> int:
        """When this message will have been heard: in order, and sound not faster than it can be.

        Args:
            message: Realtime input.
            at_ms: When it arrived.
        """
        self._heard_ms = max(at_ms, self._heard_ms)
        if isinstance(message, Audio):
            self._heard_ms += _length_ms(message) // _HEARING_SPEED
        self._heard_ms = min(self._heard_ms, at_ms + _HEARING_LAG_MOST_MS)
        return self._heard_ms

    def hurry(self, silence_ms: int) -> None:
        """Let so much silence end the turn that is open."""
        self._ears.hurry(silence_ms)

    def take(self, message: Message, at_ms: int) -> None:
        """Hear one message.

        Raises:
            Refused: Activities are marked by hand though they are detected automatically.
        """
        match message:
            case Audio():
                self._take_audio(message, at_ms)
            case ActivityStart() | ActivityEnd() if not self._manual:
                raise Refused(
                    INVALID,
                    "Explicit activity control is not supported when automatic activity detection "
                    "is enabled.",
                )
            case ActivityStart():
                self._activity_ms = 0
                self._starts(self._ears.position_ms, at_ms)
            case ActivityEnd() if self._activity_ms is not None:
                ending = Ending(self._ears.position_ms, self._activity_ms)
                self._activity_ms = None
                self._ends(ending, at_ms)
            case StreamEnd() if not self._manual and self._family.stream_end:
                cut_off = self._ears.flush()
                if cut_off is not None:
                    self._notice(cut_off, at_ms)
            case _:
                pass

    def _take_audio(self, message: Audio, at_ms: int) -> None:
        length_ms = _length_ms(message)
        self._session.audio_in_ms += length_ms
        if self._tape is not None and not (self._manual and self._activity_ms is None):
            self._tape.record(message.pcm, message.rate)
        if self._manual:
            self._ears.skip(message.pcm, message.rate)
            if self._activity_ms is not None:
                self._activity_ms += length_ms
            return
        for event in self._ears.hear(message.pcm, message.rate):
            self._notice(event, at_ms)

    def _notice(self, event: Onset | Ending, at_ms: int) -> None:
        """Pass on what the ears decided; the news take a moment, and keep their order."""
        hearing = self._hearing
        if isinstance(event, Onset):
            lag_ms = self._stage.wait(hearing.start_lag_ms) + hearing.delay_ms
            if self._is_busy():
                lag_ms += hearing.late(self._stage.rng)
            self._noticed_ms = at_ms + lag_ms
            self._stage.plan(self._noticed_ms, partial(self._starts, event.position_ms))
        else:
            self._noticed_ms = max(at_ms + self._stage.wait(hearing.end_lag_ms), self._noticed_ms)
            self._stage.plan(self._noticed_ms, partial(self._ends, event))


def _length_ms(message: Audio) -> int:
    return samples_to_ms(samples_of(message.pcm), message.rate)
