"""``GeminiLiveService``: Pipecat's Gemini Live service with the call's judgement in front of it.

Tools, context, grounding, thinking models, settings and tracing are Pipecat's own; only its client
is replaced, through the public ``create_client()``.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import Any, Literal

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMUpdateSettingsFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.services.google.gemini_live.vertex.llm import GeminiLiveVertexLLMService

from pipeline_live.audio import mono
from pipeline_live.errors import ConnectionFailed, UsageError
from pipeline_live.processors import compatibility, endpointing, heard, tags, telemetry
from pipeline_live.processors.announcer import Announcer
from pipeline_live.processors.endpointing import SmartTurn
from pipeline_live.processors.facade import ServiceClient
from pipeline_live.processors.frames import ProtectReplyFrame
from pipeline_live.processors.neighbours import after
from pipeline_live.processors.playback import Playback
from pipeline_live.processors.turns import (
    LiveServiceMetadataFrame,
    MessagesToAnswer,
    strategies,
)
from pipeline_live.session import Call, EarsPolicy, InterruptionReport, Timeline
from pipeline_live.session.capabilities import takes_turns
from pipeline_live.turn import Floor, Reply, TurnPolicy
from pipeline_live.turn.events import (
    Action,
    FlushPlayout,
    ReportInterruption,
    SpeechEnded,
    SpeechStarted,
)
from pipeline_live.turn.policy import BargeIn
from pipeline_live.turn.tables import User
from pipeline_live.vad import warm_up

TURN_BEGINS_MS = 250
"""An InterruptionFrame so shortly after the beginning of a user turn is no Stop button."""
MOST_HOPS = 32
"""Steps of the event loop that the user's last words may take to their aggregator."""


