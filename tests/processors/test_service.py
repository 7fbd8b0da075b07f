"""The service towards Pipecat's base class: the contract of the facade, over a held line."""

import asyncio
import base64

import pytest
from fakes import COMPLETE, GENERATED, INTERRUPTED, audio, content, merged, run, said
from google.genai import types
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.google.gemini_live.llm import GeminiVADParams
from pipecat.turns.user_mute.base_user_mute_strategy import BaseUserMuteStrategy
from pipelines import Lines, Tap, closed, running, service_over
from virtual_time import run_virtual

from pipeline_live.errors import UsageError
from pipeline_live.processors import (
    FileSink,
    GeminiLiveService,
    MicSource,
    Playback,
    local_turns,
    server_turns,
    tags,
)
from pipeline_live.processors.facade import ATTEMPTS, Microphone, backoff_ms
from pipeline_live.session.call import PLAYOUT_FIRST_MS
from pipeline_live.turn import Reply
from pipeline_live.turn.events import SpeechEnded, SpeechStarted
from pipeline_live.turn.policy import Floor


def sounds(tap: Tap) -> list[int]:
    return [int.from_bytes(sound[:2], "little", signed=True) for sound in tap.sounds]


def context(*messages: str) -> LLMContextFrame:
    return LLMContextFrame(LLMContext([{"role": "user", "content": m} for m in messages]))


class Scene:
    """A service between two taps, connected and asked to begin."""

    def __init__(self, *refusals: Exception, **options: object) -> None:
        self.lines = Lines(*refusals)
        self.service = service_over(self.lines, **options)
        self.before, self.after = Tap(), Tap()

    def run(self, play, clock=run) -> None:
        async def scenario() -> None:
            async with running(self.before, self.service, self.after) as worker:
                await play(self, worker)

        clock(scenario())

    async def begin(self, worker) -> None:
        await worker.queue_frame(context("hi"))
        await self.sent("client_content")

    def sent_sound(self) -> bytes:
        """The microphone's sound that went up, however it was cut into messages."""
        inputs = [m.get("realtime_input", {}) for m in self.line.sent]
        pieces = [i["audio"]["data"] for i in inputs if "audio" in i]
        return b"".join(base64.urlsafe_b64decode(piece) for piece in pieces)

    async def sent(self, kind: str, count: int = 1) -> None:
        """Wait until ``count`` messages of ``kind`` went up."""
        while True:
            if self.lines.opened:
                kinds = [next(iter(m)) for m in self.lines.line.sent]
                if kinds.count(kind) >= count:
                    return
            await asyncio.sleep(0)

    @property
    def line(self):
        return self.lines.line


def test_contract_1_and_4_the_machine_outlives_the_connections_that_the_base_makes():
    async def play(scene, worker):
        await scene.begin(worker)
        scene.line.feed(audio(1), GENERATED, COMPLETE)
        await scene.after.until(lambda: sounds(scene.after) == [1])
        await scene.service._reconnect()  # the base's own
        while len(scene.lines.opened) < 2:
            await asyncio.sleep(0)
        scene.line.feed(audio(2), GENERATED, COMPLETE)
        await scene.after.until(lambda: sounds(scene.after) == [1, 2])
        assert scene.service.call.machine.reply.number == 2

    Scene().run(play)


def test_contract_2_a_fault_that_cannot_be_cured_is_told_once_and_nothing_hangs():
    async def play(scene, worker):
        await scene.before.until(lambda: any(isinstance(f, ErrorFrame) for f in scene.before.up))
        (error,) = [f for f in scene.before.up if isinstance(f, ErrorFrame)]
        assert "choose a Live model" in error.error
        assert "\n" not in error.error

    refusal = closed(1008, "models/nope is not found for API version v1beta")
    Scene(refusal).run(play)


