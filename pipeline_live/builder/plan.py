"""A checked file as the Python that builds its bot: which objects, with which arguments.

This is where YAML meets Pipecat. Nothing is made here, so nothing heavy is loaded: ``build`` makes
what the plan says, ``eject`` writes it down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_live.builder.expressions import Attribute, Call, Expression, Name, Variable
from pipeline_live.config import Bot, Chosen, spec
from pipeline_live.config.components import Component
from pipeline_live.config.families import family_of
from pipeline_live.config.python_names import Library

_OURS = "pipeline_live.processors"
_PIPECAT_LIVE = "pipecat.services.google.gemini_live.llm"
_GENAI = "google.genai.types"
_SESSION = "pipeline_live.session"
_HELPERS = "pipeline_live.builder.parts"
_MUTE = "pipecat.turns.user_mute"

TRANSPORT = Variable("transport")
SERVICE = Variable("service")
PAIR = Variable("pair")
CONTEXT = Variable("context")
KEY = Variable("api_key")
HTTP_OPTIONS = Variable("http_options")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build, in this order.

    Attributes:
        service: The model's service; may use ``api_key`` and ``http_options``.
        context: The conversation so far, with the tools.
        pair: The context aggregators; uses ``context``.
        steps: The pipeline's processors, in order; use ``service``, ``pair`` and ``transport``.
        params: Pipecat's parameters of the pipeline.
        shared: Objects that several places use, by variable.
        transport: The file's own transport; None for one that the runner brings.
    """

    service: Expression
    context: Expression
    pair: Expression
    steps: list[Expression]
    params: Expression
    shared: Mapping[str, Expression]
    transport: Expression | None


def plan_of(bot: Bot, canned: Mapping[str, Any] | None = None) -> Plan:
    """The plan of a checked file.

    Args:
        bot: The file.
        canned: Results of tools, by name, in place of what the tools would do.
    """
    return _Planner(bot, canned or {}).plan()