class _Live(GeminiLiveLLMService):
    """What both services add to their base."""

    _client: Any

    def __init__(
        self,
        *,
        settings: Any = None,
        params: Any = None,
        floor: Literal["server", "local"] | Floor | None = None,
        timeline: Timeline | None = None,
        local_speech: bool = True,
        ears: EarsPolicy | None = None,
        policy: TurnPolicy | Literal["hold", "cut", "off"] = "hold",
        smart_turn: bool = True,
        **kwargs: Any,
    ) -> None:
        settings, settings_floor = _without_floor(settings)
        params, params_floor = _without_floor(params)
        agreed = _agreed_floor(
            None if floor is None else Floor(floor), settings_floor, params_floor
        )
        decides = agreed is Floor.LOCAL and local_speech
        self._smart_turn = SmartTurn() if decides and smart_turn else None
        self._call = Call(
            floor=agreed,
            endpointer=self._smart_turn,
            ears=(ears or EarsPolicy()) if local_speech else None,
            policy=_policy(policy, agreed),
            timeline=timeline,
        )
        self._muted = bool(kwargs.get("start_audio_paused"))
        self._spoken: Reply | None = None
        self._on_the_way = tags.OnTheWay()
        self._announcer = Announcer(self, self._call)
        self._announcing: asyncio.Task[None] | None = None
        self._followed = False
        self._proposes = local_speech or agreed is not Floor.LOCAL
        self._others_decide = not self._proposes
        self._seed: list[Any] | None = None  # the messages that began the conversation
        self._turn_ms: int | None = None  # when the pipeline began the user's turn
        self._uncorrected: list[InterruptionReport] = []  # the context may hold other words
        self._telemetry: telemetry.Telemetry | None = None
        super().__init__(settings=settings, params=params, **kwargs)
        compatibility.add_event(self, "on_interruption")

    @property
    def call(self) -> Call:
        """The call: its machine, ledger and timeline. It outlives connections."""
        return self._call

    def create_client(self) -> None:
        """Put the facade in front of the client that the base makes."""
        super().create_client()
        self._client = ServiceClient(self._client, self._call, self._on_fault, self._on_fresh)

    def service_metadata_frame(self) -> LiveServiceMetadataFrame:
        """Recommend turn strategies that follow the call, on both floors."""
        return LiveServiceMetadataFrame(
            service_name=self.name,
            is_realtime_service=True,
            user_turn_strategies=strategies() if self._proposes else None,
            floor=self._call.floor,
            proposes=self._proposes,
            tell_followed=self._be_followed,
        )

    def _be_followed(self) -> None:
        self._followed = True

    def set_audio_input_paused(self, paused: bool) -> None:
        """Mute or unmute the microphone; what is said meanwhile is kept nowhere."""
        self._muted = paused
        if paused:
            self._call.mute()
        super().set_audio_input_paused(paused)

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Load the models and connect."""
        warm_up()
        if self._smart_turn is not None:
            endpointing.warm_up()
        self._call.attach(self)
        self._telemetry = telemetry.watch(self._call, setup)
        await super().setup(setup)
        self._announcing = self.create_task(self._announcer.run())

    async def cleanup(self) -> None:
        """Let go of the call."""
        if self._announcing is not None:
            await self.cancel_task(self._announcing)
            self._announcing = None
        if self._smart_turn is not None:
            await self._smart_turn.close()
        await super().cleanup()
        self._call.detach(self)
        if self._telemetry is not None:
            self._call.detach(self._telemetry)
        self._call.end()
        self._call.timeline.close()

    # --- frames --------------------------------------------------------------------------------

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Tell the call what the frame means, then let the base do its work."""
        self._announcer.see(frame)
        match frame:
            case StartFrame():
                tags.tag_call(frame, self._call)
                self._check_pipeline()
            case InterruptionFrame():
                self._call.stop(announce=False, answer=not self._begins_a_turn())
                question = await self._write_question()
                await super().process_frame(frame, direction)
                await self._correct_context(question)
                return
            case InputAudioRawFrame():
                await self._call.after_playout()
                self._listen(frame)
            case LLMUpdateSettingsFrame():
                self._keep_floor(frame)
            case UserStartedSpeakingFrame() | UserStoppedSpeakingFrame():
                started = isinstance(frame, UserStartedSpeakingFrame)
                self._turn_ms = self._call.now_ms() if started else None
                self._follow(started=started)
            case LLMContextFrame() if self._seed is None:
                self._seed = list(frame.context.get_messages())
            case MessagesToAnswer(messages=messages):
                await self._answer(messages)
                return
            case ProtectReplyFrame():
                self._call.protect_reply()
            case UserMuteStartedFrame():
                self._call.mute()
            case UserMuteStoppedFrame():
                self._announcer.repeat_stop()
            case EndFrame() | CancelFrame():
                self._client.microphone.forget()
            case _:
                pass
        await super().process_frame(frame, direction)

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Tag what belongs to a reply, and drop what belongs to a dead one."""
        session = self._client.session
        reply = session.reply_in_hand() if session is not None else None
        if reply is not None and direction is FrameDirection.DOWNSTREAM:
            if reply.dead and frame.interruptible:
                return
            tags.tag_reply(frame, reply)
            if reply.protected:
                frame.interruptible = False
            self._on_the_way.add(frame)
            await self._announce_speech(frame, reply)
        await super().push_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            compatibility.forget_bot_audio(self)

    async def broadcast_interruption(self) -> None:
        """End an interruption by the server exactly like one from the pipeline."""
        question = await self._write_question()
        await super().broadcast_interruption()
        await compatibility.finish_interruption(self)
        await self._correct_context(question)

    async def _write_question(self) -> str:
        """Have the user's words written before the interrupted answer to them."""
        aggregator = heard.user_aggregator_before(self)
        if aggregator is None or not self._uncorrected:
            return ""
        if await compatibility.finish_question(self):
            for _ in range(MOST_HOPS):
                if aggregator.aggregation_string():
                    break
                await asyncio.sleep(0)  # it is on its way there
        return await aggregator.push_aggregation()

    async def _correct_context(self, question: str) -> None:
        """After the InterruptionFrame, for it makes the aggregator write down the reply."""
        reports, self._uncorrected = self._uncorrected, []
        for report in reports:
            spoken = self._call.ledger.transcript(report.reply)
            if spoken:
                await super().push_frame(heard.correction(spoken, report.heard_text, question))

    async def _announce_speech(self, frame: Frame, reply: Reply) -> None:
        """TTSStartedFrame before a reply's first sound, which the base forgets after a thought."""
        if isinstance(frame, TTSStartedFrame):
            self._spoken = reply
        elif isinstance(frame, TTSAudioRawFrame) and self._spoken is not reply:
            self._spoken = reply
            started = TTSStartedFrame()
            tags.tag_reply(started, reply)
            await super().push_frame(started)

    def _listen(self, frame: InputAudioRawFrame) -> None:
        if self._muted:
            self._client.microphone.forget()
            return
        pcm = mono(frame.audio, frame.num_channels)
        self._client.microphone.keep(pcm, frame.sample_rate)
        windows = tags.speech_of(frame)
        if windows is None:
            self._call.hear(pcm, frame.sample_rate)
        else:
            self._call.hear_windows(windows, pcm, frame.sample_rate)

    async def _answer(self, messages: list[Any]) -> None:
        """Send what was appended, unless the base began the conversation with it."""
        seed = {id(message) for message in self._seed or []}
        new = [message for message in messages if id(message) not in seed]
        if new:
            as_text = not takes_turns(self._client.model)
            await compatibility.answer(self, new, as_text=as_text)

    def _follow(self, *, started: bool) -> None:
        """Follow a turn that somebody else in the pipeline decided (local floor)."""
        speaking = self._call.machine.user is User.SPEAKING
        if self._followed or self._call.floor is not Floor.LOCAL or started == speaking:
            return
        if not self._others_decide:
            self._others_decide = True
            logger.warning(
                f"{self}: something else in the pipeline decides user turns as well; so that one "
                "place decides, pass local_turns() to the context aggregator, or "
                "local_speech=False to this service"
            )
        now = self._call.now_ms()
        self._call.apply(SpeechStarted(now, now) if started else SpeechEnded(now))

    def _keep_floor(self, frame: LLMUpdateSettingsFrame) -> None:
        """The floor is chosen once: a call that changed it in mid-turn would lose that turn."""
        frame.delta, floor = _without_floor(frame.delta)
        if floor not in (None, self._call.floor):
            logger.warning(
                f"{self}: 'disabled' in the VAD settings cannot change at run time and is ignored; "
                "choose the floor when the service is made"
            )

    # --- the call's hand in the pipeline -------------------------------------------------------

    def perform(self, action: Action, at_ms: int) -> None:
        """Tell the pipeline what was decided; take dead sound out of frames on their way."""
        self._announcer.perform(action, at_ms)
        match action:
            case FlushPlayout():
                self._on_the_way.empty_the_dead()
            case ReportInterruption() if self._call.interruption is not None:
                self._uncorrected.append(self._call.interruption)
            case _:
                pass

    def _begins_a_turn(self) -> bool:
        """Whether an InterruptionFrame that comes now belongs to the beginning of a user turn.

        Pipecat's strategies send it right behind UserStartedSpeakingFrame.
        """
        return self._turn_ms is not None and self._call.now_ms() - self._turn_ms < TURN_BEGINS_MS

    async def _on_fault(self, failure: ConnectionFailed) -> None:
        await self.push_error(str(failure), exception=failure, force_treat_as_permanent=True)

    async def _on_fresh(self) -> None:
        await compatibility.seed_again(self)

    def _check_pipeline(self) -> None:
        """Say at start what a missing Playback costs."""
        if any(isinstance(one, Playback) for one in after(self)):
            return
        logger.warning(
            f"{self}: no Playback after this service; stale audio is dropped and Stop works, but "
            "the heard position is a guess; put Playback() right before transport.output()"
        )


