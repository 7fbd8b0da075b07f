"""A call: the one place that decides. It outlives the connections over which it is held.

The call owns the turn machine, the ears, the ledger and the timeline. Everything else senses
(``apply`` a fact, ``hear`` sound) or acts (a ``Hand`` performs the machine's actions).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from pipeline_live.audio import INPUT_RATE, bytes_of, ms_to_samples, samples_of
from pipeline_live.errors import UsageError
from pipeline_live.session.ears import Ears, EarsPolicy, Heard, Verdict
from pipeline_live.session.recording import Recording
from pipeline_live.session.report import InterruptionReport
from pipeline_live.session.timeline import Timeline
from pipeline_live.turn.events import (
    Action,
    AnswerRequested,
    Fact,
    FlushPlayout,
    PlayoutAdvanced,
    ProtectionRequested,
    ReportAnomaly,
    ReportInterruption,
    SpeechDismissed,
    SpeechEnded,
    SpeechStarted,
    SpeechSuspected,
    StopRequested,
    TimeReached,
)
from pipeline_live.turn.machine import TurnMachine
from pipeline_live.turn.playout import PlayoutLedger, Reply
from pipeline_live.turn.policy import Floor, Phantom, TurnPolicy
from pipeline_live.turn.tables import Gate
from pipeline_live.vad import Window

RECENT_MS = 8000
"""Microphone sound that is kept for the endpointer; smart-turn takes no more."""
PLAYOUT_FIRST_MS = 10
"""So long other work gives way to the playout after a stall of the event loop."""
SECOND_LOOK_MS = 50
"""How long after a deadline it counts as reached."""


class Hand(Protocol):
    """Performs actions. Called in the order of the actions, without awaiting anything."""

    def perform(self, action: Action, at_ms: int) -> None:
        """Do what concerns this hand; ignore the rest."""


class Endpointer(Protocol):
    """Judges, from how it sounds, whether a user's turn is complete."""

    def judge(self, pcm: bytes, rate: int, tell: Callable[[bool], None]) -> None:
        """Judge the last seconds of mono s16le sound at ``rate`` Hz; tell the verdict later."""


