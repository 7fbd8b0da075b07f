"""What Pipecat people expect of a bot's surroundings, on both floors, in virtual time.

Turn tracking, mute strategies, idle detection, recording, RTVI clients, metrics, tracing and
settings are Pipecat's own; here they meet our service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from existing_bots import question
from fakes import COMPLETE, GENERATED, INTERRUPTED, audio, content, said
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    LLMRunFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    OutputTransportMessageUrgentFrame,
    TTSTextFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData, TTFBMetricsData
from pipecat.observers.user_bot_latency_observer import UserBotLatencyObserver
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService, GeminiVADParams
from pipecat.turns.user_mute import (
    FunctionCallUserMuteStrategy,
    MuteUntilFirstBotCompleteUserMuteStrategy,
)
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipelines import Lines, Tap, running, service_over
from virtual_time import run_virtual

from pipeline_live.processors import (
    FileSink,
    GeminiLiveService,
    MicSource,
    Playback,
    SpeechSuspectedFrame,
    local_turns,
    server_turns,
)
from pipeline_live.turn.events import SpeechEnded, SpeechStarted

FLOORS = pytest.mark.parametrize("floor", ["server", "local"])


class Bot:
    """A bot over a line that the test holds; its user speaks by facts of the ears."""

    def __init__(
        self,
        folder: Any,
        floor: str,
        *,
        after: Any = (),
        service: type[Any] = GeminiLiveService,
        local_speech: bool = True,
        **params: Any,
    ) -> None:
        self.lines = Lines()
        ours = service is GeminiLiveService
        options = {"floor": floor, "local_speech": local_speech} if ours else {}
        # Pipecat's default model depends on its version.
        settings = service.Settings(model="models/gemini-3.8-live")
        self.service = service_over(self.lines, service, settings=settings, **options)
        turns = local_turns if floor == "local" else server_turns
        self.pair = LLMContextAggregatorPair(
            LLMContext([{"role": "user", "content": "Hello."}]), user_params=turns(**params)
        )
        self.tap, self.end = Tap(), Tap()
        sink = FileSink(folder / "call.wav")
        play = [Playback()] if ours else []
        self.steps = [self.pair.user(), self.service, self.tap, *play, sink, self.end, *after]
        self.worker: Any = None

    def use(self, user_params: Any) -> None:
        """Other parameters for the aggregator than our own."""
        context = LLMContext([{"role": "user", "content": "Hello."}])
        self.pair = LLMContextAggregatorPair(context, user_params=user_params)
        self.steps[0] = self.pair.user()

    def run(self, play: Callable[[], Awaitable[None]], *before: Any, **params: Any) -> None:
        async def scenario() -> None:
            async with running(*before, *self.steps, self.pair.assistant(), **params) as worker:
                self.worker = worker
                async with asyncio.timeout(60):  # virtual seconds
                    await play()

        run_virtual(scenario())

    async def begin(self) -> None:
        """Let the bot greet; the line is open when this returns."""
        await self.worker.queue_frame(LLMRunFrame())
        await self.sent("client_content")

    async def sent(self, kind: str, count: int = 1) -> None:
        while sum(kind in message for line in self.lines.opened for message in line.sent) < count:
            await asyncio.sleep(0.01)

    def reply(self, ms: int = 500, words: str = "Hi.") -> None:
        """The server's whole reply, at once."""
        usage = {"promptTokenCount": 3, "responseTokenCount": 4, "totalTokenCount": 7}
        complete = {**COMPLETE, "usageMetadata": usage}
        self.lines.line.feed(audio(1, samples=24 * ms), said(words), GENERATED, complete)

    async def heard(self, count: int = 1) -> None:
        """Until the bot has been heard to the end of so many replies."""
        await self.end.until(lambda: len(self.end.of(BotStoppedSpeakingFrame)) >= count)

    def fact(self, kind: Any) -> None:
        now = self.service.call.now_ms()
        self.service.call.apply(kind(now, now - 300) if kind is SpeechStarted else kind(now))

    async def speak(self, seconds: float = 1.0) -> None:
        """The user says something."""
        self.fact(SpeechStarted)
        await asyncio.sleep(seconds)
        self.fact(SpeechEnded)
        await asyncio.sleep(0.05)


