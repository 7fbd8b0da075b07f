"""What the emulated service says, as JSON objects: lowerCamelCase, as google-genai requires it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Frame = dict[str, Any]


def encode(frame: Frame, *, pretty: bool = False) -> bytes:
    """A frame as the bytes of a binary WebSocket message.

    The real service sends JSON in binary frames, often with line breaks
    (rasonyang/ai-native-callcenter).
    """
    if pretty:
        return json.dumps(frame, ensure_ascii=False, indent=2).encode()
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


def setup_complete(session_id: str = "") -> Frame:
    """The answer to setup; Vertex gives the session an id."""
    return {"setupComplete": {"sessionId": session_id} if session_id else {}}


def resumption_update(handle: str, consumed: int | None = None) -> Frame:
    """A handle for a later session.

    Args:
        handle: The handle; empty while the session cannot be resumed, which leaves nothing to say.
        consumed: Which message of the client was the last one that the handle knows of, if asked.
    """
    update: Frame = {"newHandle": handle, "resumable": True} if handle else {}
    if consumed is not None:
        update["lastConsumedClientMessageIndex"] = str(consumed)
    return {"sessionResumptionUpdate": update}


def go_away(left_ms: int) -> Frame:
    """The connection ends soon."""
    return {"goAway": {"timeLeft": _seconds(left_ms)}}


def voice_activity(kind: str, offset_ms: int, *, content: bool = False) -> Frame:
    """ACTIVITY_START or ACTIVITY_END at a place of the received sound; offsets are whole 40 ms.

    Args:
        kind: Which of the two.
        offset_ms: The place.
        content: An empty serverContent comes along, as it sometimes does.
    """
    frame: Frame = {"voiceActivity": {"type": kind, "audioOffset": _seconds(offset_ms // 40 * 40)}}
    return {"serverContent": {}, **frame} if content else frame


def vad_signal(kind: str) -> Frame:
    """SOS or EOS (start, end of speech), for those who set explicitVadSignal."""
    return {"voiceActivityDetectionSignal": {"vadSignalType": f"VAD_SIGNAL_TYPE_{kind}"}}


def _seconds(ms: int) -> str:
    """A protobuf Duration."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds}.{rest:03d}s" if rest else f"{seconds}s"


def input_words(text: str) -> Frame:
    """What the user said."""
    return {"serverContent": {"inputTranscription": {"text": text}}}


def output_words(text: str = "", *, finished: bool = False) -> Frame:
    """What the model says, in a message of its own; empty, or ``finished``, at its ends."""
    words: Frame = {"text": text} if text else {}
    if finished:
        words["finished"] = True
    return {"serverContent": {"outputTranscription": words}}


def audio(pcm: Sequence[bytes], words: str = "", *, vertex: bool = False) -> Frame:
    """Sound of the model in one part or several, with the words that came along."""
    mime = "audio/pcm" if vertex else "audio/pcm;rate=24000"
    turn: Frame = {
        "parts": [
            {"inlineData": {"mimeType": mime, "data": base64.b64encode(piece).decode()}}
            for piece in pcm
        ]
    }
    if vertex:
        turn["role"] = "model"
    content: Frame = {"modelTurn": turn}
    if words:
        content["outputTranscription"] = {"text": words}
    return {"serverContent": content}


def thought(text: str) -> Frame:
    """A text part that is marked as a thought."""
    return {"serverContent": {"modelTurn": {"parts": [{"text": text, "thought": True}]}}}


def interrupted() -> Frame:
    """The reply was cut."""
    return {"serverContent": {"interrupted": True}}


def grounding(found: Frame) -> Frame:
    """What a search found. The recordings have the field only empty, on Vertex's turnComplete."""
    return {"serverContent": {"groundingMetadata": found}}


def generation_complete() -> Frame:
    """All of the reply was sent."""
    return {"serverContent": {"generationComplete": True}}


def turn_complete(
    usage: Frame | None, *, status: str = "", reason: str = "", grounding: bool = False
) -> Frame:
    """The reply is over.

    Args:
        usage: What it cost, as ``usage`` makes it; None to keep that.
        status: interactionStatus, where the model tells it.
        reason: turnCompleteReason, when something was wrong.
        grounding: An empty groundingMetadata comes along.
    """
    content: Frame = {"turnComplete": True}
    if status:
        content["interactionStatus"] = status
    if reason:
        content["turnCompleteReason"] = reason
    if grounding:
        content["groundingMetadata"] = {}
    return {"serverContent": content, **({} if usage is None else {"usageMetadata": usage})}


def tool_call(calls: Sequence[tuple[str, str, Frame]], *, status: str = "") -> Frame:
    """The model wants functions called, given as id, name and arguments each."""
    wanted = [{"id": call_id, "name": name, "args": args} for call_id, name, args in calls]
    frame: Frame = {"toolCall": {"functionCalls": wanted}}
    return {**frame, "interactionStatus": status} if status else frame


def tool_call_cancellation(ids: Sequence[str]) -> Frame:
    """These calls are not wanted any more."""
    return {"toolCallCancellation": {"ids": list(ids)}}


def empty() -> Frame:
    """Noise of 3.x: an object without anything in it."""
    return {}


def empty_content() -> Frame:
    """Noise of 3.x: serverContent without anything in it."""
    return {"serverContent": {}}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one side of a turn.

    Attributes:
        text: Of text.
        audio: Of sound.
        video: Of pictures.
    """

    text: int = 0
    audio: int = 0
    video: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.video

    def details(self) -> list[Frame]:
        """What there is of each modality."""
        counts = {"TEXT": self.text, "AUDIO": self.audio, "VIDEO": self.video}
        return [{"modality": name, "tokenCount": n} for name, n in counts.items() if n]


def usage(prompt: Tokens, reply: Tokens, thoughts: int = 0, *, vertex: bool = False) -> Frame:
    """Token counts that add up; Vertex calls the reply's tokens candidates.

    Thoughts are not part of the total, as in the recordings of pydantic-ai (2.5).
    """
    name = "candidates" if vertex else "response"
    frame: Frame = {
        "promptTokenCount": prompt.total,
        f"{name}TokenCount": reply.total,
        "totalTokenCount": prompt.total + reply.total,
        "promptTokensDetails": prompt.details(),
        f"{name}TokensDetails": reply.details(),
    }
    if thoughts:
        frame["thoughtsTokenCount"] = thoughts
    return {key: value for key, value in frame.items() if value != []}