def test_contract_2_faults_that_may_pass_are_tried_again_and_then_told(monkeypatch):
    monkeypatch.setattr("pipeline_live.processors.facade.BACKOFF_MS", 0)

    async def play(scene, worker):
        await scene.before.until(lambda: any(isinstance(f, ErrorFrame) for f in scene.before.up))
        assert len(scene.lines.configs) == ATTEMPTS

    Scene(*[closed(1011, "unavailable")] * ATTEMPTS).run(play)

    async def connects(scene, worker):
        await scene.begin(worker)
        assert len(scene.lines.configs) == 3

    Scene(OSError("down"), closed(1011, "unavailable")).run(connects)


def test_contract_3_a_lost_connection_is_replaced_without_the_base(monkeypatch):
    monkeypatch.setattr("pipeline_live.processors.facade.BACKOFF_MS", 0)

    async def play(scene, worker):
        await scene.begin(worker)
        scene.line.feed(audio(1))
        await scene.after.until(lambda: sounds(scene.after) == [1])
        first = scene.line
        first.end(1011, "Internal error encountered.")
        while scene.line is first:
            await asyncio.sleep(0)
        scene.line.feed(audio(2), GENERATED, COMPLETE)
        await scene.after.until(lambda: sounds(scene.after) == [1, 2])
        assert len(scene.after.of(LLMFullResponseStartFrame)) == 2
        assert not [f for f in scene.before.up if isinstance(f, ErrorFrame)]

    Scene().run(play)


def test_contract_5_resumption_is_ours(monkeypatch):
    monkeypatch.setattr("pipeline_live.processors.facade.BACKOFF_MS", 0)

    async def play(scene, worker):
        await scene.begin(worker)
        update = {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}}
        scene.line.feed(update, audio(1))
        await scene.after.until(lambda: sounds(scene.after) == [1])
        assert scene.service._session_resumption_handle is None
        first = scene.line
        first.end(1001, "going away")
        while scene.line is first:
            await asyncio.sleep(0)
        assert scene.lines.configs[-1].session_resumption.handle == "h1"
        scene.line.feed(audio(2), GENERATED, COMPLETE)
        await scene.after.until(lambda: sounds(scene.after) == [1, 2])
        assert not any("client_content" in m for m in scene.line.sent), "it remembers: no seed"

    Scene().run(play)


def test_contract_5_a_fresh_session_is_seeded_again(monkeypatch):
    monkeypatch.setattr("pipeline_live.processors.facade.BACKOFF_MS", 0)

    async def play(scene, worker):
        await scene.begin(worker)
        first = scene.line
        first.end(1011, "gone")
        while scene.line is first:
            await asyncio.sleep(0)
        await scene.sent("client_content")

    Scene().run(play)


@pytest.mark.parametrize("disabled", [True, False, None])
def test_contract_6_the_base_never_learns_that_vad_is_off(disabled):
    settings = GeminiLiveService.Settings(vad=GeminiVADParams(disabled=disabled))
    scene = Scene(settings=settings)
    assert scene.service._vad_disabled is False
    assert settings.vad.disabled is disabled, "the caller's object is left alone"

    async def play(scene, worker):
        await scene.begin(worker)
        detection = scene.lines.configs[0].realtime_input_config.automatic_activity_detection
        assert detection.disabled is (disabled is True)

    scene.run(play)


