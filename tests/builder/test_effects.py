"""No setting is accepted and ignored: a walk over the whole spec, and what each field does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bots import ENGINE, bot_of, built, setup_of

from pipeline_live.builder import run as run_command
from pipeline_live.builder.eject import python_of
from pipeline_live.builder.plan import needs_early_access, plan_of
from pipeline_live.builder.running import hangs_up
from pipeline_live.config import spec
from pipeline_live.config.faults import FAULT
from pipeline_live.config.list import components
from pipeline_live.processors import AudioFilter, Playback, SileroVAD, Volume
from pipeline_live.turn import BargeIn, Floor, Phantom

Look = Callable[[str, Path], Any]


def steps(text: str, folder: Path) -> list[Any]:
    return built(bot_of(text, folder)).steps


def step(kind: type, look: Callable[[Any], Any]) -> Look:
    return lambda text, folder: [look(s) for s in steps(text, folder) if isinstance(s, kind)]


def service(look: Callable[[Any], Any]) -> Look:
    return lambda text, folder: look(built(bot_of(text, folder)).service)


SETUPS: dict[str, dict[str, Any]] = {}


def setup(*path: str) -> Look:
    """A look at what the model is told; bots with the same text share the connection."""

    def look(text: str, folder: Path) -> Any:
        if text not in SETUPS:
            SETUPS[text] = setup_of(bot_of(text, folder))
        value: Any = SETUPS[text]
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    return look


def planned(look: Callable[[Any], Any]) -> Look:
    return lambda text, folder: look(plan_of(bot_of(text, folder)))


def keywords(expression: Any) -> dict[str, Any]:
    return dict(expression.keywords)


def ears(name: str) -> Look:
    return service(lambda s: getattr(s.call.ears.policy, name))


def policy(name: str) -> Look:
    return service(lambda s: getattr(s.call.machine.policy, name))


def playback(name: str) -> Callable[[Any], Any]:
    def look(plan: Any) -> list[Any]:
        made = [made for made in plan.steps if getattr(made, "keywords", {}).get(name)]
        return [made.keywords[name] for made in made]

    return look


def command(text: str, folder: Path) -> list[str]:
    return run_command.runner_command(bot_of(text, folder))


def transport(name: str) -> Look:
    return planned(lambda plan: keywords(plan.transport).get(name))


def local(name: str) -> Look:
    return planned(
        lambda plan: (keywords(plan.transport.args[0]) if plan.transport.args else {}).get(name)
    )


def muted(text: str, folder: Path) -> list[str]:
    params = plan_of(bot_of(text, folder)).pair.keywords["user_params"]
    return [made.what.name for made in params.keywords.get("user_mute_strategies", [])]


def tools(look: Callable[[Any], Any]) -> Look:
    def of(text: str, folder: Path) -> list[Any]:
        context = built(bot_of(text, folder)).context
        return [look(tool) for tool in context.tools.standard_tools] if context.tools else []

    return of


def tool_option(name: str) -> Look:
    return planned(
        lambda plan: [
            keywords(tool).get(name)
            for tool in keywords(plan.context.keywords["tools"])["standard_tools"]
        ]
    )


def with_model(options: str, model: str = "gemini-4-live", step: str = "gemini_live") -> str:
    return f"model: {model}\npipeline: [mic, {{{step}: {{{options}}}}}, speaker]\n"


def vertex(options: str) -> str:
    return with_model(f"project: p, {options}", step="gemini_live_vertex")


def vertex_plan(name: str) -> Look:
    def look(text: str, folder: Path) -> Any:
        (folder / "key.json").write_text("{}")
        return keywords(plan_of(bot_of(text, folder)).service)[name]

    return look


def vertex_settings(name: str) -> Look:
    return lambda text, folder: keywords(vertex_plan("settings")(text, folder)).get(name)


def hold(options: str) -> str:
    return f"interruption: {{hold: {{{options}}}}}\n"


def cut(options: str) -> str:
    return f"interruption: {{cut: {{{options}}}}}\n"


def server(options: str) -> str:
    return f"floor: {{server: {{{options}}}}}\n"


def at_home(options: str) -> str:
    return f"floor: {{local: {{{options}}}}}\n"


def desk(options: str) -> str:
    return f"tools: [{{python: {{function: 'desk:hours', {options}}}}}]\n"


def web(options: str) -> str:
    about = "name: hours, description: d, url: 'http://127.0.0.1:1/x'"
    return f"tools: [{{http: {{{about}, {options}}}}}]\n"


LOGGER = "pipecat.processors.logger:FrameLogger"
VAD = ("realtime_input_config", "automatic_activity_detection")

EVERYTHING = with_model(
    "temperature: 0.5, "
    "top_p: 0.5, "
    "top_k: 5, "
    "max_tokens: 50, "
    "seed: 5, "
    "thinking_level: high, "
    "thinking_budget: 0, "
    "include_thoughts: true, "
    "affective_dialog: true, "
    "proactive_audio: true, "
    "modality: text, "
    "media_resolution: low, "
    "compress_at_tokens: 9000"
)
SERVER = server(
    "start_sensitivity: low, "
    "end_sensitivity: low, "
    "prefix_padding_ms: 77, "
    "silence_duration_ms: 777, "
    "turn_coverage: activity"
)

EFFECTS: dict[str, tuple[str, Look, Any]] = {
    # the bot
    "a bot.name": ("name: desk\n", lambda t, f: python_of(bot_of(t, f))[3:7], "desk"),
    "a bot.instruction": ("instruction: Be brief.\n", setup("system_instruction"), "Be brief."),
    "a bot.greeting": (
        "greeting: Say hello.\n",
        lambda t, f: [m["content"] for m in built(bot_of(t, f)).context.get_messages()],
        ["Say hello."],
    ),
    "a bot.model": (
        "model: gemini-4-live\n",
        service(lambda s: s._settings.model),
        "gemini-4-live",
    ),
    "a bot.voice": (
        "voice: Kore\n",
        setup(
            "generation_config",
            "speech_config",
            "voice_config",
            "prebuilt_voice_config",
            "voice_name",
        ),
        "Kore",
    ),
    "a bot.language": (
        "language: de-DE\n",
        setup("generation_config", "speech_config", "language_code"),
        "de-DE",
    ),
    "a bot.floor": ("floor: local\n", service(lambda s: s.call.floor), Floor.LOCAL),
    "a bot.interruption": ("interruption: cut\n", policy("barge_in"), BargeIn.CUT),
    "a bot.uninterruptible": (
        "greeting: Hello.\nuninterruptible: [greeting, tool_calls, always]\n",
        muted,
        [
            "MuteUntilFirstBotCompleteUserMuteStrategy",
            "FunctionCallUserMuteStrategy",
            "AlwaysUserMuteStrategy",
        ],
    ),
    "a bot.transport": (
        "transport: files\n",
        planned(lambda plan: plan.transport.what.name),
        "FileTransport",
    ),
    "a bot.pipeline": (
        "pipeline: [mic, silero_vad, gemini_live, speaker]\n",
        step(SileroVAD, lambda s: True),
        [True],
    ),
    "a bot.tools": ("tools: [{python: 'desk:hours'}]\n", tools(lambda t: t.name), ["hours"]),
    # the model
    "gemini_live.api_key": (
        with_model("api_key: abc"),
        lambda t, f: engine_key(bot_of(t, f)),
        "abc",
    ),
    "gemini_live.temperature": (
        EVERYTHING,
        setup("generation_config", "temperature"),
        0.5,
    ),
    "gemini_live.top_p": (EVERYTHING, setup("generation_config", "top_p"), 0.5),
    "gemini_live.top_k": (EVERYTHING, setup("generation_config", "top_k"), 5),
    "gemini_live.max_tokens": (
        EVERYTHING,
        setup("generation_config", "max_output_tokens"),
        50,
    ),
    "gemini_live.seed": (EVERYTHING, setup("generation_config", "seed"), 5),
    "gemini_live.thinking_level": (
        EVERYTHING,
        setup("thinking_config", "thinking_level"),
        "HIGH",
    ),
    "gemini_live.thinking_budget": (
        EVERYTHING,
        setup("thinking_config", "thinking_budget"),
        0,
    ),
    "gemini_live.include_thoughts": (
        EVERYTHING,
        setup("thinking_config", "include_thoughts"),
        True,
    ),
    "gemini_live.affective_dialog": (
        EVERYTHING,
        setup("enable_affective_dialog"),
        True,
    ),
    "gemini_live.proactive_audio": (
        EVERYTHING,
        setup("proactivity", "proactive_audio"),
        True,
    ),
    "gemini_live.modality": (
        EVERYTHING,
        setup("generation_config", "response_modalities"),
        ["TEXT"],
    ),
    "gemini_live.media_resolution": (
        EVERYTHING,
        setup("generation_config", "media_resolution"),
        "MEDIA_RESOLUTION_LOW",
    ),
    "gemini_live.compress_at_tokens": (
        EVERYTHING,
        setup("context_window_compression", "trigger_tokens"),
        9000,
    ),
    # Vertex AI: the same settings; its constructor would fetch credentials, so its plan is looked at
    "gemini_live_vertex.project": (
        vertex("location: a").replace("p,", "q,"),
        vertex_plan("project_id"),
        "q",
    ),
    "gemini_live_vertex.location": (vertex("location: a"), vertex_plan("location"), "a"),
    "gemini_live_vertex.credentials": (
        vertex("credentials: key.json"),
        lambda t, f: vertex_plan("credentials_path")(t, f).args[1],
        "key.json",
    ),
    "gemini_live_vertex.temperature": (
        vertex("temperature: 0.5"),
        vertex_settings("temperature"),
        0.5,
    ),
    "gemini_live_vertex.top_p": (vertex("top_p: 0.5"), vertex_settings("top_p"), 0.5),
    "gemini_live_vertex.top_k": (vertex("top_k: 5"), vertex_settings("top_k"), 5),
    "gemini_live_vertex.max_tokens": (vertex("max_tokens: 50"), vertex_settings("max_tokens"), 50),
    "gemini_live_vertex.seed": (vertex("seed: 5"), vertex_settings("seed"), 5),
    "gemini_live_vertex.thinking_level": (
        vertex("thinking_level: high"),
        lambda t, f: keywords(vertex_settings("thinking")(t, f))["thinking_level"].name,
        "ThinkingLevel.HIGH",
    ),
    "gemini_live_vertex.thinking_budget": (
        vertex("thinking_budget: 0"),
        lambda t, f: keywords(vertex_settings("thinking")(t, f))["thinking_budget"],
        0,
    ),
    "gemini_live_vertex.include_thoughts": (
        vertex("include_thoughts: true"),
        lambda t, f: keywords(vertex_settings("thinking")(t, f))["include_thoughts"],
        True,
    ),
    "gemini_live_vertex.affective_dialog": (
        vertex("affective_dialog: true"),
        vertex_settings("enable_affective_dialog"),
        True,
    ),
    "gemini_live_vertex.proactive_audio": (
        vertex("proactive_audio: true"),
        lambda t, f: keywords(vertex_settings("proactivity")(t, f))["proactive_audio"],
        True,
    ),
    "gemini_live_vertex.modality": (
        vertex("modality: text"),
        lambda t, f: vertex_settings("modalities")(t, f).name,
        "GeminiModalities.TEXT",
    ),
    "gemini_live_vertex.media_resolution": (
        vertex("media_resolution: low"),
        lambda t, f: vertex_settings("media_resolution")(t, f).name,
        "GeminiMediaResolution.LOW",
    ),
    "gemini_live_vertex.compress_at_tokens": (
        vertex("compress_at_tokens: 9000"),
        lambda t, f: keywords(vertex_settings("context_window_compression")(t, f))[
            "trigger_tokens"
        ],
        9000,
    ),
    # steps
    "mic.sample_rate": (
        "transport: files\npipeline: [{mic: {sample_rate: 8000}}, gemini_live, speaker]\n",
        planned(
            lambda p: (
                keywords(p.params)["audio_in_sample_rate"],
                keywords(p.transport)["sample_rate"],
            )
        ),
        (8000, 8000),
    ),
    "playback.chunk_ms": (
        "pipeline: [mic, gemini_live, {playback: {chunk_ms: 40}}, speaker]\n",
        planned(playback("chunk_ms")),
        [40],
    ),
    "playback.lead_ms": (
        "pipeline: [mic, gemini_live, {playback: {lead_ms: 60}}, speaker]\n",
        planned(playback("lead_ms")),
        [60],
    ),
    "speaker.volume": (
        "pipeline: [mic, gemini_live, {speaker: {volume: 0.5}}]\n",
        step(Volume, lambda s: s._gain),
        [0.5],
    ),
    # floor and interruption
    "server.start_sensitivity": (
        SERVER,
        setup(*VAD, "start_of_speech_sensitivity"),
        "START_SENSITIVITY_LOW",
    ),
    "server.end_sensitivity": (
        SERVER,
        setup(*VAD, "end_of_speech_sensitivity"),
        "END_SENSITIVITY_LOW",
    ),
    "server.prefix_padding_ms": (
        SERVER,
        setup(*VAD, "prefix_padding_ms"),
        77,
    ),
    "server.silence_duration_ms": (
        SERVER,
        setup(*VAD, "silence_duration_ms"),
        777,
    ),
    "server.turn_coverage": (
        SERVER,
        setup("realtime_input_config", "turn_coverage"),
        "TURN_INCLUDES_ONLY_ACTIVITY",
    ),
    "local.smart_turn": (at_home("smart_turn: false"), service(lambda s: s._smart_turn), None),
    "local.pause_ms": (at_home("pause_ms: 300"), ears("pause_ms"), 300),
    "local.end_ms": (at_home("end_ms: 900"), ears("end_ms"), 900),
    "local.patience_ms": (at_home("patience_ms: 4000"), ears("patience_ms"), 4000),
    **{
        f"{name}.{field}": (write(f"{field}: {value}"), ears(field), value)
        for name, write in (("hold", hold), ("cut", cut))
        for field, value in (
            ("threshold", 0.6),
            ("release", 0.2),
            ("confirm_ms", 640),
            ("bridge_ms", 32),
        )
    },
    "hold.certain": (hold("certain: 0.9"), ears("certain"), 0.9),
    "hold.suspect_ms": (hold("suspect_ms: 96"), ears("suspect_ms"), 96),
    "hold.limit_ms": (hold("limit_ms: 900"), policy("hold_limit_ms"), 900),
    "hold.phantom": (hold("phantom: play_on"), policy("phantom"), Phantom.PLAY_ON),
    "cut.phantom": (cut("phantom: play_on"), policy("phantom"), Phantom.PLAY_ON),
    # transports
    "local.microphone": ("transport: {local: {microphone: USB}}\n", local("microphone"), "USB"),
    "local.loudspeaker": ("transport: {local: {loudspeaker: USB}}\n", local("loudspeaker"), "USB"),
    "local.echo_cancellation": (
        "transport: {local: {echo_cancellation: false}}\n",
        local("echo_cancellation"),
        False,
    ),
    "local.device_buffer_ms": (
        "transport: {local: {device_buffer_ms: 99}}\n",
        local("device_buffer_ms"),
        99,
    ),
    "browser.host": (
        "transport: {browser: {host: 127.0.0.1}}\n",
        command,
        ["--host", "127.0.0.1", "--port", "7860", "-t", "webrtc"],
    ),
    "browser.port": (
        "transport: {browser: {port: 99}}\n",
        command,
        ["--host", "localhost", "--port", "99", "-t", "webrtc"],
    ),
    "telephony.provider": (
        "transport: {telephony: {provider: plivo}}\n",
        command,
        ["--host", "localhost", "--port", "7860", "-t", "plivo"],
    ),
    "telephony.host": (
        "transport: {telephony: {host: h}}\n",
        command,
        ["--host", "h", "--port", "7860", "-t", "twilio"],
    ),
    "telephony.port": (
        "transport: {telephony: {port: 99}}\n",
        command,
        ["--host", "localhost", "--port", "99", "-t", "twilio"],
    ),
    "telephony.hang_up": (
        "transport: {telephony: {provider: exotel, hang_up: true}}\n",
        lambda t, f: (hangs_up(bot_of(t, f)), "hang_up=True" in python_of(bot_of(t, f))),
        (True, True),
    ),
    "telephony.public_host": (
        "transport: {telephony: {public_host: a.example}}\n",
        command,
        ["--host", "localhost", "--port", "7860", "-t", "twilio", "-x", "a.example"],
    ),
    "files.input": (
        "transport: {files: {input: said.wav}}\n",
        lambda t, f: ((f / "said.wav").write_bytes(b""), transport("input")(t, f).args[1])[1],
        "said.wav",
    ),
    "files.output": (
        "transport: {files: {output: b.wav}}\n",
        lambda t, f: transport("output")(t, f).args[1],
        "b.wav",
    ),
    "files.device_buffer_ms": (
        "transport: {files: {device_buffer_ms: 99}}\n",
        transport("device_buffer_ms"),
        99,
    ),
    "files.end_after_ms": (
        "transport: {files: {end_after_ms: 999}}\n",
        lambda t, f: "transport, 999)" in python_of(bot_of(t, f)),
        True,
    ),
    # Python and tools
    "python.class": (
        f"pipeline: [mic, gemini_live, {{python: '{LOGGER}'}}, speaker]\n",
        lambda t, f: [type(s).__name__ for s in steps(t, f)][-4],
        "FrameLogger",
    ),
    "python.args": (
        f"pipeline: [mic, gemini_live, {{python: {{class: '{LOGGER}', args: {{prefix: x}}}}}}, speaker]\n",
        lambda t, f: [s._prefix for s in steps(t, f) if type(s).__name__ == "FrameLogger"],
        ["x"],
    ),
    "python.function": (
        desk("timeout_ms: 5"),
        tools(lambda t: (t.name, t.description)),
        [("hours", "When we are open.")],
    ),
    "python.timeout_ms": (desk("timeout_ms: 5"), tool_option("timeout_ms"), [5]),
    "python.cancel_on_interruption": (
        desk("cancel_on_interruption: false"),
        tool_option("cancel_on_interruption"),
        [False],
    ),
    "python.uninterruptible": (desk("uninterruptible: true"), muted, ["MuteAfterTool"]),
    "http.name": (web("timeout_ms: 5"), tools(lambda t: t.name), ["hours"]),
    "http.description": (web("timeout_ms: 5"), tools(lambda t: t.description), ["d"]),
    "http.url": (web("timeout_ms: 5"), tool_option("url"), ["http://127.0.0.1:1/x"]),
    "http.method": (web("method: POST"), tool_option("method"), ["POST"]),
    "http.headers": (web("headers: {A: b}"), tool_option("headers"), [{"A": "b"}]),
    "http.parameters": (
        web("parameters: {type: object, properties: {day: {type: string}}}"),
        tools(lambda t: t.properties),
        [{"day": {"type": "string"}}],
    ),
    "http.timeout_ms": (web("timeout_ms: 5"), tool_option("timeout_ms"), [5]),
    "http.cancel_on_interruption": (
        web("cancel_on_interruption: false"),
        tool_option("cancel_on_interruption"),
        [False],
    ),
    "http.uninterruptible": (web("uninterruptible: true"), muted, ["MuteAfterTool"]),
}

IN_TRIALS = {"test", "reply", "line", "expectation"} | {fault.name for fault in FAULT.components}
"""What a conversation's own tests show, in tests/trial."""