@FLOORS
def test_turns_are_tracked(tmp_path, floor):
    bot = Bot(tmp_path, floor)
    turns = []

    async def ended(_tracker: Any, number: int, _duration: float, interrupted: bool) -> None:
        turns.append((number, interrupted))

    async def play() -> None:
        bot.worker.turn_tracking_observer.add_event_handler("on_turn_ended", ended)
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        await bot.speak()
        bot.reply(5000)
        await bot.end.until(lambda: len(bot.end.of(BotStartedSpeakingFrame)) == 2)
        await asyncio.sleep(1)
        await bot.speak()
        bot.reply()
        await bot.heard(3)
        await asyncio.sleep(3)

    bot.run(play)
    assert turns == [(1, False), (2, True), (3, False)]


@FLOORS
def test_a_user_who_stays_silent_is_noticed_and_one_who_speaks_is_not(tmp_path, floor):
    bot = Bot(tmp_path, floor, user_idle_timeout=2)
    idle: list[float] = []

    async def on_idle(_aggregator: Any) -> None:
        idle.append(asyncio.get_running_loop().time())

    async def play() -> None:
        bot.pair.user().add_event_handler("on_user_turn_idle", on_idle)
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        await asyncio.sleep(1)
        await bot.speak(3)
        assert not idle
        bot.reply()
        await bot.heard(2)
        stopped = asyncio.get_running_loop().time()
        await asyncio.sleep(2.5)
        assert [round(at - stopped, 1) for at in idle] == [2.0]

    bot.run(play)


@FLOORS
def test_nobody_interrupts_a_greeting_while_muted(tmp_path, floor):
    strategy = MuteUntilFirstBotCompleteUserMuteStrategy()
    bot = Bot(tmp_path, floor, user_mute_strategies=[strategy])
    mic = MicSource()

    async def play() -> None:
        await bot.begin()
        bot.reply(3000)
        await bot.end.until(lambda: bot.end.of(BotStartedSpeakingFrame))
        await mic.say(question())
        await bot.heard(1)
        assert 2900 <= bot.service.call.heard_ms() <= 3000
        assert not bot.tap.of(UserStartedSpeakingFrame, SpeechSuspectedFrame, InterruptionFrame)
        await bot.tap.until(lambda: bot.tap.of(UserMuteStoppedFrame))
        await mic.say(question())
        await bot.tap.until(lambda: bot.tap.of(UserStoppedSpeakingFrame))

    bot.run(play, mic)


@FLOORS
def test_a_user_who_is_muted_in_mid_turn_can_take_the_next_turn(tmp_path, floor):
    """Goes red when the end of the muted turn is lost: the turn would stay open for ever."""
    bot = Bot(tmp_path, floor, user_mute_strategies=[FunctionCallUserMuteStrategy()])
    done = asyncio.Event()

    async def tool(params: Any) -> None:
        await done.wait()
        await params.result_callback({"ok": True})

    async def play() -> None:
        bot.service.register_function("tool", tool)
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        bot.fact(SpeechStarted)
        call = {"toolCall": {"functionCalls": [{"id": "1", "name": "tool", "args": {}}]}}
        bot.lines.line.feed(call)
        await bot.tap.until(lambda: bot.tap.of(UserMuteStartedFrame))
        bot.fact(SpeechEnded)
        await asyncio.sleep(1)
        assert not bot.tap.of(UserStoppedSpeakingFrame), "a muted aggregator takes no proposal"
        done.set()
        await bot.tap.until(lambda: bot.tap.of(UserMuteStoppedFrame))
        await bot.tap.until(lambda: bot.tap.of(UserStoppedSpeakingFrame))
        await bot.speak()
        await bot.tap.until(lambda: len(bot.tap.of(UserStoppedSpeakingFrame)) == 2)
        assert len(bot.tap.of(UserStartedSpeakingFrame)) == 2

    bot.run(play)