def test_contract_6_the_local_floor_sends_activities_and_all_of_the_onset():
    async def play(scene, worker):
        await scene.begin(worker)
        frames = [InputAudioRawFrame(v.to_bytes(2, "little") * 320, 16_000, 1) for v in range(30)]
        for frame in frames[:20]:
            await worker.queue_frame(frame)
        await scene.after.until(lambda: len(scene.after.of(InputAudioRawFrame)) == 20)
        now = scene.service.call.now_ms()
        scene.service.call.apply(SpeechStarted(now, now - 100))
        for frame in frames[20:]:
            await worker.queue_frame(frame)
        await scene.after.until(lambda: len(scene.after.of(InputAudioRawFrame)) == 30)
        scene.service.call.apply(SpeechEnded(scene.service.call.now_ms()))
        while not any("activityEnd" in m.get("realtime_input", {}) for m in scene.line.sent):
            await asyncio.sleep(0)
        inputs = [m["realtime_input"] for m in scene.line.sent if "realtime_input" in m]
        kinds = [next(iter(i)) for i in inputs if "text" not in i]
        assert kinds == ["activityStart", *["audio"] * (len(kinds) - 2), "activityEnd"]
        assert scene.sent_sound() == b"".join(frame.audio for frame in frames)

    settings = GeminiLiveService.Settings(vad=GeminiVADParams(disabled=True))
    Scene(settings=settings).run(play)


def test_a_microphone_is_heard_and_passed_on_after_the_playout():
    async def play(scene, worker):
        loop = asyncio.get_running_loop()
        await scene.begin(worker)
        scene.service.call.put_playout_first()
        begin_s = loop.time()
        for value in (1, 2):
            frame = InputAudioRawFrame(value.to_bytes(2, "little") * 320, 16_000, 1)
            await worker.queue_frame(frame)
        await scene.after.until(lambda: len(scene.after.of(InputAudioRawFrame)) == 2)
        assert round((loop.time() - begin_s) * 1000) == PLAYOUT_FIRST_MS
        while len(scene.sent_sound()) < 2 * 640:
            await asyncio.sleep(0)
        assert scene.sent_sound() == b"\x01\x00" * 320 + b"\x02\x00" * 320

    Scene().run(play, clock=run_virtual)


def test_contract_7_sound_from_before_the_session_is_ready_is_kept():
    async def play(scene, worker):
        frame = InputAudioRawFrame(bytes(640), 16_000, 1)
        for _ in range(10):
            await worker.queue_frame(frame)
        await scene.after.until(lambda: len(scene.after.of(InputAudioRawFrame)) == 10)
        await scene.begin(worker)
        while not scene.service._ready_for_realtime_input:
            await asyncio.sleep(0)
        await worker.queue_frame(frame)
        while len(scene.sent_sound()) < 11 * 640:
            await asyncio.sleep(0)
        assert len(scene.sent_sound()) == 11 * 640

    Scene().run(play)


def test_the_kept_sound_is_bounded_and_a_muted_microphone_keeps_nothing():
    microphone = Microphone()
    for _ in range(500):
        microphone.keep(bytes(640), 16_000)
    assert len(microphone.take()) == 100
    assert microphone.take() == []

    async def play(scene, worker):
        await scene.begin(worker)
        scene.service.set_audio_input_paused(True)
        for _ in range(10):
            await worker.queue_frame(InputAudioRawFrame(b"\x07\x00" * 320, 16_000, 1))
        await scene.after.until(lambda: len(scene.after.of(InputAudioRawFrame)) == 10)
        scene.service.set_audio_input_paused(False)
        assert scene.service._client.microphone.take() == []

    Scene().run(play)


@pytest.mark.parametrize("stop", ["frame", "server", "speech"])
def test_contract_8_9_10_however_a_reply_ends_the_base_ends_it_once_and_the_next_is_whole(stop):
    async def play(scene, worker):
        await scene.begin(worker)
        scene.line.feed(audio(1), said("one "))
        await scene.after.until(lambda: scene.after.of(TTSTextFrame))
        if stop == "frame":
            await worker.queue_frame(InterruptionFrame())
            await scene.after.until(lambda: scene.after.of(InterruptionFrame))
        elif stop == "server":
            scene.line.feed(INTERRUPTED)
        else:
            now = scene.service.call.now_ms()
            scene.service.call.apply(SpeechStarted(now, now))
        scene.line.feed(audio(2), said("stale "), INTERRUPTED, audio(3), COMPLETE)
        scene.line.feed(audio(4), said("four "), GENERATED, COMPLETE)
        await scene.after.until(lambda: scene.after.of(LLMFullResponseEndFrame))
        assert sounds(scene.after) == [1, 4]
        assert len(scene.after.of(InterruptionFrame)) == 1
        assert len(scene.after.of(LLMFullResponseStartFrame)) == 2
        assert len(scene.after.of(LLMFullResponseEndFrame)) == 1, "an interruption ends the first"
        assert [f.text for f in scene.after.of(TTSTextFrame)] == ["one ", "four "]
        assert scene.service._bot_is_responding is False

    Scene().run(play)


