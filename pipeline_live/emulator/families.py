"""What differs between the Live models, as one table.

Times and sizes of ``gemini-3.8-live`` are measured on recordings of the real service: the timelines
of frontier-on-cloud/gemini-live-stop-test (runs of September 2026) and the cassettes of
pydantic/pydantic-ai (``tests/realtime/cassettes``). The older families keep 3.8's times and differ
in their framing only, after the same cassettes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline_live.emulator.messages import INVALID, POLICY, Refused, Setup


@dataclass(frozen=True, slots=True)
class Family:
    """How one kind of model behaves on the wire.

    Attributes:
        name: What we call it.
        ids: Model ids without their ``models/`` prefix; a trailing ``*`` matches any ending.
        setup_ms: From the setup message to setupComplete.
        resumption_unasked: A sessionResumptionUpdate comes though nobody asked for one.
        resumption_ms: From setupComplete to that update.
        voice_activity: voiceActivity messages are sent.
        noise: Empty messages come before audio, and an empty serverContent before a reply.
        bundled: Words share a message with sound; otherwise each has its own.
        thoughts: A reply begins with a text part that is marked as a thought.
        idle_status: turnComplete carries interactionStatus.
        thinking_level: The setup field is "refused", "allowed" or "required".
        always_proactive: Proactive audio cannot be turned off, and affective dialog not on.
        blocking_tools: A tool call holds the reply back, unless declared otherwise.
        first_audio_ms: Sound in the first audio message.
        audio_step_ms: Later messages hold a multiple of this.
        audio_mean_ms: Their mean.
        audio_most_ms: The longest.
    """

    name: str
    ids: tuple[str, ...]
    setup_ms: int = 320
    resumption_unasked: bool = True
    resumption_ms: int = 115
    voice_activity: bool = True
    noise: bool = True
    bundled: bool = True
    thoughts: bool = False
    idle_status: bool = False
    thinking_level: str = "allowed"
    always_proactive: bool = False
    blocking_tools: bool = False
    first_audio_ms: int = 100
    audio_step_ms: int = 40
    audio_mean_ms: int = 316
    audio_most_ms: int = 680


_LIVE_38 = Family("3.8-live", ("gemini-3.8-live",), thinking_level="refused", always_proactive=True)

FAMILIES = (
    _LIVE_38,
    replace(
        _LIVE_38,
        name="3.8-live-extended-thinking",
        ids=("gemini-3.8-live-extended-thinking*",),
        idle_status=True,
        thinking_level="required",
    ),
    replace(
        _LIVE_38,
        name="3.1-flash-live",
        ids=("gemini-3.1-flash-live*",),
        voice_activity=False,
        thinking_level="allowed",
        always_proactive=False,
        blocking_tools=True,
        first_audio_ms=80,
        audio_mean_ms=160,
        audio_most_ms=320,
    ),
    Family(
        name="2.5-native-audio",
        ids=(
            "gemini-2.5-flash-native-audio*",
            "gemini-2.5-flash-preview-native-audio*",
            "gemini-live-2.5-flash*",
        ),
        resumption_unasked=False,
        voice_activity=False,
        noise=False,
        bundled=False,
        thoughts=True,
        blocking_tools=True,
        first_audio_ms=40,
        audio_step_ms=20,
        audio_mean_ms=65,
        audio_most_ms=120,
    ),
)


def family_of(model: str) -> Family | None:
    """The family of a model name as the setup message gives it, or None for an unknown model.

    Args:
        model: For example ``models/gemini-3.8-live`` or
            ``projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash``.
    """
    model_id = model.rpartition("/")[2]
    for family in FAMILIES:
        for known in family.ids:
            if model_id == known or (known.endswith("*") and model_id.startswith(known[:-1])):
                return family
    return None


def admit(setup: Setup, version: str = "v1beta") -> Family:
    """The family that serves this setup.

    Args:
        setup: The client's first message.
        version: API version of the request path, for the text of a refusal.

    Raises:
        Refused: The service would not open this session. The reason for an unknown model is the
            real one, as quoted in many public reports; that for modalities too.
    """
    family = family_of(setup.model)
    if family is None:
        raise Refused(
            POLICY,
            f"{setup.model or 'models/'} is not found for API version {version}, "
            "or is not supported for bidiGenerateContent. Call ListModels to see the list.",
        )
    if "TEXT" in setup.modalities:
        if len(setup.modalities) == 1:
            raise Refused(INVALID, "Cannot extract voices from a non-audio request.")
        raise Refused(
            INVALID,
            f"The requested combination of response modalities ({', '.join(setup.modalities)}) is "
            f"not supported by the model. {setup.model}",
        )
    if setup.thinking_level and family.thinking_level == "refused":
        raise Refused(INVALID, "Thinking level is not supported for this model.")
    if family.thinking_level == "required" and setup.thinking_level in ("", "MINIMAL"):
        raise Refused(INVALID, "Thinking level LOW, MEDIUM or HIGH is required for this model.")
    if family.always_proactive and (setup.proactive is False or setup.affective):
        raise Refused(INVALID, "Request contains an invalid argument.")
    if family.idle_status and any(setup.blocking.values()):
        raise Refused(INVALID, "BLOCKING function calls are not supported for this model.")
    return family