class Call:
    """One conversation.

    Args:
        floor: Who decides user turns.
        policy: The waits of the turn machine.
        ears: Thresholds of the local ears; None for a call that does not listen by itself.
        endpointer: Asked at each pause whether the user's turn is complete; without one, silence
            alone ends a turn.
        timeline: Where to write what happens; by default as ``PIPELINE_LIVE_TIMELINE`` says.

    Raises:
        UsageError: The policy needs ears that the call does not have.
    """

    def __init__(
        self,
        *,
        floor: Floor = Floor.SERVER,
        policy: TurnPolicy | None = None,
        ears: EarsPolicy | None = None,
        endpointer: Endpointer | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        if ears is None and policy is not None and policy.phantom is Phantom.PLAY_ON:
            raise UsageError(
                "Phantom.PLAY_ON needs the local ears, or the bot would talk over everybody; let "
                "the call listen, or leave phantom out of the policy"
            )
        self.floor = floor
        self.timeline = timeline or Timeline.from_environment()
        self._own_timeline = timeline is None
        self.ledger = PlayoutLedger()
        self.machine = TurnMachine(policy, self.ledger)
        self.ears = Ears(ears) if ears is not None else None
        if self.ears is not None:
            self.ears.patient = endpointer is not None
        self._endpointer = endpointer
        self._recent = bytearray()
        self._recent_rate = INPUT_RATE
        self._hands: list[Hand] = []
        self._silent_ms: int | None = None
        self.sink_holds = False
        """Whether the sink is a hand too, and holds without a click what it has taken already."""
        self.interruption: InterruptionReport | None = None
        """The last interruption; a hand that performs ``ReportInterruption`` finds it here."""
        self._epoch: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timed_ms: int | None = None  # the deadline that the timer is for
        self._facts: deque[Fact] = deque()
        self._applying = False
        self._playout_first_until = 0.0

    def now_ms(self) -> int:
        """Milliseconds since the call began; the first question begins it.

        Raises:
            RuntimeError: There is no running event loop.
        """
        now = asyncio.get_running_loop().time()
        if self._epoch is None:
            self._epoch = now
        return int((now - self._epoch) * 1000)

    def attach(self, hand: Hand) -> None:
        """Let ``hand`` perform actions from now on."""
        if hand not in self._hands:
            self._hands.append(hand)

    def detach(self, hand: Hand) -> None:
        """Stop asking ``hand``."""
        if hand in self._hands:
            self._hands.remove(hand)

    def apply(self, *facts: Fact) -> list[Action]:
        """Take in facts, perform what follows, and return those actions in order.

        A fact that a hand brings while it performs is taken in after the ones before it.
        """
        self._facts.extend(facts)
        if self._applying:
            return []
        self._applying = True
        done: list[Action] = []
        try:
            while self._facts:
                self._apply(self._facts.popleft(), done)
        finally:  # what a hand's error leaves is taken in with the next fact
            self._applying = False
            self._arm()
        return done

    def hear(self, pcm: bytes, rate: int) -> None:
        """Listen to the microphone: mono s16le sound at ``rate`` Hz."""
        self._record(pcm, rate)
        if self.is_shielded():
            self._listen([], pcm, rate)
        elif self.ears is not None:
            self._keep(pcm, rate)
            self._tell(self.ears.hear(pcm, rate), rate)

    def hear_windows(self, windows: list[Window], pcm: bytes, rate: int) -> None:
        """Take over what other ears found in ``pcm``, the microphone's next sound."""
        self._record(pcm, rate)
        self._listen([] if self.is_shielded() else windows, pcm, rate)

    def mute(self) -> None:
        """The microphone was muted: whatever was being said is over, as far as we can know."""
        if self.ears is not None:
            self._tell(self.ears.deafen(), INPUT_RATE)

    def answered(self) -> None:
        """The server sends what may be an answer: on its floor that ends the turn of the user.

        The ears wait for a longer silence than some servers do, and frames that tell of the end of
        a turn are late when they come after the answer. A user who is not silent goes on.
        """
        begins = self.floor is Floor.SERVER and self.machine.gate is Gate.IDLE
        if begins and self.ears is not None:
            self._tell(self.ears.end_turn(), INPUT_RATE)

    def stop(self, *, announce: bool = True, answer: bool = True) -> None:
        """Silence the bot now, whatever the server still sends.

        An answer that is due and has not begun is dropped whole, unless another question comes
        before it.

        Args:
            announce: Also tell whoever receives from the session; False when they know.
            answer: False to mean only what can be heard already.
        """
        self.apply(StopRequested(self.now_ms(), announce, answer))

    def ask(self) -> None:
        """A question went to the server: an answer is due."""
        self.apply(AnswerRequested(self.now_ms()))

    def protect_reply(self) -> None:
        """Let the reply that arrives, or else the next one, be heard to its end: a legal notice.

        Neither speech nor text nor a Stop ends it, and until all of it was sent the server gets
        silence in place of the user's voice, which it would end the reply for.
        """
        self.apply(ProtectionRequested(self.now_ms()))

    def is_shielded(self) -> bool:
        """Whether the microphone is replaced by silence, for a protected reply."""
        return self.machine.is_shielded(self.now_ms())

    def fall_silent(self, at_ms: int) -> None:
        """A hand that plays says when, after a hold or a flush, its last sample will be over."""
        self._silent_ms = at_ms
        self.timeline.note("PlayoutSilent", self.now_ms(), silent_ms=at_ms)

    def is_calm(self) -> bool:
        """Whether the bot speaks and nobody else does, as far as the ears can tell.

        Then the server does not need the microphone's sound a few milliseconds sooner.
        """
        return self.ears is not None and self.ears.calm and bool(self.ledger.waiting())

    def put_playout_first(self) -> None:
        """A hand that plays found the event loop late: its device runs dry, the rest can wait."""
        loop = asyncio.get_running_loop()
        self._playout_first_until = loop.time() + PLAYOUT_FIRST_MS / 1000

    async def after_playout(self) -> None:
        """Give way to the playout if the event loop was just late; else return at once.

        What other work is due after a stall (a microphone's frame to listen to, sound to send) is
        otherwise done before the transport has had its turn.
        """
        left = self._playout_first_until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    def heard_ms(self) -> int:
        """How much of the latest reply the user has heard by now, in milliseconds."""
        reply = self.machine.reply
        if reply is None:
            return 0
        self.ledger.settle(self.now_ms())
        return self.ledger.heard_ms(reply)

    def keep_sound(self, reply: Reply, pcm: bytes) -> None:
        """Sound of ``reply``, s16le at 24 kHz, was received: for the recording, if there is one."""
        recording = self.timeline.recording
        if recording is not None:
            self._begin(recording)
            recording.receive(reply, pcm, self.now_ms())

    def report(self, what: str) -> None:
        """Note something unexpected that does not end the call."""
        action, now = ReportAnomaly(what), self.now_ms()
        self.timeline.action(action, now)
        for hand in tuple(self._hands):
            hand.perform(action, now)

    def end(self) -> None:
        """End the call: let go of the timer, and of a timeline that nobody gave."""
        self._disarm()
        if self._epoch is not None and self.timeline.recording is not None:
            self._record_playout(self.now_ms())
        if self._own_timeline:
            self.timeline.close()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._timed_ms = None

    def _apply(self, fact: Fact, done: list[Action]) -> None:
        recording = self.timeline.recording
        self.timeline.fact(fact)
        self._record_playout(fact.at_ms)
        if isinstance(fact, PlayoutAdvanced) and recording is not None:
            recording.played(fact.reply, fact.samples, fact.at_ms)
        for action in self.machine.handle(fact):
            self.timeline.action(action, fact.at_ms)
            if isinstance(action, ReportInterruption):
                self.interruption = self._report_of(action, fact.at_ms)
            elif isinstance(action, FlushPlayout) and recording is not None:
                recording.flush(action.replies)
            for hand in tuple(self._hands):
                hand.perform(action, fact.at_ms)
            done.append(action)

    def _record(self, pcm: bytes, rate: int) -> None:
        """Record the microphone."""
        recording = self.timeline.recording
        if recording is not None:
            self._begin(recording)
            now = self.now_ms()
            recording.hear(pcm, rate, now)
            self._record_playout(now)

    def _record_playout(self, now_ms: int) -> None:
        """Record what was played by now, where no sink says so itself."""
        recording = self.timeline.recording
        if recording is not None and not self.ledger.has_sink:
            self.ledger.settle(now_ms)
            for reply in recording.waiting():
                recording.assume(reply, self.ledger.heard_samples(reply))

    def _begin(self, recording: Recording) -> None:
        now = self.now_ms()
        if recording.begin(now):
            self.timeline.note("SoundStarted", now, measured=False)

    def _report_of(self, action: ReportInterruption, at_ms: int) -> InterruptionReport:
        return InterruptionReport(
            reply=action.reply,
            source=action.source,
            onset_ms=action.onset_ms,
            held_ms=action.held_ms,
            decided_ms=at_ms,
            flushed_ms=self.now_ms(),
            silent_ms=self._silent_ms,
            heard_ms=action.heard_ms,
            heard_text=action.heard_text,
        )

    def _listen(self, windows: list[Window], pcm: bytes, rate: int) -> None:
        if self.ears is not None:
            self._keep(pcm, rate)
            self._tell(self.ears.judge(windows, samples_of(pcm), rate), rate)

    def _keep(self, pcm: bytes, rate: int) -> None:
        """Remember the last seconds, for the endpointer."""
        if self._endpointer is not None:
            if rate != self._recent_rate:
                self._recent_rate = rate
                self._recent.clear()
            self._recent += pcm
            del self._recent[: max(0, len(self._recent) - bytes_of(ms_to_samples(RECENT_MS, rate)))]

    def _judged(self, pause: int, complete: bool) -> None:
        """The endpointer's verdict on a pause; too late when the user went on meanwhile."""
        self.timeline.note("EndpointJudged", self.now_ms(), complete=complete)
        if complete and self.ears is not None and self.ears.pause == pause:
            self._tell(self.ears.end_turn(), INPUT_RATE)

    def _tell(self, told: list[Heard], rate: int) -> None:
        for heard in told:
            now = self.now_ms()
            match heard.verdict:
                case Verdict.SUSPECTED:
                    self.apply(SpeechSuspected(now, now - heard.ago_ms))
                case Verdict.DISMISSED:
                    self.apply(SpeechDismissed(now))
                case Verdict.STARTED:
                    self.apply(SpeechStarted(now, now - heard.ago_ms))
                case Verdict.PAUSED:
                    if self._endpointer is not None and self.ears is not None:
                        judged = partial(self._judged, self.ears.pause)
                        self._endpointer.judge(bytes(self._recent), rate, judged)
                case Verdict.ENDED:
                    self.apply(SpeechEnded(now, now - heard.ago_ms))

    def _arm(self) -> None:
        deadline_ms = self.machine.deadline_ms
        if deadline_ms == self._timed_ms:
            return  # a fact that moves no deadline must not put off the second look either
        self._disarm()
        if deadline_ms is not None and self._epoch is not None:
            loop = asyncio.get_running_loop()
            when = self._epoch + (deadline_ms + 1) / 1000
            self._timer, self._timed_ms = loop.call_at(when, self._on_time), deadline_ms

    def _on_time(self) -> None:
        """Look once more a moment later: after a stalled loop the timer is due before the line.

        What the server sent during the stall is read first, and puts the deadline off.
        """
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SECOND_LOOK_MS / 1000, self._time_reached)

    def _time_reached(self) -> None:
        self._timer = self._timed_ms = None
        self.apply(TimeReached(self.now_ms()))