@pytest.mark.parametrize("stop", ["frame", "server", "speech"])
def test_contract_10_tools_are_cancelled_whoever_interrupts(stop):
    cancelled = asyncio.Event()

    async def slow_tool(params):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def play(scene, worker):
        scene.service.register_function("slow", slow_tool, cancel_on_interruption=True)
        await scene.begin(worker)
        call = {"toolCall": {"functionCalls": [{"id": "c1", "name": "slow", "args": {}}]}}
        scene.line.feed(audio(1), call)
        while not scene.service._function_call_tasks:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        if stop == "frame":
            await worker.queue_frame(InterruptionFrame())
        elif stop == "server":
            scene.line.feed(INTERRUPTED, COMPLETE)
        else:
            now = scene.service.call.now_ms()
            scene.service.call.apply(SpeechStarted(now, now))
        await cancelled.wait()

    Scene().run(play)


def test_contract_11_every_part_is_played_and_a_thought_first_does_not_hide_the_start():
    async def play(scene, worker):
        await scene.begin(worker)
        thought = content(modelTurn={"parts": [{"text": "hm", "thought": True}]})
        scene.line.feed(thought, audio(1, 2, 3), merged(audio(4, 5), GENERATED), COMPLETE)
        await scene.after.until(lambda: scene.after.of(LLMFullResponseEndFrame))
        assert sounds(scene.after) == [1, 2, 3, 4, 5]
        kinds = [type(f) for f in scene.after.of(TTSStartedFrame, TTSAudioRawFrame)]
        assert kinds[0] is TTSStartedFrame
        assert kinds.count(TTSStartedFrame) == 1

    Scene().run(play)


def test_contract_11_half_samples_are_joined_and_the_copy_of_the_sound_is_dropped():
    async def play(scene, worker):
        await scene.begin(worker)
        whole = audio(258, samples=30)  # 0x0102: bytes differ
        data = whole["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
        pcm = base64.b64decode(data["data"])
        for piece in (pcm[:31], pcm[31:]):
            part = {"inlineData": {**data, "data": base64.b64encode(piece).decode()}}
            scene.line.feed(content(modelTurn={"parts": [part]}))
        scene.line.feed(COMPLETE)
        await scene.after.until(lambda: scene.after.of(LLMFullResponseEndFrame))
        assert b"".join(scene.after.sounds) == pcm
        assert len(scene.service._bot_audio_buffer) == 0

    Scene().run(play)


def test_contract_13_every_frame_of_a_reply_carries_its_shared_tag():
    async def play(scene, worker):
        await scene.begin(worker)
        scene.line.feed(audio(1), said("one "), GENERATED, COMPLETE, audio(2), GENERATED, COMPLETE)
        await scene.after.until(lambda: len(scene.after.of(LLMFullResponseEndFrame)) == 2)
        replies = [tags.reply_of(f) for f in scene.after.of(TTSAudioRawFrame, TTSTextFrame)]
        assert [r.number for r in replies] == [1, 1, 2]
        assert replies[0] is replies[1]
        others = scene.after.of(LLMContextFrame, InterruptionFrame, InputAudioRawFrame)
        assert all(tags.reply_of(f) is None for f in others)

    Scene().run(play)


@pytest.mark.parametrize("floor", [Floor.SERVER, Floor.LOCAL])
def test_user_turn_frames_appear_on_both_floors_with_only_the_import_changed(floor):
    lines = Lines()
    service = service_over(lines, floor=floor)
    pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "hi"}]))
    tap = Tap()

    async def scenario():
        async with running(pair.user(), service, tap, pair.assistant()):
            call = service.call
            await tap.until(lambda: tap.down)
            for start, kind in (
                (True, UserStartedSpeakingFrame),
                (False, UserStoppedSpeakingFrame),
            ):
                now = call.now_ms()
                call.apply(SpeechStarted(now, now) if start else SpeechEnded(now))
                await tap.until(lambda kind=kind: tap.of(kind))
            assert not tap.of(InterruptionFrame), "nothing was playing"

    run(scenario())


