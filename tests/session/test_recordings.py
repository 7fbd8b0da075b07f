"""Recordings of the real service, through the session layer: the same content out, in order."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import Line, run, session_on
from google import genai
from google.genai import errors, live

from pipeline_live.turn.tables import Gate


def _decoded(message: dict[str, Any]) -> dict[str, Any]:
    """Repair audio that the recording cut to its first bytes in the middle of a base64 group."""
    for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", []):
        if "inlineData" in part:
            data = part["inlineData"]["data"]
            whole = base64.b64decode(data[: len(data) // 4 * 4])
            part["inlineData"]["data"] = base64.b64encode(whole[: len(whole) // 2 * 2]).decode()
    return message


def _received(path: Path) -> list[dict[str, Any]]:
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]
    messages = [step["data"] for step in steps if step["direction"] == "received"]
    return [_decoded(message) for message in messages if "setupComplete" not in message]


async def _everything(receive: Any) -> list[dict[str, Any]]:
    seen = []
    try:
        while True:
            async for message in receive():
                seen.append(message.model_dump(exclude_none=True))
    except errors.APIError:
        return seen


async def _by_the_sdk(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    line = Line()
    line.feed(*messages)
    line.end()
    client = genai.Client(api_key="no-key")
    sdk = live.AsyncSession(api_client=client._api_client, websocket=line)  # type: ignore[arg-type]
    return await _everything(sdk.receive)


async def _by_the_session(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    line = Line()
    async with session_on(line) as session:
        line.feed(*messages)
        line.end()
        seen = await _everything(session.receive)
        assert session.call.machine.gate is Gate.IDLE
        assert session.call.timeline.counts["ReportAnomaly"] == 0
        return seen


NAMES = [
    "gemini-2.5-text-in-audio-out.yaml",
    "gemini-2.5-tool-call.yaml",
    "gemini-3.1-text-tool-round.yaml",
    "vertex-2.5-text-tool-round.yaml",
]


@pytest.mark.shared
@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_session_passes_unchanged(shared, name):
    path = shared / "recordings" / name
    if not path.is_file():
        pytest.skip(f"{name} is not there")
    messages = _received(path)
    assert len(messages) > 4
    assert run(_by_the_session(messages)) == run(_by_the_sdk(messages))


def test_our_own_fixture_of_every_kind_of_message_passes_unchanged():
    """Written from the documented shapes: one of each, so nothing is lost on the way."""
    sound = base64.b64encode(b"\x01\x00" * 240).decode()
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": sound}}
    messages: list[dict[str, Any]] = [
        {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
        {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.880s"}},
        {"serverContent": {"inputTranscription": {"text": "Hello."}}},
        {"voiceActivity": {"type": "ACTIVITY_END", "audioOffset": "5s"}, "serverContent": {}},
        {},
        {"serverContent": {}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "hm", "thought": True}]}}},
        {
            "serverContent": {
                "modelTurn": {"parts": [part, part]},
                "outputTranscription": {"text": "Hi"},
            }
        },
        {"toolCall": {"functionCalls": [{"id": "call_1", "name": "f", "args": {"x": 1}}]}},
        {"toolCallCancellation": {"ids": ["call_1"]}},
        {"serverContent": {"groundingMetadata": {"webSearchQueries": ["q"]}}},
        {"goAway": {"timeLeft": "50s"}},
        {"serverContent": {"generationComplete": True}},
        {"serverContent": {"turnComplete": True}, "usageMetadata": {"totalTokenCount": 3}},
    ]
    assert run(_by_the_session(messages)) == run(_by_the_sdk(messages))
