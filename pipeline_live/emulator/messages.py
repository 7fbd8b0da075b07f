"""What a client says, as types, and how the service refuses it. ``wire`` reads them from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_live.errors import PipelineLiveError

INVALID = 1007
POLICY = 1008
INTERNAL = 1011
_REASON_BYTES = 123

Json = Mapping[str, Any]


class Refused(PipelineLiveError):
    """The connection must be closed.

    The service has no error message: a refusal is a WebSocket close code and a reason that is cut
    at 123 bytes (seen in rasonyang/ai-native-callcenter, docs/design/gemini-findings.md).

    Attributes:
        code: WebSocket close code.
        reason: At most 123 bytes of UTF-8.
    """

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        whole = reason.encode(errors="replace")
        self.reason = whole[:_REASON_BYTES].decode(errors="ignore")
        super().__init__(f"{code}: {self.reason}")


@dataclass(frozen=True, slots=True)
class Compression:
    """contextWindowCompression.

    Attributes:
        trigger_tokens: Context from which it is shortened; None for the service's own choice.
        target_tokens: What is left then; None for half of the trigger.
    """

    trigger_tokens: int | None = None
    target_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message: which model, and how.

    Attributes:
        model: As sent, with its prefix.
        voice: Prebuilt voice name, or empty.
        modalities: Response modalities, upper case; empty when not given.
        instruction: Text of the system instruction.
        manual: The client marks activities itself; automatic detection is off.
        start_low: Start of speech at LOW sensitivity; None for the service's own choice.
        end_low: The same for the end of speech.
        prefix_ms: Speech needed before a start is committed, or None.
        silence_ms: Silence needed before an end is committed, or None.
        interrupts: Activity cuts a reply.
        coverage: turnCoverage as sent, upper case, or empty.
        input_words: The user's words are sent.
        output_words: The model's words are sent.
        resumption: sessionResumption was given.
        transparent: Updates tell which message of the client was the last one consumed.
        handle: Session to resume, or empty.
        compression: contextWindowCompression, or None.
        thinking_level: As sent, upper case, or empty.
        thinking_budget: As sent, or None.
        proactive: proactivity.proactiveAudio, or None.
        affective: enableAffectiveDialog, or None.
        vad_signals: explicitVadSignal is on.
        blocking: Declared tools and whether they are BLOCKING; None where it is not said.
        raw: The whole setup object.
    """

    model: str = ""
    voice: str = ""
    modalities: tuple[str, ...] = ()
    instruction: str = ""
    manual: bool = False
    start_low: bool | None = None
    end_low: bool | None = None
    prefix_ms: int | None = None
    silence_ms: int | None = None
    interrupts: bool = True
    coverage: str = ""
    input_words: bool = False
    output_words: bool = False
    resumption: bool = False
    transparent: bool = False
    handle: str = ""
    compression: Compression | None = None
    thinking_level: str = ""
    thinking_budget: int | None = None
    proactive: bool | None = None
    affective: bool | None = None
    vad_signals: bool = False
    blocking: Mapping[str, bool | None] = field(default_factory=dict)
    raw: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """clientContent: turns for the history, and whether they want an answer now.

    Attributes:
        turns: Role and text of each; parts that are not text are left out.
        complete: turnComplete.
    """

    turns: tuple[tuple[str, str], ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Audio:
    """realtimeInput.audio.

    Attributes:
        pcm: Mono s16le.
        rate: Samples per second, as its MIME type declares.
    """

    pcm: bytes
    rate: int


@dataclass(frozen=True, slots=True)
class Video:
    """realtimeInput.video; its picture is not looked at."""


@dataclass(frozen=True, slots=True)
class Text:
    """realtimeInput.text."""

    text: str


@dataclass(frozen=True, slots=True)
class ActivityStart:
    """realtimeInput.activityStart."""


@dataclass(frozen=True, slots=True)
class ActivityEnd:
    """realtimeInput.activityEnd."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """realtimeInput.audioStreamEnd: the microphone is off for a while."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """One functionResponse.

    Attributes:
        id: Of the call that it answers.
        name: The function.
        response: Its result.
        scheduling: INTERRUPT, WHEN_IDLE, SILENT, or empty.
        will_continue: More results of this call follow.
    """

    id: str
    name: str
    response: Json
    scheduling: str = ""
    will_continue: bool = False


@dataclass(frozen=True, slots=True)
class ToolResponse:
    """toolResponse."""

    results: tuple[ToolResult, ...]


@dataclass(frozen=True, slots=True)
class ContextUpdate:
    """contextUpdate: what holds from now on.

    Attributes:
        instruction: Text of a new system instruction, or None.
        blocking: Tools declared anew, as in ``Setup``, or None.
    """

    instruction: str | None
    blocking: Mapping[str, bool | None] | None = None


Message = (
    Setup
    | Content
    | Audio
    | Video
    | Text
    | ActivityStart
    | ActivityEnd
    | StreamEnd
    | ToolResponse
    | ContextUpdate
)