def test_turn_helpers_that_nobody_proposes_turns_to_are_reported_at_start(logs):
    service = service_over(Lines(), floor="local", local_speech=False)
    pair = LLMContextAggregatorPair(LLMContext(), user_params=local_turns())
    tap = Tap()

    async def scenario():
        async with running(pair.user(), service, tap, pair.assistant()):
            await tap.until(lambda: tap.down)

    run(scenario())
    assert [m for m in logs if "proposes no turns" in m]


class Deliberate(BaseUserMuteStrategy):
    """Takes longer over each piece of sound than the piece lasts."""

    async def process_frame(self, frame):
        if isinstance(frame, InputAudioRawFrame):
            await asyncio.sleep(0.03)
        return False


def test_the_end_of_a_turn_does_not_wait_for_sound_that_others_have_yet_to_judge():
    """Goes red when the proposal is a control frame, which all sound overtakes."""
    service, mic, tap = service_over(Lines(), floor="local"), MicSource(), Tap()
    params = local_turns(user_mute_strategies=[Deliberate()])
    pair = LLMContextAggregatorPair(LLMContext(), user_params=params)

    async def scenario():
        async with running(mic, pair.user(), service, tap, pair.assistant()):
            await tap.until(lambda: len(tap.of(InputAudioRawFrame)) > 20)
            now = service.call.now_ms()
            service.call.apply(SpeechStarted(now, now), SpeechEnded(now))
            decided = len(tap.of(InputAudioRawFrame))
            await tap.until(lambda: tap.of(UserStoppedSpeakingFrame))
            assert len(tap.of(InputAudioRawFrame)) - decided < 20

    run_virtual(scenario())


def test_words_that_an_interruption_overtakes_do_not_enter_the_next_message(tmp_path):
    """An InterruptionFrame overtakes what stands in the sink's queue; the words must stay out."""
    lines = Lines()
    llm_context = LLMContext([{"role": "user", "content": "hi"}])
    service, pair = service_over(lines), LLMContextAggregatorPair(llm_context)
    play, sink, tap = Playback(), FileSink(tmp_path / "a.wav"), Tap()

    async def scenario():
        async with running(pair.user(), service, play, tap, sink, pair.assistant()) as worker:
            await worker.queue_frame(LLMRunFrame())
            while not (lines.opened and lines.line.sent):
                await asyncio.sleep(0)
            lines.line.feed(audio(1, samples=24_000), said("Once upon"), said(" a time"))
            await tap.until(lambda: tap.of(TTSTextFrame))
            await service.broadcast_interruption()  # in the very same step
            lines.line.feed(INTERRUPTED, COMPLETE)
            await tap.until(lambda: tap.of(InterruptionFrame))
            lines.line.feed(audio(2), said("Of course."), GENERATED, COMPLETE)
            await tap.until(lambda: tap.of(LLMFullResponseEndFrame))

    run(scenario())
    messages = [m["content"] for m in llm_context.messages if m["role"] == "assistant"]
    assert messages[-1] == "Of course."


