"""What an interruption was like, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_live.turn.events import Source


@dataclass(frozen=True, slots=True)
class InterruptionReport:
    """One reply's end by an interruption. Moments are call time in milliseconds.

    Attributes:
        reply: The reply's number, from 1.
        source: Who ended it.
        onset_ms: When the user's speech began; None when no speech was heard here.
        held_ms: When playout was held; None when it was not.
        decided_ms: When it was decided.
        flushed_ms: When what waited to be played had been thrown away.
        silent_ms: When the last sample that was released is over, at a sink without a buffer of its
            own; None without a ``Playback``.
        heard_ms: How much of the reply was heard.
        heard_text: The words of it that were heard.
    """

    reply: int
    source: Source
    onset_ms: int | None
    held_ms: int | None
    decided_ms: int
    flushed_ms: int
    silent_ms: int | None
    heard_ms: int
    heard_text: str

    def stages(self) -> dict[str, int]:
        """How long each stage took, in milliseconds; what is not known is not there.

        ``onset_to_held``, ``onset_to_decided`` and ``onset_to_silent`` count from the user's first
        sound, ``decided_to_flushed`` and ``decided_to_silent`` from the decision (a hold before it
        may have brought the silence already).
        """
        begins = {"onset": self.onset_ms, "decided": self.decided_ms}
        ends = {
            "onset": {"held": self.held_ms, "decided": self.decided_ms, "silent": self.silent_ms},
            "decided": {"flushed": self.flushed_ms, "silent": self.silent_ms},
        }
        return {
            f"{first}_to_{last}": max(0, end_ms - begin_ms)
            for first, begin_ms in begins.items()
            for last, end_ms in ends[first].items()
            if begin_ms is not None and end_ms is not None
        }