class GeminiLiveService(_Live):
    """Pipecat's ``GeminiLiveLLMService`` that is never wrong about whose turn it is.

    Constructor, ``Settings`` and behaviour are the base's, so changing one import is enough.
    Passes through: what the base does. Adds: user turn proposals on both floors, the frames of
    ``pipeline_live.processors.frames``, metrics of each interruption, and the event
    ``on_interruption(service, report)``; every frame of a reply is tagged with it. Order: the
    base's, without anything of a reply after its interruption.
    On interruption, from wherever: nothing of the reply follows, the next reply comes whole.

    Args:
        floor: Who decides user turns: ``"server"`` (Gemini's automatic VAD, the default) or
            ``"local"`` (our ears; the same as ``GeminiVADParams(disabled=True)``).
        timeline: Where to write what happens, for example ``Timeline.in_folder("calls/monday")``;
            by default as the environment variable ``PIPELINE_LIVE_TIMELINE`` says.
        local_speech: Let the user's speech, as heard here, interrupt a reply before the server
            says so. Off, for example, for open loudspeakers without echo cancellation. Off on the
            local floor, the turn strategies of the pipeline decide, as in Pipecat, and nothing is
            held.
        ears: Thresholds of the local ears.
        policy: What the user's speech, as heard here, does to a reply: ``"hold"`` (suspected speech
            holds it, confirmed speech ends it), ``"cut"`` (confirmed speech ends it) or ``"off"``
            (as in Pipecat: on the server floor only the server ends a reply, on the local floor
            confirmed speech); or a ``TurnPolicy``, for the waits as well.
        smart_turn: On the local floor, ask Pipecat's smart-turn model at each pause whether the
            user's turn is complete; without it, silence alone ends a turn.
        **kwargs: Everything that ``GeminiLiveLLMService`` takes.

    Raises:
        UsageError: ``floor`` contradicts the VAD settings; no such policy.
    """