@FLOORS
def test_the_recorder_gets_both_sides_and_each_turn(tmp_path, floor, monkeypatch):
    recorder = AudioBufferProcessor(num_channels=2, enable_turn_audio=True)
    bot, mic = Bot(tmp_path, floor, after=[recorder]), MicSource()
    got: dict[str, list[int]] = {}

    async def keep_all(_recorder: Any, pcm: bytes, rate: int, channels: int) -> None:
        got.setdefault("all", []).append(len(pcm) * 1000 // (2 * channels * rate))

    def keep(who: str) -> Any:
        async def handler(_recorder: Any, turn: Any) -> None:
            got.setdefault(who, []).append(len(turn.audio) * 500 // turn.sample_rate)

        return handler

    async def play() -> None:
        clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
        monkeypatch.setattr("pipecat.processors.audio.audio_buffer_processor.time", clock)
        recorder.add_event_handler("on_audio_data", keep_all)
        recorder.add_event_handler("on_user_turn_audio", keep("user"))
        recorder.add_event_handler("on_bot_turn_audio", keep("bot"))
        await recorder.start_recording()
        await bot.begin()
        bot.reply(2000)
        await bot.heard(1)
        await mic.say(question())
        await bot.tap.until(lambda: bot.tap.of(UserStoppedSpeakingFrame))
        bot.reply(1000)
        await bot.heard(2)
        await asyncio.sleep(3)
        await recorder.stop_recording()
        await asyncio.sleep(0.1)

    bot.run(play, mic)
    assert [round(ms, -2) for ms in got["bot"]] == [2000, 1000]
    assert 800 <= got["user"][-1] <= 4000
    assert got["all"][0] >= 2000 + 1000 + 800


@FLOORS
@pytest.mark.parametrize("vad", [False, True], ids=["our ears", "a VAD in the pipeline"])
def test_the_latency_of_an_answer_is_measured_once(tmp_path, floor, vad):
    """Goes red when nobody tells what a VAD tells, or when two do."""
    observer = UserBotLatencyObserver()
    analyzer = {"vad_analyzer": SileroVADAnalyzer()} if vad else {}
    bot, mic = Bot(tmp_path, floor, **analyzer), MicSource()
    measured: list[float] = []

    async def keep(_observer: Any, seconds: float) -> None:
        measured.append(seconds)

    async def play() -> None:
        observer.add_event_handler("on_latency_measured", keep)
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        await mic.say(question())
        await bot.tap.until(lambda: bot.tap.of(UserStoppedSpeakingFrame))
        bot.reply()
        await bot.heard(2)

    bot.run(play, mic, observers=[observer])
    assert len(measured) == 1
    (started,) = bot.tap.of(VADUserStartedSpeakingFrame)
    (stopped,) = bot.tap.of(VADUserStoppedSpeakingFrame)
    assert 0.1 < started.start_secs < 0.6
    assert 0.1 < stopped.stop_secs < 3.5


def test_a_short_answer_that_comes_at_once_comes_after_the_end_of_the_turn(tmp_path):
    """Goes red when the turn lasts until the ears are sure, whatever the server does."""
    observer = UserBotLatencyObserver()
    bot, mic = Bot(tmp_path, "server"), MicSource()
    measured: list[float] = []

    async def keep(_observer: Any, seconds: float) -> None:
        measured.append(seconds)

    async def play() -> None:
        observer.add_event_handler("on_latency_measured", keep)
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        await mic.say(question())
        await asyncio.sleep(0.3)
        bot.reply(300, "Noon.")
        await bot.heard(2)
        await asyncio.sleep(2)

    bot.run(play, mic, observers=[observer])
    kinds = (UserStoppedSpeakingFrame, BotStartedSpeakingFrame)
    assert [type(frame) for frame in bot.end.of(*kinds)] == [kinds[1], *kinds]
    assert len(measured) == 1


@pytest.mark.parametrize("followed", [True, False], ids=["our strategies", "others'"])
def test_a_turn_that_is_announced_late_is_not_taken_for_another(tmp_path, followed):
    """Goes red when the frame of our own turn, which comes after its end, begins one more."""
    bot = Bot(tmp_path, "local")

    async def play() -> None:
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        bot.service._followed = followed
        await bot.speak()
        await bot.tap.until(lambda: bot.tap.of(UserStoppedSpeakingFrame))
        await bot.pair.user().push_frame(UserStartedSpeakingFrame())
        await bot.tap.until(lambda: len(bot.tap.of(UserStartedSpeakingFrame)) == 2)
        await asyncio.sleep(0.5)
        inputs = [message.get("realtime_input", {}) for message in bot.lines.line.sent]
        assert sum("activityStart" in one for one in inputs) == (1 if followed else 2)

    bot.run(play)


def own_strategies(*, silence_s: float) -> Any:
    """A bot that waits for so much silence before it takes the turn."""
    stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=silence_s)
    turns = UserTurnStrategies(start=[VADUserTurnStartStrategy()], stop=[stop])
    return LLMUserAggregatorParams(
        user_turn_strategies=turns, vad_analyzer=SileroVADAnalyzer(), user_turn_stop_timeout=9
    )


def test_the_pipelines_own_strategies_decide_where_the_ears_are_off(tmp_path):
    """Goes red when an existing bot's patience counts for nothing."""
    bot, mic = Bot(tmp_path, "local", local_speech=False), MicSource()
    bot.use(own_strategies(silence_s=3))

    def sent(kind: str) -> int:
        inputs = (message.get("realtime_input", {}) for message in bot.lines.line.sent)
        return sum(kind in one for one in inputs)

    async def play() -> None:
        await bot.begin()
        bot.reply(4000)
        await bot.end.until(lambda: bot.end.of(BotStartedSpeakingFrame))
        await mic.say(question())
        assert bot.service.call.machine.reply.dead, "their turn start interrupts"
        await asyncio.sleep(2)
        assert (sent("activityStart"), sent("activityEnd")) == (1, 0)
        await bot.tap.until(lambda: bot.tap.of(UserStoppedSpeakingFrame))
        await asyncio.sleep(0.1)
        assert (sent("activityStart"), sent("activityEnd")) == (1, 1)
        bot.reply(words="Later.")
        await bot.heard(2)

    bot.run(play, mic)


# --- an RTVI client -----------------------------------------------------------------------------


def messages(bot: Bot) -> list[dict[str, Any]]:
    """What an RTVI client was sent."""
    return [frame.message for frame in bot.tap.of(OutputTransportMessageUrgentFrame)]


def kinds(bot: Bot) -> list[str]:
    return [message["type"] for message in messages(bot)]


async def client_says(bot: Bot, kind: str, **data: Any) -> None:
    message = {"label": "rtvi-ai", "type": kind, "id": "1", "data": data}
    await bot.worker.queue_frame(InputTransportMessageFrame(message=message))


@FLOORS
def test_an_rtvi_client_sees_who_speaks_and_what(tmp_path, floor):
    bot = Bot(tmp_path, floor)

    async def play() -> None:
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        bot.fact(SpeechStarted)
        await asyncio.sleep(1)
        bot.lines.line.feed(content(inputTranscription={"text": "And now?"}))
        await asyncio.sleep(0.5)
        bot.fact(SpeechEnded)
        await asyncio.sleep(0.05)
        bot.reply(words="Later.")
        await bot.heard(2)

    bot.run(play)
    seen = kinds(bot)
    told = [
        *["bot-started-speaking", "bot-stopped-speaking"],
        *["user-started-speaking", "user-transcription", "user-stopped-speaking"],
        *["bot-started-speaking", "bot-stopped-speaking"],
    ]
    assert [kind for kind in seen if kind in told] == told
    assert {"bot-llm-text", "bot-tts-text", "bot-output"} <= set(seen)
    spoken = [m["data"]["text"] for m in messages(bot) if m["type"] == "bot-tts-text"]
    assert spoken == ["Hi.", "Later."]


@FLOORS
def test_an_rtvi_client_interrupts_with_a_text_and_is_answered(tmp_path, floor):
    bot = Bot(tmp_path, floor)

    async def play() -> None:
        await bot.begin()
        bot.lines.line.feed(said("A long story"), audio(1, samples=24 * 8000))
        await bot.end.until(lambda: bot.end.of(BotStartedSpeakingFrame))
        await asyncio.sleep(1)
        await client_says(bot, "send-text", content="And now?", options={"run_immediately": True})
        await bot.sent("client_content", 2)
        assert bot.service.call.machine.reply.dead
        heard = bot.service.call.heard_ms()
        assert 900 <= heard <= 1100
        bot.lines.line.feed(
            audio(1, samples=24 * 8000), said(" of old times"), INTERRUPTED, COMPLETE
        )
        bot.reply(words="Later.")
        await bot.heard(2)

    bot.run(play)
    sent = [message for message in bot.lines.line.sent if "client_content" in message]
    assert sent[-1]["client_content"]["turns"][0]["parts"] == [{"text": "And now?"}]
    words = "".join(frame.text for frame in bot.end.of(TTSTextFrame))
    assert words == "A long storyLater."


@FLOORS
def test_an_rtvi_client_stops_the_bot_by_a_message_of_its_own(tmp_path, floor):
    bot = Bot(tmp_path, floor)

    async def on_client_message(rtvi: Any, message: Any) -> None:
        if message.type == "stop":
            await rtvi.interrupt_bot()

    async def play() -> None:
        bot.worker.rtvi.add_event_handler("on_client_message", on_client_message)
        await bot.begin()
        bot.lines.line.feed(said("A long story"), audio(1, samples=24 * 8000))
        await bot.end.until(lambda: bot.end.of(BotStartedSpeakingFrame))
        await asyncio.sleep(1)
        await client_says(bot, "client-message", t="stop")
        await bot.heard(1)
        assert 950 <= bot.service.call.heard_ms() <= 1100
        bot.lines.line.feed(audio(1, samples=24 * 8000), GENERATED, COMPLETE)
        await asyncio.sleep(2)
        assert len(bot.end.of(BotStartedSpeakingFrame)) == 1

    bot.run(play)


# --- metrics, tracing, settings -----------------------------------------------------------------


@FLOORS
def test_time_to_first_byte_and_usage_are_measured(tmp_path, floor):
    bot = Bot(tmp_path, floor)

    async def play() -> None:
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        await bot.speak()
        bot.reply()
        await bot.heard(2)

    bot.run(play, enable_metrics=True)
    data = [one for frame in bot.end.of(MetricsFrame) for one in frame.data]
    assert [d.value.total_tokens for d in data if isinstance(d, LLMUsageMetricsData)] == [7, 7]
    ours = [d for d in data if isinstance(d, TTFBMetricsData) and d.value > 0]
    assert len(ours) == 2
    assert {d.processor for d in ours} == {bot.service.name}


@FLOORS
def test_settings_change_at_run_time_as_in_pipecat_and_the_floor_stays(tmp_path, floor):
    """Goes red when the next connection is refused, since the settings contradict the floor."""
    bot = Bot(tmp_path, floor)
    delta = GeminiLiveService.Settings(voice="Puck", vad=GeminiVADParams(disabled=True))

    async def play() -> None:
        await bot.begin()
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(delta=delta))
        await asyncio.sleep(0.1)
        bot.reply()
        await bot.heard(1)
        assert len(bot.lines.opened) == 1
        await bot.service._reconnect()  # as for tools that a context brings
        while len(bot.lines.opened) < 2:
            await asyncio.sleep(0.01)

    bot.run(play)
    first, second = bot.lines.configs
    voices = [one.generation_config.speech_config.voice_config for one in (first, second)]
    names = [voice.prebuilt_voice_config.voice_name for voice in voices]
    assert names == ["Charon", "Puck"]
    for config in (first, second):
        detection = config.realtime_input_config.automatic_activity_detection
        assert detection.disabled is (floor == "local")


def spans(folder: Any, service: Any, monkeypatch: Any) -> list[tuple[str, str, frozenset[str]]]:
    """Name, parent and attributes of every span of a short call."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    bot = Bot(folder, "server", service=service)

    async def play() -> None:
        await bot.begin()
        bot.reply()
        await bot.heard(1)
        await asyncio.sleep(3)

    bot.run(play, enable_tracing=True, enable_metrics=True)
    done = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in done}
    return sorted(
        (span.name, names[span.parent.span_id] if span.parent else "", frozenset(span.attributes))
        for span in done
    )


def test_a_trace_has_pipecats_spans(tmp_path, monkeypatch):
    ours = spans(tmp_path, GeminiLiveService, monkeypatch)
    assert ours == spans(tmp_path, GeminiLiveLLMService, monkeypatch)
    assert {name for name, *_ in ours} >= {"conversation", "turn", "llm_setup", "llm_response"}
