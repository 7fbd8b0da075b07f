"""What differs between the Live models, as one table.

Times and sizes of ``gemini-3.8-live`` are measured on recordings of the real service: STOP are the
timelines of frontier-on-cloud/gemini-live-stop-test (September 2026), GUARD those of the same
author's live-commit-guard, ANC the findings of rasonyang/ai-native-callcenter (18 phone calls), PYD
the cassettes of pydantic/pydantic-ai (``tests/realtime/cassettes``). CAP, MODEL38, MODEL31 and
THINK are Google's pages on capabilities, the models and thinking. Where nothing is published about
an older family it keeps 3.8's figure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from pipeline_live.emulator.fields import unknown
from pipeline_live.emulator.messages import INVALID, POLICY, Refused, Setup
from pipeline_live.emulator.names import unknown_name
from pipeline_live.errors import UsageError

Range = tuple[int, int]


class Thinking(Enum):
    """What a family makes of thinkingLevel."""

    REFUSED = "refused"
    ALLOWED = "allowed"
    REQUIRED = "required"


class Proactive(Enum):
    """What a family makes of proactive audio and affective dialog."""

    ALWAYS = "always"
    ALPHA = "v1alpha"
    ALLOWED = "allowed"
    UNSUPPORTED = "unsupported"


class Tools(Enum):
    """Whether a tool call holds the reply back."""

    BLOCKING = "blocking unless declared otherwise"
    NON_BLOCKING = "non-blocking unless declared otherwise"
    ONLY_BLOCKING = "always blocking"
    ONLY_NON_BLOCKING = "never blocking; declaring it is an error"


class Words(Enum):
    """How the model's words reach the client."""

    BUNDLED = "in messages with sound"
    APART = "in messages of their own, some ahead of their sound"
    FIRST = "all before the first sound, between an empty one and a finished one"