def test_sound_on_its_way_is_emptied_when_its_reply_dies():
    """Goes red when frames that an interruption overtakes keep their sound."""
    reply, other = Reply(1), Reply(2)
    frames = [TTSAudioRawFrame(b"\1\0" * 10, 24_000, 1) for _ in range(4)]
    on_the_way = tags.OnTheWay(keep=3)
    for frame, owner in zip(frames, (reply, reply, reply, other), strict=True):
        tags.tag_reply(frame, owner)
        on_the_way.add(frame)
    reply.dead = True
    on_the_way.empty_the_dead()
    assert [len(frame.audio) for frame in frames] == [20, 0, 0, 20]


def test_settings_that_contradict_the_floor_are_refused():
    for floor, disabled in (("server", True), ("local", False)):
        settings = GeminiLiveService.Settings(vad=GeminiVADParams(disabled=disabled))
        with pytest.raises(UsageError, match="floor"):
            GeminiLiveService(api_key="k", floor=floor, settings=settings)
    with pytest.raises(UsageError, match="plain google-genai"):
        GeminiLiveService(api_key="k", floor="program")


@pytest.mark.parametrize(
    ("params", "floor", "wrong"),
    [
        (local_turns, "local", False),
        (server_turns, "server", False),
        (local_turns, "server", True),
        (server_turns, "local", True),
    ],
)
def test_turn_helpers_that_contradict_the_floor_are_reported_at_start(params, floor, wrong, logs):
    service = service_over(Lines(), floor=floor)
    pair = LLMContextAggregatorPair(LLMContext(), user_params=params())
    tap = Tap()

    async def scenario():
        async with running(pair.user(), service, tap, pair.assistant()):
            await tap.until(lambda: tap.down)

    run(scenario())
    assert bool([m for m in logs if "contradicts" in m]) is wrong


def test_a_network_that_blocks_does_not_hold_up_a_stop():
    async def play(scene, worker):
        await scene.begin(worker)
        scene.line.feed(audio(1))
        await scene.after.until(lambda: sounds(scene.after) == [1])
        scene.line.block = asyncio.Event()  # no write returns any more
        for _ in range(3):
            await worker.queue_frame(InputTextRawFrame("hello"))
        await worker.queue_frame(InputAudioRawFrame(bytes(640), 16_000, 1))
        await worker.queue_frame(InterruptionFrame())
        await scene.after.until(lambda: scene.after.of(InterruptionFrame))
        assert scene.service.call.machine.reply.dead
        scene.line.block.set()

    Scene().run(play)


def test_half_a_sample_survives_the_noise_between_two_messages():
    async def play(scene, worker):
        await scene.begin(worker)
        data = audio(258, samples=30)["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
        pcm = base64.b64decode(data["data"])
        for piece in (pcm[:31], pcm[31:]):
            part = {"inlineData": {**data, "data": base64.b64encode(piece).decode()}}
            scene.line.feed(content(modelTurn={"parts": [part]}), {})
        scene.line.feed(COMPLETE)
        await scene.after.until(lambda: scene.after.of(LLMFullResponseEndFrame))
        assert b"".join(scene.after.sounds) == pcm

    Scene().run(play)


def test_the_wait_between_attempts_doubles_and_has_jitter():
    assert [backoff_ms(n, 0.0) for n in (1, 2, 3)] == [250, 500, 1000]
    assert backoff_ms(1, 1.0) == 500


def test_no_secret_and_no_word_goes_into_our_logs(logs):
    async def play(scene, worker):
        await scene.begin(worker)
        scene.line.feed(audio(1), said("confidential "), COMPLETE)
        await scene.after.until(lambda: scene.after.of(LLMFullResponseEndFrame))
        scene.line.end(1011, "x")

    Scene().run(play)
    ours = [m for m in logs if "pipeline_live" in m]
    assert not [m for m in ours if "confidential" in m or "no-key" in m]


def test_a_blob_of_another_rate_keeps_its_rate():
    microphone = Microphone()
    microphone.keep(bytes(960), 24_000)
    assert microphone.take() == [types.Blob(data=bytes(960), mime_type="audio/pcm;rate=24000")]