def engine_key(bot: Any) -> str:
    from pipeline_live.builder.engine import key_of

    return key_of(bot)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    (tmp_path / "desk.py").write_text(
        'def hours(day: str) -> str:\n    """When we are open."""\n    return "always"\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "desk", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", EFFECTS)
def test_each_field_has_its_effect(name: str, folder: Path) -> None:
    text, look, expected = EFFECTS[name]
    seen = look(text, folder)
    assert expected in seen if name == "a bot.name" else seen == expected


def test_the_walk_knows_every_field_of_the_spec() -> None:
    """A new field without an entry above fails here."""
    fields = {
        f"{component.name}.{field.name}"
        for _, component in components()
        for field in component.fields
        if component.name not in IN_TRIALS
    }
    assert set(EFFECTS) == fields - {"a bot.tests"}


def test_without_the_field_the_effect_is_another_one(folder: Path) -> None:
    """So that no entry above can pass by itself: what it expects is not what is there anyway."""
    plain = setup_of(bot_of("", folder))
    assert plain["generation_config"]["speech_config"]["language_code"] == "en-US"
    for name in ("temperature", "top_p", "top_k", "seed", "media_resolution"):
        assert name not in plain["generation_config"] or name == "media_resolution"
    for name in ("thinking_config", "enable_affective_dialog", "context_window_compression"):
        assert name not in plain
    service = built(bot_of("", folder)).service
    assert service.call.floor is Floor.SERVER
    assert service.call.machine.policy.barge_in is BargeIn.HOLD


@pytest.mark.parametrize(
    ("component", "kind"),
    [
        ("hold", "ears"),
        ("cut", "ears"),
        ("local", "ears"),
        ("playback", "playback"),
        ("files", "files"),
    ],
)
def test_the_defaults_of_the_spec_are_those_of_the_classes(component: str, kind: str) -> None:
    import inspect

    from pipeline_live.processors import FileTransport
    from pipeline_live.session import EarsPolicy

    elsewhere = {"limit_ms", "phantom", "smart_turn", "end_after_ms", "output"}
    defaults = {
        "ears": EarsPolicy,
        "playback": Playback.__init__,
        "files": FileTransport.__init__,
    }[kind]
    known = inspect.signature(defaults).parameters
    group = {"local": spec.FLOOR, "playback": spec.STEPS, "files": spec.TRANSPORT}
    one_of = group.get(component, spec.INTERRUPTION)
    for field in one_of.component(component).fields:
        if field.name not in elsewhere:
            assert field.default == known[field.name].default, field.name


def test_the_default_settings_are_the_services_own(folder: Path) -> None:
    from pipeline_live.processors import GeminiLiveService

    ours = built(bot_of("", folder)).service._settings
    theirs = GeminiLiveService(api_key="no-key")._settings
    for name in ("voice", "language", "max_tokens", "modalities", "vad", "turn_coverage"):
        assert getattr(ours, name) == getattr(theirs, name), name


def test_what_a_pipeline_needs_is_added(folder: Path) -> None:
    names = [s.name.partition("#")[0] for s in steps("", folder)]
    assert names == [
        "input",
        "LLMUserAggregator",
        "GeminiLiveService",
        "Playback",
        "output",
        "LLMAssistantAggregator",
    ]


def test_a_vad_a_filter_and_an_object_become_steps(folder: Path) -> None:
    (folder / "own.py").write_text(
        "from pipecat.audio.filters.base_audio_filter import BaseAudioFilter\n"
        "class Quiet(BaseAudioFilter):\n"
        "    async def start(self, sample_rate): ...\n"
        "    async def stop(self): ...\n"
        "    async def process_frame(self, frame): ...\n"
        "    async def filter(self, audio): return bytes(len(audio))\n"
    )
    text = """
pipeline:
  - mic
  - python: own:Quiet
  - python: pipecat.audio.vad.silero:SileroVADAnalyzer
  - gemini_live
  - speaker
"""
    made = steps(text, folder)
    assert isinstance(made[1], AudioFilter)
    assert type(made[2]).__name__ == "VADProcessor"


def test_a_transport_as_a_step_is_one_transport_with_two_ends(folder: Path) -> None:
    (folder / "line.py").write_text(
        "from pipecat.processors.filters.identity_filter import IdentityFilter\n"
        "from pipecat.transports.base_transport import BaseTransport\n"
        "class Line(BaseTransport):\n"
        "    made = 0\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        type(self).made += 1\n"
        "    def input(self): return IdentityFilter(name='in')\n"
        "    def output(self): return IdentityFilter(name='out')\n"
    )
    text = "pipeline: [{python: 'line:Line'}, gemini_live, {python: 'line:Line'}]\n"
    made = [s.name for s in steps(text, folder)]
    assert made[0] == "in"
    assert "out" in made
    import line  # type: ignore[import-not-found]

    assert line.Line.made == 1


@pytest.mark.parametrize(
    ("model", "options", "needs"),
    [
        ("gemini-2.5-flash-native-audio-latest", "affective_dialog: true", True),
        ("gemini-2.5-flash-native-audio-latest", "proactive_audio: true", True),
        ("gemini-2.5-flash-native-audio-latest", "seed: 1", False),
        ("gemini-3.8-live", "proactive_audio: true", False),
    ],
)
def test_early_access_is_asked_for_where_it_is_needed(
    model: str, options: str, needs: bool, folder: Path
) -> None:
    bot = bot_of(with_model(options, model), folder)
    assert needs_early_access(bot) is needs
    options_used = built(bot).service._http_options
    assert (getattr(options_used, "api_version", None) == "v1alpha") is needs
    assert ("v1alpha" in python_of(bot)) is needs


def test_what_a_look_at_the_source_cannot_see_is_one_line(folder: Path) -> None:
    from pipeline_live.errors import UsageError

    (folder / "strange.py").write_text("def __getattr__(name):\n    raise AttributeError(name)\n")
    bot = bot_of("pipeline: [mic, {python: 'strange:Thing'}, gemini_live, speaker]\n", folder)
    with pytest.raises(UsageError, match="the bot cannot be built: Thing"):
        built(bot)


assert ENGINE