@dataclass(frozen=True, slots=True)
class Family:
    """How one kind of model behaves on the wire. Durations in ms, ranges with both ends.

    Attributes:
        name: What we call it.
        ids: Model ids without their ``models/`` prefix; a trailing ``*`` matches any ending.
        vertex: It lives on Vertex: other paths, other names in usageMetadata, session ids.
        setup_ms: From the setup message to setupComplete.
        resumption_unasked: A sessionResumptionUpdate comes though nobody asked for one.
        resumption_ms: From setupComplete to that update.
        voice_activity: voiceActivity messages are sent.
        noise: Empty messages come before sound.
        announced: An empty serverContent comes before a reply and before a call.
        words: How outputTranscription comes.
        fragments: The user's words come in pieces.
        thoughts: A reply begins with a text part that is marked as a thought.
        idle_status: turnComplete carries interactionStatus.
        grounding: turnComplete carries an empty groundingMetadata.
        thinking: What thinkingLevel means to it.
        proactive: What proactiveAudio and enableAffectiveDialog mean to it.
        tools: Whether calls block.
        scheduling: A tool's result may say when it is to be spoken.
        call_id: How ids of tool calls look; ``{}`` is the number, empty for a UUID.
        call_begins: A call comes after an empty outputTranscription.
        closes_calls: A result closes the turn that called, and the answer is a turn of its own.
        cancels_calls: toolCallCancellation comes when a blocking call is cut.
        talks_over: A result with scheduling INTERRUPT is spoken although the user is speaking.
        content_later: clientContent is welcome after the model's first turn.
        bare_content: clientContent without turns is welcome after an interruption.
        stream_end: audioStreamEnd ends an open turn.
        coverage: turnCoverage unless the client says otherwise.
        low_sensitivity: Speech begins and ends at LOW sensitivity unless the client says otherwise.
        think_ms: From the end of a turn to the first sound: least, most, usual.
        content_reply_ms: The same after clientContent.
        content_cut_ms: From clientContent to interrupted.
        cut_ms: From interrupted to turnComplete.
        generated_ms: From the last sound to generationComplete.
        played_ms: From the end of simulated playback to turnComplete.
        call_ms: From the end of a turn to a tool call.
        speed: How many times faster than real time sound is sent.
        gap_ms: Between two messages with sound.
        first_audio_ms: Sound in the first audio message.
        audio_step_ms: Later messages hold a multiple of this.
        audio_mean_ms: Their mean.
        audio_most_ms: The longest.
        parts_share: Share of audio messages whose sound comes in two parts.
        pretty_share: Share of messages that are written with line breaks.
        connection_ms: How long a connection lives.
        session_ms: How long a session lives over all its connections, unless its context is
            compressed.
        video_session_ms: The same once it has seen video.
        go_away_ms: goAway comes so long before its end.
        handle_ms: How long a resumption handle lives after its connection.
        close_ms: From a client's close to the answer to it.
    """

    name: str
    ids: tuple[str, ...]
    vertex: bool = False
    setup_ms: Range = (320, 330)  # STOP; PYD 812 over a slower line
    resumption_unasked: bool = True  # STOP, PYD (3.8, 3.1), ANC
    resumption_ms: Range = (115, 116)  # STOP
    voice_activity: bool = True  # STOP, PYD; in manual mode too (VOSStudio)
    noise: bool = True  # PYD (3.8)
    announced: bool = True  # PYD (3.8, 3.1)
    words: Words = Words.BUNDLED  # PYD, MODEL31
    fragments: bool = False  # PYD: one message on 3.8, pieces on 2.5
    thoughts: bool = False
    idle_status: bool = False
    grounding: bool = False
    thinking: Thinking = Thinking.ALLOWED
    proactive: Proactive = Proactive.ALLOWED
    tools: Tools = Tools.NON_BLOCKING
    scheduling: bool = True
    call_id: str = "call_{}"  # STOP
    call_begins: bool = False
    closes_calls: bool = False
    cancels_calls: bool = True  # documented
    talks_over: bool = False
    content_later: bool = True
    bare_content: bool = True
    stream_end: bool = True
    coverage: str = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"  # Google's page, 3.1 and later
    low_sensitivity: bool = False  # HIGH on the Developer API (google-genai's docstrings)
    think_ms: tuple[int, int, int] = (150, 868, 260)  # STOP: 147-205 simple, up to 868
    content_reply_ms: Range = (503, 1125)  # GUARD; ANC greeting: 971
    content_cut_ms: Range = (12, 78)  # GUARD
    cut_ms: Range = (4, 36)  # STOP: 4 and 36
    generated_ms: Range = (3, 30)  # STOP
    played_ms: Range = (3, 9)  # STOP; ANC -244..+50, PYD -235
    call_ms: Range = (0, 400)  # STOP: at once; GUARD: 18-441 after the transcript
    speed: float = 4.3  # STOP: 4.3-4.4; ANC 3.3; 2.5 and 3.1 not measured
    gap_ms: Range = (22, 185)  # STOP
    first_audio_ms: int = 100  # STOP: 100-120
    audio_step_ms: int = 40  # STOP
    audio_mean_ms: int = 316  # STOP
    audio_most_ms: int = 680  # STOP
    parts_share: float = 0.0  # "process every part" (MODEL31); no recording shows two
    pretty_share: float = 0.3  # "often" (ANC); the share is ours
    connection_ms: int = 600_000  # about 10 minutes (Google's page on sessions)
    session_ms: int = 900_000  # 15 minutes (the same page)
    video_session_ms: int = 120_000  # 2 minutes (the same page)
    go_away_ms: int = 50_000  # "50s" is what clients report (kizuna-ai-lab/sokuji#179)
    handle_ms: int = 7_200_000  # 2 h (Google's page on sessions)
    close_ms: int = 220  # ANC, for 1000


_LIVE_38 = Family(
    "3.8-live",
    ("gemini-3.8-live",),
    thinking=Thinking.REFUSED,  # MODEL38
    proactive=Proactive.ALWAYS,  # MODEL38
    cancels_calls=False,  # 0 of 77 sessions (GUARD), 0 of 6 (ANC)
)

_NATIVE_25 = Family(
    name="2.5-native-audio",
    ids=("gemini-2.5-flash-native-audio*", "gemini-2.5-flash-preview-native-audio*"),
    resumption_unasked=False,  # PYD
    voice_activity=False,  # PYD
    noise=False,  # PYD
    announced=False,  # PYD
    words=Words.APART,  # PYD
    fragments=True,  # PYD
    thoughts=True,  # PYD
    proactive=Proactive.ALPHA,  # CAP
    tools=Tools.BLOCKING,  # CAP
    call_id="function-call-{}",  # PYD
    coverage="TURN_INCLUDES_ONLY_ACTIVITY",  # Google's page
    talks_over=True,  # migration guide of Vertex, 2.5 to 3.8
    bare_content=False,  # one report of 1007 (discuss.ai.google.dev, thread 94596)
    first_audio_ms=40,  # PYD, from tokens per message: 62-75 ms on average
    audio_step_ms=20,
    audio_mean_ms=65,
    audio_most_ms=120,
)

