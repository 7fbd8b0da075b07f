"""Server messages: which facts they hold, and what is left of them when a reply is dead.

Fields of one message are not exclusive: 3.x bundles audio, transcript and ``turnComplete``, and
anything may stand beside ``interrupted``. Google's page on the model says to process every part.
"""

from __future__ import annotations

from google.genai import types

from pipeline_live.audio import OUTPUT_RATE, levels, samples_of
from pipeline_live.turn.events import (
    ActivityEnded,
    ActivityStarted,
    AudioReceived,
    ChunkCompleted,
    ContentReceived,
    Fact,
    GenerationCompleted,
    InputTranscribed,
    Interrupted,
    ToolCalled,
    TranscriptReceived,
    TurnCompleted,
)

_STARTED, _ENDED = "ACTIVITY_START", "ACTIVITY_END"


def facts_of(message: types.LiveServerMessage, at_ms: int) -> list[Fact]:
    """Put what ``message`` says into facts, in the order in which they count.

    ``interrupted`` comes first, so that content bundled with it belongs to the dead reply; content
    comes before the end of the turn that it belongs to.
    """
    facts: list[Fact] = []
    content = message.server_content
    if content and content.interrupted:
        facts.append(Interrupted(at_ms))
    facts += _activity_facts(message, at_ms)
    if content:
        facts += _content_facts(content, at_ms)
    if message.tool_call and message.tool_call.function_calls:
        facts.append(ToolCalled(at_ms))
    if content and content.generation_complete:
        facts.append(GenerationCompleted(at_ms))
    if content and content.turn_complete:
        facts.append(TurnCompleted(at_ms) if is_idle(content) else ChunkCompleted(at_ms))
    elif content and _status(content) == "IDLE":
        facts.append(TurnCompleted(at_ms))
    return facts


def is_idle(content: types.LiveServerContent) -> bool:
    """Whether a ``turnComplete`` is the turn's last.

    Extended-thinking models report ``interactionStatus``; IN_PROGRESS means that they go on
    (google-genai 2.19 and newer, ``receive()``). Without a status ``turnComplete`` is the end.
    """
    return _status(content) in (None, "IDLE", "REQUIRES_ACTION", "INTERACTION_STATUS_UNSPECIFIED")


def _status(content: types.LiveServerContent) -> str | None:
    status = getattr(content, "interaction_status", None)
    return None if status is None else str(getattr(status, "value", status))


def _activity_facts(message: types.LiveServerMessage, at_ms: int) -> list[Fact]:
    activity = message.voice_activity
    kind = activity.voice_activity_type if activity else None
    name = str(getattr(kind, "value", kind))
    if name == _STARTED:
        return [ActivityStarted(at_ms)]
    if name == _ENDED:
        return [ActivityEnded(at_ms)]
    return []


def _content_facts(content: types.LiveServerContent, at_ms: int) -> list[Fact]:
    facts: list[Fact] = []
    if content.input_transcription and content.input_transcription.text:
        facts.append(InputTranscribed(at_ms, content.input_transcription.text))
    for part in (content.model_turn.parts or []) if content.model_turn else []:
        if part.inline_data and part.inline_data.data:
            pcm = part.inline_data.data
            facts.append(AudioReceived(at_ms, samples_of(pcm), levels(pcm, OUTPUT_RATE)))
        else:
            facts.append(ContentReceived(at_ms))
    if content.output_transcription and content.output_transcription.text:
        facts.append(TranscriptReceived(at_ms, content.output_transcription.text))
    return facts


def sound_of(message: types.LiveServerMessage) -> bytes:
    """The model's speech in ``message``, s16le at 24 kHz."""
    turn = message.server_content.model_turn if message.server_content else None
    parts = (turn.parts or []) if turn else []
    return b"".join(p.inline_data.data or b"" for p in parts if p.inline_data)


def stripped(
    message: types.LiveServerMessage,
    *,
    content: bool = False,
    interrupted: bool = False,
    turn_complete: bool = False,
) -> types.LiveServerMessage | None:
    """A copy of ``message`` without what is named; None when nothing is left.

    Usage, tool calls, transcripts of the user and session messages always stay.

    Args:
        message: The original; it is not changed.
        content: Take out the model's speech, text and output transcript (and grounding, which
            describes them).
        interrupted: Take out ``interrupted``.
        turn_complete: Take out ``turnComplete``.
    """
    left = message.server_content
    if left is None:
        return message
    gone: dict[str, None] = {}
    if content:
        gone |= dict.fromkeys(("model_turn", "output_transcription", "grounding_metadata"))
    if interrupted:
        gone["interrupted"] = None
    if turn_complete:
        gone["turn_complete"] = None
    left = left.model_copy(update=gone)
    rest = message.model_copy(
        update={"server_content": left if left.model_dump(exclude_none=True) else None}
    )
    return rest if rest.model_dump(exclude_none=True) else None


def split_parts(message: types.LiveServerMessage) -> list[types.LiveServerMessage]:
    """One message per part of the model's turn, for a reader that looks at the first part only.

    The last of them keeps everything else that the message held; ``interrupted`` goes first.
    """
    content = message.server_content
    parts = (content.model_turn.parts or []) if content and content.model_turn else []
    if content is None or content.model_turn is None or len(parts) < 2:
        return [message]
    turn = content.model_turn
    split = []
    for position, part in enumerate(parts):
        of_one = turn.model_copy(update={"parts": [part]})
        if position < len(parts) - 1:
            first = position == 0 and content.interrupted
            only = types.LiveServerContent(model_turn=of_one, interrupted=first or None)
            split.append(types.LiveServerMessage(server_content=only))
        else:
            rest = content.model_copy(update={"model_turn": of_one, "interrupted": None})
            split.append(message.model_copy(update={"server_content": rest}))
    return split


def interruption() -> types.LiveServerMessage:
    """What the server would say if it knew that its reply was interrupted."""
    return types.LiveServerMessage(server_content=types.LiveServerContent(interrupted=True))


def end_of_turn() -> types.LiveServerMessage:
    """What the server would say at the end of a turn."""
    return types.LiveServerMessage(server_content=types.LiveServerContent(turn_complete=True))


def note_of_heard(text: str) -> types.Content:
    """What the model is told of an interrupted reply.

    Args:
        text: The words that were heard; empty for none.
    """
    note = f'The user heard only this much of your interrupted reply: "{text}"'
    if not text:
        note = "The user heard nothing of your interrupted reply."
    return types.Content(role="user", parts=[types.Part(text=f"[{note}]")])