class GeminiLiveVertexService(_Live, GeminiLiveVertexLLMService):
    """The same over Pipecat's ``GeminiLiveVertexLLMService``."""


def _without_floor(options: Any) -> tuple[Any, Floor | None]:
    """Take the floor out of the VAD settings.

    With ``disabled`` set the base would withhold microphone sound, keep a pre-roll of its own and
    send activities itself: a second brain.
    """
    vad = getattr(options, "vad", None)
    disabled = getattr(vad, "disabled", None)
    if vad is None or disabled is None:
        return options, None
    options = copy.copy(options)
    options.vad = vad.model_copy(update={"disabled": None})
    return options, Floor.LOCAL if disabled else Floor.SERVER


def _policy(policy: TurnPolicy | str, floor: Floor) -> TurnPolicy:
    if isinstance(policy, str):
        if policy not in tuple(BargeIn):
            known = ", ".join(repr(known.value) for known in BargeIn)
            raise UsageError(f"policy={policy!r} is not known; use {known} or a TurnPolicy")
        policy = TurnPolicy(barge_in=BargeIn(policy))
    if policy.barge_in is BargeIn.OFF and floor is Floor.LOCAL:
        return replace(policy, barge_in=BargeIn.CUT)
    return policy


def _agreed_floor(*wishes: Floor | None) -> Floor:
    said = {wish for wish in wishes if wish is not None}
    if Floor.PROGRAM in said:
        raise UsageError("floor='program' is for plain google-genai; use 'local' or 'server' here")
    if len(said) > 1:
        raise UsageError(
            "the floor is contradictory: floor='local' needs GeminiVADParams(disabled=True) or no "
            "'disabled' at all, floor='server' the opposite; drop one of the two"
        )
    return said.pop() if said else Floor.SERVER