FAMILIES = (
    _LIVE_38,
    replace(
        _LIVE_38,
        name="3.8-live-extended-thinking",
        ids=("gemini-3.8-live-extended-thinking*",),
        idle_status=True,  # THINK
        thinking=Thinking.REQUIRED,  # THINK
        tools=Tools.ONLY_NON_BLOCKING,  # THINK
        scheduling=False,  # THINK
    ),
    replace(
        _LIVE_38,
        name="3.1-flash-live",
        ids=("gemini-3.1-flash-live*",),
        voice_activity=False,  # live-api-examples#38
        noise=False,  # PYD
        thinking=Thinking.ALLOWED,  # MODEL31: minimal unless said otherwise
        proactive=Proactive.UNSUPPORTED,  # CAP
        tools=Tools.ONLY_BLOCKING,  # CAP
        call_id="fc_{}",  # PYD
        cancels_calls=True,
        content_later=False,  # 1007 (livekit/agents#5985); MODEL31 allows it since September 2026
        stream_end=False,  # live-api-examples#38
        first_audio_ms=80,  # PYD, from tokens per message: about 160 ms on average
        audio_mean_ms=160,
        audio_most_ms=320,
    ),
    _NATIVE_25,
    replace(
        _NATIVE_25,
        name="vertex-2.5",
        ids=("gemini-live-2.5-flash", "gemini-live-2.5-flash-native-audio"),
        vertex=True,
        words=Words.FIRST,  # PYD
        thoughts=False,  # PYD
        grounding=True,  # PYD
        proactive=Proactive.ALLOWED,
        call_id="",  # PYD: a UUID
        call_begins=True,  # PYD
        closes_calls=True,  # PYD
        bare_content=True,
        low_sensitivity=True,  # google-genai's docstrings
        go_away_ms=60_000,  # Vertex's page on sessions
        handle_ms=86_400_000,  # 24 h there; "about 10 minutes" elsewhere
    ),
    replace(
        _LIVE_38,
        name="vertex-3.8",
        vertex=True,
        low_sensitivity=True,
        go_away_ms=60_000,
        handle_ms=86_400_000,
    ),
)


#: Facts that may be adjusted, with a usual value.
_FACTS: dict[str, Any] = {
    fact.name: fact.default for fact in fields(Family) if fact.name not in ("name", "ids", "vertex")
}
#: Those of them by which others are divided.
_DIVISORS = ("speed", "audio_step_ms")


def family_of(model: str, *, vertex: bool = False) -> Family | None:
    """The family of a model name as the setup message gives it, or None for an unknown model.

    Args:
        model: For example ``models/gemini-3.8-live`` or
            ``projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash``.
        vertex: The service that is asked; each knows its own models only.
    """
    model_id = model.rpartition("/")[2]
    for family in FAMILIES:
        for known in family.ids:
            same = model_id == known or (known.endswith("*") and model_id.startswith(known[:-1]))
            if same and family.vertex == vertex:
                return family
    return None


def checked(profile: Mapping[str, Any]) -> Mapping[str, Any]:
    """Facts that are to replace those of a family: values by attribute name.

    Raises:
        UsageError: A name is no fact of a family, or a value has the wrong shape.
    """
    for name, value in profile.items():
        _check_fact(name, value)
    return profile


def adjusted(family: Family, profile: Mapping[str, Any]) -> Family:
    """A family with some of its facts replaced by a profile that was ``checked``."""
    return replace(family, **profile)


def parse_profile(text: str) -> tuple[str, Any]:
    """Read a fact from a command line: ``cancels_calls=true``, ``cut_ms=4..36``, ``words=apart``.

    Raises:
        UsageError: It is none.
    """
    name, _, written = text.partition("=")
    if name not in _FACTS:
        raise UsageError(unknown_name("fact of a model family", name, _FACTS))
    value = _read_fact(_FACTS[name], written.strip())
    _check_fact(name, value)
    return name, value


