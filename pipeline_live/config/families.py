"""What the Live model families refuse in a bot's settings, as one table.

A refusal would come as a closed connection (1007 or 1008) in the first second of a call; here it is
a finding. Sources: the model pages and the Live API capabilities guide at ai.google.dev (September
and October 2026), and live probes by pydantic/pydantic-ai, VOSStudio and Pipecat 1.14.
"""

from __future__ import annotations

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Refusal:
    """A setting that a family does not take.

    Attributes:
        field: Its name in the step of the model.
        refused: Whether this value is refused.
        text: What to tell the author.
    """

    def __init__(self, field: str, refused: Callable[[Any], bool], text: str) -> None:
        self.field = field
        self.refused = refused
        self.text = text


class Family:
    """Models with the same rules.

    Attributes:
        name: What we call it.
        ids: Model ids without their ``models/`` prefix; a trailing ``*`` matches any ending.
        refusals: What they do not take.
        early_access: Fields for which the connection needs the API version v1alpha.
    """

    def __init__(
        self,
        name: str,
        ids: tuple[str, ...],
        refusals: tuple[Refusal, ...] = (),
        early_access: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.ids = ids
        self.refusals = refusals
        self.early_access = early_access


def _given(value: Any) -> bool:
    return value is not None


def _is(wanted: Any) -> Callable[[Any], bool]:
    return lambda value: value is wanted or value == wanted


_NO_TEXT = Refusal("modality", _is("text"), "every Live model answers in sound only; drop it")
_NO_AFFECT = Refusal("affective_dialog", _is(True), "it was removed with 3.8; drop it")
_PROACTIVE = Refusal(
    "proactive_audio", _is(False), "it is always on with 3.8, and false is refused; drop it"
)

FAMILIES = (
    Family(
        "gemini-3.8-live",
        ("gemini-3.8-live",),
        (
            _NO_TEXT,
            _NO_AFFECT,
            _PROACTIVE,
            Refusal(
                "thinking_level",
                _given,
                "this model refuses any; drop it, or choose gemini-3.8-live-extended-thinking",
            ),
        ),
    ),
    Family(
        "gemini-3.8-live-extended-thinking",
        ("gemini-3.8-live-extended-thinking*",),
        (
            _NO_TEXT,
            _NO_AFFECT,
            _PROACTIVE,
            Refusal("thinking_level", _is("minimal"), "this model thinks; write low or higher"),
        ),
    ),
    Family(
        "gemini-3.1-flash-live",
        ("gemini-3.1-flash-live*",),
        (
            _NO_TEXT,
            Refusal("affective_dialog", _given, "3.1 does not know it; drop it"),
            Refusal("proactive_audio", _given, "3.1 does not know it; drop it"),
        ),
    ),
    Family(
        "gemini-2.5-flash-native-audio",
        ("gemini-2.5-flash-native-audio*", "gemini-2.5-flash-preview-native-audio*"),
        (_NO_TEXT,),
        ("affective_dialog", "proactive_audio"),
    ),
    Family("gemini-live-2.5-flash", ("gemini-live-2.5-flash*",), (_NO_TEXT,)),
)

SHUT_DOWN = ("gemini-live-2.5-flash-preview", "gemini-2.0-flash-live-001")
"""Models that were turned off on 2025-12-09."""

KNOWN_MODELS = (
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-preview-12-2025",
    "gemini-live-2.5-flash-native-audio",
    "gemini-live-2.5-flash",
)

KNOWN_VOICES = (
    "Achernar",
    "Achird",
    "Algenib",
    "Algieba",
    "Alnilam",
    "Aoede",
    "Autonoe",
    "Callirrhoe",
    "Charon",
    "Despina",
    "Enceladus",
    "Erinome",
    "Fenrir",
    "Gacrux",
    "Iapetus",
    "Kore",
    "Laomedeia",
    "Leda",
    "Orus",
    "Puck",
    "Pulcherrima",
    "Rasalgethi",
    "Sadachbia",
    "Sadaltager",
    "Schedar",
    "Sulafat",
    "Umbriel",
    "Vindemiatrix",
    "Zephyr",
    "Zubenelgenubi",
)


def family_of(model: str) -> Family | None:
    """The family of a model id, with or without what stands before its last slash."""
    name = model.rpartition("/")[2]
    for family in FAMILIES:
        for known in family.ids:
            if name == known or (known.endswith("*") and name.startswith(known[:-1])):
                return family
    return None


def objection(model: str) -> str:
    """Why a model id cannot be meant; empty when it can."""
    name = model.rpartition("/")[2]
    if name in SHUT_DOWN:
        return "it was shut down on 2025-12-09; use gemini-3.8-live"
    if family_of(name) is not None:
        return ""
    import difflib  # only for models that are not in the table

    near = difflib.get_close_matches(name, KNOWN_MODELS, n=1, cutoff=0.9)
    if near:
        return f'did you mean "{near[0]}"?'
    if "live" not in name and "native-audio" not in name:
        return "it is no Live model; use gemini-3.8-live"
    return ""
