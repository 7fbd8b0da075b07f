"""What travels with frames: the reply that a frame belongs to, and the call of a pipeline."""

from __future__ import annotations

from collections import deque
from typing import Any

from pipecat.frames.frames import Frame, OutputAudioRawFrame, TextFrame

from pipeline_live.session import Call
from pipeline_live.turn import Reply
from pipeline_live.vad import Window

_REPLY = "reply"
_CALL = "pipeline_live.call"
_SPEECH = "pipeline_live.speech"
_CAPTURED = "pipeline_live.captured"


def tag_reply(frame: Frame, reply: Reply) -> None:
    """Mark ``frame`` as part of ``reply``; the object is shared, so its death is seen at once."""
    frame.metadata[_REPLY] = reply


def reply_of(frame: Frame) -> Reply | None:
    """The reply that ``frame`` belongs to, if any."""
    reply: Any = frame.metadata.get(_REPLY)
    return reply if isinstance(reply, Reply) else None


def is_dead(frame: Frame) -> bool:
    """Whether ``frame`` belongs to a reply that was interrupted."""
    reply = reply_of(frame)
    return reply is not None and reply.dead


def tag_call(frame: Frame, call: Call) -> None:
    """Let the StartFrame carry the service's call to the processors after it."""
    frame.metadata[_CALL] = call


def call_of(frame: Frame) -> Call | None:
    """The call that the StartFrame carries, if a service of ours is in front."""
    call: Any = frame.metadata.get(_CALL)
    return call if isinstance(call, Call) else None


def tag_speech(frame: Frame, windows: list[Window]) -> None:
    """Mark microphone sound with what was heard in it; an empty list means: nothing new."""
    frame.metadata[_SPEECH] = windows


def speech_of(frame: Frame) -> list[Window] | None:
    """What a ``SileroVAD`` in front heard; None when nobody has listened yet."""
    windows: list[Window] | None = frame.metadata.get(_SPEECH)
    return windows


def tag_captured(frame: Frame, at_s: float) -> None:
    """Mark microphone sound with the event loop's time at which its first sample was taken."""
    frame.metadata[_CAPTURED] = at_s


def captured_s(frame: Frame) -> float | None:
    """When the sound was taken; None when its source does not say."""
    at_s: float | None = frame.metadata.get(_CAPTURED)
    return at_s


class OnTheWay:
    """Frames of replies that were pushed last and may still stand in somebody's queue.

    An InterruptionFrame overtakes data frames in a processor's input queue, which is not drained:
    sound and words that were pushed just before it would come out after it. So the frames
    themselves are emptied; whoever has used one already is not affected.

    Args:
        keep: How many frames to remember: 2.5 s of 20 ms pieces, for a machine that is behind.
    """

    def __init__(self, keep: int = 128) -> None:
        self._frames: deque[Frame] = deque(maxlen=keep)

    def add(self, frame: Frame) -> None:
        """Remember a frame that is pushed now, if it belongs to a reply."""
        if reply_of(frame) is not None:
            self._frames.append(frame)

    def empty_the_dead(self) -> None:
        """Take sound and words out of the frames of dead replies."""
        for frame in self._frames:
            if not is_dead(frame):
                continue
            if isinstance(frame, OutputAudioRawFrame):
                frame.audio, frame.num_frames = b"", 0
            elif isinstance(frame, TextFrame):
                frame.append_to_context = False
        self._frames.clear()