class _Planner:
    def __init__(self, bot: Bot, canned: Mapping[str, Any]) -> None:
        self._bot = bot
        self._canned = canned
        self._library = Library(bot.folder)
        self._shared: dict[str, Expression] = {}

    def plan(self) -> Plan:
        mute = self._mute_strategies()
        steps = self._steps()
        return Plan(
            service=self._service(),
            context=self._context(),
            pair=Call(
                Name(
                    "pipecat.processors.aggregators.llm_response_universal:LLMContextAggregatorPair"
                ),
                (CONTEXT,),
                {"user_params": self._user_params(mute)},
            ),
            steps=steps,
            params=Call(
                Name("pipecat.pipeline.worker:PipelineParams"),
                keywords={"audio_in_sample_rate": self._rate(), "audio_out_sample_rate": 24_000},
            ),
            shared=self._shared,
            transport=self._transport(),
        )

    def _rate(self) -> int:
        mic = next((step for step in self._bot["pipeline"] if step.name == "mic"), None)
        rate: int = (mic.options if mic is not None else spec.MIC.defaults())["sample_rate"]
        return rate

    # --- the model -------------------------------------------------------------------------------

    def _service(self) -> Call:
        step = self._bot.model_step
        component = spec.STEPS.component(step.name)
        options = step.options
        vertex = component is spec.GEMINI_LIVE_VERTEX
        keywords: dict[str, Expression] = {}
        if vertex:
            keywords |= {"project_id": options["project"], "location": options["location"]}
            if options["credentials"] is not None:
                keywords["credentials_path"] = self._path(options["credentials"])
        else:
            keywords["api_key"] = KEY
        service = Name(component.builds)
        keywords["settings"] = Call(Attribute(service, "Settings"), keywords=self._settings(step))
        keywords["floor"] = self._bot["floor"].name
        keywords |= self._turns()
        keywords["http_options"] = HTTP_OPTIONS
        return Call(service, keywords=keywords)

    def _settings(self, step: Chosen) -> dict[str, Expression]:
        bot, options = self._bot, step.options
        keywords: dict[str, Expression] = {
            "model": bot["model"],
            "voice": bot["voice"],
            "language": bot["language"],
            "system_instruction": bot["instruction"],
            "max_tokens": options["max_tokens"],
        }
        for name in ("temperature", "top_p", "top_k", "seed"):
            if options[name] is not None:
                keywords[name] = options[name]
        if options["modality"] != "audio":
            keywords["modalities"] = _member(_PIPECAT_LIVE, "GeminiModalities", options["modality"])
        if options["media_resolution"] is not None:
            keywords["media_resolution"] = _member(
                _PIPECAT_LIVE, "GeminiMediaResolution", options["media_resolution"]
            )
        if options["compress_at_tokens"] is not None:
            keywords["context_window_compression"] = Call(
                Name(f"{_PIPECAT_LIVE}:ContextWindowCompressionParams"),
                keywords={"enabled": True, "trigger_tokens": options["compress_at_tokens"]},
            )
        if options["affective_dialog"] is not None:
            keywords["enable_affective_dialog"] = options["affective_dialog"]
        if options["proactive_audio"] is not None:
            keywords["proactivity"] = Call(
                Name(f"{_GENAI}:ProactivityConfig"),
                keywords={"proactive_audio": options["proactive_audio"]},
            )
        return keywords | self._thinking(options) | self._server_vad()

    def _thinking(self, options: Mapping[str, Any]) -> dict[str, Expression]:
        keywords: dict[str, Expression] = {}
        if options["thinking_level"] is not None:
            keywords["thinking_level"] = _member(_GENAI, "ThinkingLevel", options["thinking_level"])
        for name in ("thinking_budget", "include_thoughts"):
            if options[name] is not None:
                keywords[name] = options[name]
        if not keywords:
            return {}
        return {"thinking": Call(Name(f"{_GENAI}:ThinkingConfig"), keywords=keywords)}

    def _server_vad(self) -> dict[str, Expression]:
        floor: Chosen = self._bot["floor"]
        if floor.name != "server":
            return {}
        keywords: dict[str, Expression] = {}
        for edge in ("start", "end"):
            if floor.options[f"{edge}_sensitivity"] is not None:
                word = f"{edge}_sensitivity_{floor.options[f'{edge}_sensitivity']}"
                enum = f"{edge.capitalize()}Sensitivity"
                keywords[f"{edge}_sensitivity"] = _member(_GENAI, enum, word)
        for name in ("prefix_padding_ms", "silence_duration_ms"):
            if floor.options[name] is not None:
                keywords[name] = floor.options[name]
        settings: dict[str, Expression] = {}
        if keywords:
            settings["vad"] = Call(Name(f"{_PIPECAT_LIVE}:GeminiVADParams"), keywords=keywords)
        if floor.options["turn_coverage"] is not None:
            coverage = floor.options["turn_coverage"]
            word = "only_activity" if coverage == "activity" else coverage
            settings["turn_coverage"] = _member(_GENAI, "TurnCoverage", f"turn_includes_{word}")
        return settings

    def _turns(self) -> dict[str, Expression]:
        """What the ears and the turn machine are told."""
        floor: Chosen = self._bot["floor"]
        interruption: Chosen = self._bot["interruption"]
        ears = _changed(spec.INTERRUPTION.component(interruption.name), interruption.options)
        keywords: dict[str, Expression] = {"policy": interruption.name}
        policy: dict[str, Expression] = {}
        if "limit_ms" in ears:
            policy["hold_limit_ms"] = ears.pop("limit_ms")
        if "phantom" in ears:
            policy["phantom"] = _member("pipeline_live.turn", "Phantom", ears.pop("phantom"))
        if policy:
            policy["barge_in"] = _member("pipeline_live.turn", "BargeIn", interruption.name)
            keywords["policy"] = Call(Name("pipeline_live.turn:TurnPolicy"), keywords=policy)
        if floor.name == "local":
            waits = _changed(spec.FLOOR.component("local"), floor.options)
            smart_turn = waits.pop("smart_turn", True)
            if not smart_turn:
                keywords["smart_turn"] = False
            ears |= waits
        if ears:
            keywords["ears"] = Call(Name(f"{_SESSION}:EarsPolicy"), keywords=ears)
        return keywords

    # --- context and turns -----------------------------------------------------------------------

    def _context(self) -> Call:
        greeting = self._bot["greeting"]
        args = () if greeting is None else ([{"role": "user", "content": greeting}],)
        tools = self._tools()
        return Call(
            Name("pipecat.processors.aggregators.llm_context:LLMContext"),
            args,
            {} if tools is None else {"tools": tools},
        )

    def _tools(self) -> Expression | None:
        tools: list[Chosen] = self._bot["tools"] or []
        if not tools:
            return None
        made = [self._tool(tool) for tool in tools if tool.name != "google_search"]
        keywords: dict[str, Expression] = {"standard_tools": made}
        if len(made) < len(tools):
            keywords["google_search"] = True
        return Call(Name(f"{_HELPERS}:tools_schema"), keywords=keywords)

    def _tool(self, tool: Chosen) -> Call:
        made = self._real_tool(tool)
        name = _tool_name(tool)
        if name in self._canned:
            return Call(Name(f"{_HELPERS}:canned_tool"), (made, self._canned[name]))
        return made

    def _real_tool(self, tool: Chosen) -> Call:
        component = spec.TOOL.component(tool.name)
        keywords = _changed(component, tool.options)
        keywords.pop("uninterruptible", None)
        if tool.name == "python":
            function = Name(str(keywords.pop("function")))
            return Call(Name(f"{_HELPERS}:function_tool"), (function,), keywords)
        return Call(Name(f"{_HELPERS}:http_tool"), keywords=keywords)

    def _mute_strategies(self) -> list[Expression]:
        parts: list[str] = self._bot["uninterruptible"] or []
        classes = {
            "greeting": "MuteUntilFirstBotCompleteUserMuteStrategy",
            "tool_calls": "FunctionCallUserMuteStrategy",
            "always": "AlwaysUserMuteStrategy",
        }
        strategies: list[Expression] = [Call(Name(f"{_MUTE}:{classes[part]}")) for part in parts]
        protected = [
            _tool_name(tool)
            for tool in self._bot["tools"] or []
            if tool.options.get("uninterruptible")
        ]
        if protected:
            strategies.append(
                Call(Name(f"{_HELPERS}:MuteAfterTool"), keywords={"tools": protected})
            )
        return strategies

    def _user_params(self, mute: list[Expression]) -> Call:
        turns = Name(f"{_OURS}:{self._bot['floor'].name}_turns")
        return Call(turns, keywords={"user_mute_strategies": mute} if mute else {})

    # --- the pipeline ----------------------------------------------------------------------------

    def _steps(self) -> list[Expression]:
        steps: list[Expression] = []
        written: list[Chosen] = self._bot["pipeline"]
        has_playback = any(step.name == "playback" for step in written)
        behind_model = False
        for step in written:
            if step.name in (model.name for model in spec.MODELS):
                steps += [Call(Attribute(PAIR, "user")), SERVICE]
                behind_model = True
            elif step.name == "speaker":
                steps += self._speaker(step, has_playback=has_playback)
            else:
                steps.append(self._step(step, behind_model=behind_model))
        if not has_playback and not any(step.name == "speaker" for step in written):
            steps.append(Call(Name(spec.PLAYBACK.builds)))
        return [*steps, Call(Attribute(PAIR, "assistant"))]

    def _speaker(self, step: Chosen, *, has_playback: bool) -> list[Expression]:
        steps: list[Expression] = []
        if not has_playback:
            steps.append(Call(Name(spec.PLAYBACK.builds)))
        if step.options["volume"] != spec.SPEAKER.field("volume").default:
            steps.append(Call(Name(f"{_OURS}:Volume"), (step.options["volume"],)))
        return [*steps, Call(Attribute(TRANSPORT, "output"))]

    def _step(self, step: Chosen, *, behind_model: bool) -> Expression:
        if step.name == "mic":
            return Call(Attribute(TRANSPORT, "input"))
        if step.name == "python":
            return self._python_step(step, behind_model=behind_model)
        component = spec.STEPS.component(step.name)
        return Call(Name(component.builds), keywords=_changed(component, step.options))

    def _python_step(self, step: Chosen, *, behind_model: bool) -> Expression:
        made = self._python(step.options["class"], step.options["args"])
        found = self._library.find(step.options["class"])
        bases = found.bases
        if "VADAnalyzer" in bases:
            vad = Name("pipecat.processors.audio.vad_processor:VADProcessor")
            return Call(vad, keywords={"vad_analyzer": made})
        if "BaseAudioFilter" in bases:
            return Call(Name(f"{_OURS}:AudioFilter"), (made,))
        if "BaseTransport" in bases:
            shared = next((n for n, known in self._shared.items() if known == made), None)
            if shared is None:
                shared = f"transport_{len(self._shared) + 1}"
                self._shared[shared] = made
            return Call(Attribute(Variable(shared), "output" if behind_model else "input"))
        if "FrameProcessor" in bases:
            return made
        return Call(Name(f"{_HELPERS}:as_step"), (made,))

    def _python(self, path: str, args: Mapping[str, Any] | None) -> Call:
        keywords = {name: self._argument(value) for name, value in (args or {}).items()}
        return Call(Name(str(path)), keywords=keywords)

    def _argument(self, value: Any) -> Expression:
        if isinstance(value, list):
            return [self._argument(item) for item in value]
        if isinstance(value, dict) and "python" in value:
            return self._python(value["python"], value.get("args"))
        if isinstance(value, dict):
            return {name: self._argument(item) for name, item in value.items()}
        return value

    # --- the transport ---------------------------------------------------------------------------

    def _transport(self) -> Expression | None:
        transport: Chosen = self._bot["transport"]
        if transport.name == "python":
            return self._python(transport.options["class"], transport.options["args"])
        if transport.name == "files":
            keywords = _changed(spec.FILES, transport.options)
            keywords.pop("end_after_ms", None)
            for name in ("input", "output"):
                if name in keywords or name == "output":
                    keywords[name] = self._path(transport.options[name])
            rate = self._rate()
            if rate != spec.MIC.field("sample_rate").default:
                keywords["sample_rate"] = rate
            return Call(Name(f"{_OURS}:FileTransport"), keywords=keywords)
        if transport.name == "local":
            keywords = _changed(spec.TRANSPORT.component("local"), transport.options)
            if self._rate() != spec.MIC.field("sample_rate").default:
                keywords["audio_in_sample_rate"] = self._rate()
            params = Call(Name(f"{_OURS}:LocalTransportParams"), keywords=keywords)
            tell = {"tell": Name(f"{_HELPERS}:say")}
            return Call(Name(f"{_OURS}:LocalTransport"), (params,) if keywords else (), tell)
        return None

    def _path(self, path: str) -> Expression:
        """A path that counts from the folder of the file."""
        return Call(Name(f"{_HELPERS}:beside"), (Variable("__file__"), path))


def needs_early_access(bot: Bot) -> bool:
    """Whether the model's settings need the API version v1alpha."""
    family = family_of(bot["model"])
    if family is None or bot.model_step.name == spec.GEMINI_LIVE_VERTEX.name:
        return False
    return any(bot.model_step.options[name] for name in family.early_access)


def _member(module: str, enum: str, word: str) -> Name:
    return Name(f"{module}:{enum}.{word.upper()}")


def _tool_name(tool: Chosen) -> str:
    from pipeline_live.config.check import tool_name

    return tool_name(tool) or ""


def _changed(component: Component, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that are not as they are by themselves."""
    defaults = component.defaults()
    return {
        name: value
        for name, value in options.items()
        if value is not None and value != defaults[name]
    }
