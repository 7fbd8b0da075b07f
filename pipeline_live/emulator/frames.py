"""What the emulated service says, as JSON objects: lowerCamelCase, as google-genai requires it."""

from __future__ import annotations

import base64
import json
from typing import Any

Frame = dict[str, Any]


def encode(frame: Frame) -> bytes:
    """A frame as the bytes of a binary WebSocket message.

    The real service sends JSON in binary frames (rasonyang/ai-native-callcenter).
    """
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


def setup_complete(session_id: str = "") -> Frame:
    """The answer to setup; Vertex gives the session an id."""
    return {"setupComplete": {"sessionId": session_id} if session_id else {}}


def resumption_update(handle: str, *, resumable: bool = True) -> Frame:
    """A handle for a later session."""
    return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": resumable}}


def voice_activity(kind: str, offset_ms: int) -> Frame:
    """ACTIVITY_START or ACTIVITY_END at a place of the received sound; offsets are whole 40 ms."""
    offset_ms = offset_ms // 40 * 40
    seconds, rest = divmod(offset_ms, 1000)
    text = f"{seconds}.{rest:03d}s" if rest else f"{seconds}s"
    return {"voiceActivity": {"type": kind, "audioOffset": text}}


def input_words(text: str) -> Frame:
    """What the user said."""
    return {"serverContent": {"inputTranscription": {"text": text}}}


def output_words(text: str) -> Frame:
    """What the model says, in a message of its own."""
    return {"serverContent": {"outputTranscription": {"text": text}}}


def audio(pcm: bytes, words: str = "", *, vertex: bool = False) -> Frame:
    """Sound of the model, with the words that came along."""
    blob = {
        "mimeType": "audio/pcm" if vertex else "audio/pcm;rate=24000",
        "data": base64.b64encode(pcm).decode(),
    }
    turn: Frame = {"parts": [{"inlineData": blob}]}
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


def turn_complete(usage: Frame, *, idle_status: bool = False) -> Frame:
    """The reply is over, with what it cost."""
    content: Frame = {"turnComplete": True}
    if idle_status:
        content["interactionStatus"] = "IDLE"
    return {"serverContent": content, "usageMetadata": usage}


def tool_call(call_id: str, name: str, args: Frame) -> Frame:
    """The model wants a function called."""
    return {"toolCall": {"functionCalls": [{"id": call_id, "name": name, "args": args}]}}


def empty() -> Frame:
    """Noise of 3.x: an object without anything in it."""
    return {}


def empty_content() -> Frame:
    """Noise of 3.x: serverContent without anything in it."""
    return {"serverContent": {}}


def usage(prompt_text: int, prompt_audio: int, reply_audio: int, *, vertex: bool) -> Frame:
    """Token counts that add up; Vertex calls the reply's tokens candidates."""
    prompt = prompt_text + prompt_audio
    reply = "candidates" if vertex else "response"
    details = [{"modality": "TEXT", "tokenCount": prompt_text}]
    if prompt_audio:
        details.append({"modality": "AUDIO", "tokenCount": prompt_audio})
    frame: Frame = {
        "promptTokenCount": prompt,
        f"{reply}TokenCount": reply_audio,
        "totalTokenCount": prompt + reply_audio,
        "promptTokensDetails": details,
    }
    if reply_audio:
        frame[f"{reply}TokensDetails"] = [{"modality": "AUDIO", "tokenCount": reply_audio}]
    return frame