def _read_fact(usual: Any, written: str) -> Any:
    match usual:
        case Enum():
            return next((one for one in type(usual) if one.name.lower() == written.lower()), None)
        case bool():
            return {"true": True, "false": False}.get(written.lower())
        case str():
            return written
        case tuple():
            numbers = re.fullmatch(r"\d+(\.\.\d+)*", written)
            return tuple(int(n) for n in written.split("..")) if numbers else None
        case float():
            return float(written) if re.fullmatch(r"\d+(\.\d+)?", written) else None
        case _:
            return int(written) if written.isdecimal() else None


def _check_fact(name: str, value: Any) -> None:
    if name not in _FACTS:
        raise UsageError(unknown_name("fact of a model family", name, _FACTS))
    usual = _FACTS[name]
    fits = isinstance(value, type(usual)) and (
        not isinstance(value, tuple) or (len(value) == len(usual) and value[0] <= value[1])
    )
    if not fits:
        raise UsageError(f"{name} of a model family is for example {_written(usual)}")
    if name in _DIVISORS and not value > 0:
        raise UsageError(f"{name} of a model family must be more than 0")


def _written(usual: Any) -> str:
    match usual:
        case Enum():
            return " or ".join(one.name.lower() for one in type(usual))
        case tuple():
            return "..".join(map(str, usual))
        case _:
            return str(usual).lower()


def family_named(name: str) -> Family:
    """A family by its own name or by a model id of the Developer API.

    Raises:
        UsageError: There is none.
    """
    families = {family.name: family for family in FAMILIES}
    found = families.get(name) or family_of(name)
    if found is None:
        raise UsageError(unknown_name("model family", name, families))
    return found


def admit(
    setup: Setup, version: str = "v1beta", *, vertex: bool = False, only: Family | None = None
) -> Family:
    """The family that serves this setup.

    Args:
        setup: The client's first message.
        version: API version of the request path.
        vertex: The service that is asked.
        only: Serves whatever model is asked for, in the dialect of the service; None for the family
            of that model.

    Raises:
        Refused: The service would not open this session. The reason for an unknown model is the
            real one, as quoted in many public reports; that for modalities too.
    """
    family = replace(only, vertex=vertex) if only else family_of(setup.model, vertex=vertex)
    if family is None:
        raise Refused(
            POLICY,
            f"{setup.model or 'models/'} is not found for API version {version}, "
            "or is not supported for bidiGenerateContent. Call ListModels to see the list.",
        )
    _check_modalities(setup)
    _check_thinking(setup, family)
    _check_proactive(setup, family, version)
    if family.tools is Tools.ONLY_NON_BLOCKING and any(setup.blocking.values()):
        raise Refused(INVALID, "BLOCKING function calls are not supported for this model.")
    return family


def _check_modalities(setup: Setup) -> None:
    """Every Live model speaks, and none writes (PYD)."""
    if set(setup.modalities) == {"TEXT"}:
        raise Refused(INVALID, "Cannot extract voices from a non-audio request.")
    if setup.modalities and set(setup.modalities) != {"AUDIO"}:
        raise Refused(
            INVALID,
            f"The requested combination of response modalities ({', '.join(setup.modalities)}) is "
            f"not supported by the model. {setup.model}",
        )


def _check_thinking(setup: Setup, family: Family) -> None:
    level = "" if setup.thinking_level.endswith("UNSPECIFIED") else setup.thinking_level
    if level and family.thinking is Thinking.REFUSED:
        raise Refused(INVALID, "Thinking level is not supported for this model.")
    if level in ("", "MINIMAL") and family.thinking is Thinking.REQUIRED:
        raise Refused(INVALID, "Thinking level LOW, MEDIUM or HIGH is required for this model.")


def _check_proactive(setup: Setup, family: Family, version: str) -> None:
    """Proactive audio and affective dialog: two fields that v1beta does not know for 2.5."""
    asked = setup.proactive is not None or setup.affective is not None
    match family.proactive:
        case Proactive.ALPHA if asked and version != "v1alpha":
            field, where = ("proactivity", "setup")
            if setup.proactive is None:
                field, where = ("enableAffectiveDialog", "setup.generation_config")
            raise unknown(field, where)
        case Proactive.ALWAYS if setup.proactive is False or setup.affective is not None:
            raise Refused(INVALID, "Request contains an invalid argument.")
        case Proactive.UNSUPPORTED if setup.proactive or setup.affective:
            raise Refused(INVALID, "Request contains an invalid argument.")
        case _:
            pass
