"""The turn machine of a call: whose turn it is, and which audio may still be heard.

Two rules. Everything that moves the machine stands in tables (``turn.tables``); and the machine
never looks at a clock: every fact carries its time, and ``deadline_ms`` says when to come back with
``TimeReached``.

Theory of operation. The machine has three regions. The *gate* watches the model's reply. It is
open while nothing is wrong: ``IDLE`` between replies, ``REPLYING`` while one arrives. Gemini Live
sends no reply id, so once a reply was interrupted, what belongs to it can only be told by when it
comes: the gate stays shut until the *boundary*. After our own decision (``SWALLOWING``: the server
does not know and goes on sending) that is the server's ``interrupted`` or the old reply's
``turnComplete``. After the server's ``interrupted`` (``CLOSING``) it is the ``turnComplete`` that
follows within milliseconds. A gate that waited for a message that never comes would mute the bot
for good, so each wait has a deadline, and a new answer that we know was asked for opens it too
(``BoundaryAssumed``).

The *floor* region watches the user: ``QUIET`` or ``SPEAKING``.

The *hold* region watches playout: ``PLAYING`` or ``HELD``. Speech that is only suspected holds
playout if there is something to play, which costs nothing if it was a cough: then it resumes at the
very sample. Confirmed speech, the server's ``interrupted`` or a Stop ends the hold together with
the reply. A hold has a limit, at which playout resumes by itself.

A fact without a row in a region's table leaves that region alone; so does a fact that the policy
tells to ignore (``BargeIn``).
"""

from __future__ import annotations

from pipeline_live.turn.events import (
    CONTENT,
    Action,
    ActivityEnded,
    AnnounceDismissal,
    AnnounceInterruption,
    AnnounceSuspicion,
    AnswerRequested,
    AudioReceived,
    BoundaryAssumed,
    ConnectionOpened,
    Deliver,
    Drop,
    EndTurn,
    EndUserTurn,
    Fact,
    FlushPlayout,
    GenerationCompleted,
    HoldExpired,
    HoldPlayout,
    IgnoreTurnComplete,
    InputTranscribed,
    Interrupted,
    PlayoutAdvanced,
    ReportAnomaly,
    ReportFalseAlarm,
    ReportInterruption,
    ResumePlayout,
    Source,
    SpeechEnded,
    SpeechStarted,
    SpeechSuspected,
    StartReply,
    StartUserTurn,
    StopRequested,
    StopServer,
    SuppressInterrupted,
    TimeReached,
    ToolCalled,
    TranscriptReceived,
    TurnCompleted,
)
from pipeline_live.turn.playout import PlayoutLedger, Reply
from pipeline_live.turn.policy import BargeIn, TurnPolicy
from pipeline_live.turn.tables import GATE, HOLD, USER, Do, Gate, Playout, User


class TurnMachine:
    """Decides, fact by fact, what of the model's speech may be heard.

    Pure: ``handle`` is a function of the facts so far. The shell performs the actions, in order,
    and comes back with ``TimeReached`` at ``deadline_ms``.

    Args:
        policy: The waits.
        ledger: Where received and played samples are counted; one of its own when not given.
    """

    def __init__(
        self, policy: TurnPolicy | None = None, ledger: PlayoutLedger | None = None
    ) -> None:
        self.policy = policy or TurnPolicy()
        self.ledger = ledger or PlayoutLedger()
        self.gate = Gate.IDLE
        self.user = User.QUIET
        self.playout = Playout.PLAYING
        self._gate_deadline_ms: int | None = None
        self._held_at_ms = 0
        self._onset_ms: int | None = None  # of the speech that is heard or suspected right now
        self._reply: Reply | None = None
        self._count = 0
        self._on_wire = False  # a reply has begun whose turnComplete is still to come
        self._complete = False  # generationComplete was seen for the reply on the wire
        self._server_completes = False  # this server sends generationComplete at all
        self._asked = False  # an answer was asked for that no reply has begun to give
        self._turn_open = False  # something was seen that a turnComplete can end
        self._boundaries_owed = 0  # turnCompletes that were assumed and may still come
        self._unconfirmed = False  # we ended a reply and the server has not said so itself
        self._last_wire_ms = 0  # when the dead reply was last heard of

    @property
    def reply(self) -> Reply | None:
        """The reply that is arriving, or the last one that did."""
        return self._reply

    @property
    def deadline_ms(self) -> int | None:
        """When to come back with ``TimeReached``; None when nothing is waited for."""
        deadlines = (self._gate_deadline_ms, self._hold_deadline_ms())
        return min((at_ms for at_ms in deadlines if at_ms is not None), default=None)

    def handle(self, fact: Fact) -> list[Action]:
        """Take in one fact and return what to do, in order.

        Raises:
            Nothing: a fact that does not fit is an anomaly to report, never an error.
        """
        self.ledger.settle(fact.at_ms)
        actions: list[Action] = []
        self._observe(fact, actions)
        if self._is_late_boundary(fact):
            self._boundaries_owed -= 1
            actions.append(IgnoreTurnComplete(late=True))
            return actions
        if self._is_late_interrupted(fact):
            self._unconfirmed = False
            actions.append(SuppressInterrupted())
            return actions
        gate_row = None if self._is_ignored(fact) else GATE.get((self.gate, type(fact)))
        user_row = USER.get((self.user, type(fact)))
        hold_row = HOLD.get((self.playout, type(fact))) if self._may_hold(fact) else None
        for row in (gate_row, user_row, hold_row):
            for step in row.do if row else ():
                self._perform(step, fact, actions)
        if gate_row and isinstance(gate_row.to, Gate):
            self._enter(gate_row.to, fact)
        if user_row and isinstance(user_row.to, User):
            self.user = user_row.to
        if hold_row and isinstance(hold_row.to, Playout):
            self.playout = hold_row.to
        return actions

    # --- what every fact changes, whatever the state -------------------------------------------

    def _observe(self, fact: Fact, actions: list[Action]) -> None:
        """Note what the fact proves, and assume a boundary where it proves that."""
        shut = self.gate in (Gate.SWALLOWING, Gate.CLOSING)
        match fact:
            case PlayoutAdvanced(reply=number, samples=samples):
                self.ledger.play(number, samples)
            case TimeReached(at_ms=at_ms):
                self._time_reached(at_ms, actions)
            case SpeechSuspected(onset_ms=onset_ms) | SpeechStarted(onset_ms=onset_ms):
                self._onset_ms = onset_ms
            case AnswerRequested() | ActivityEnded() | InputTranscribed():
                self._asked = self._turn_open = True
            case ToolCalled():
                self._turn_open = True
            case SpeechEnded():
                self._turn_open = True
                self._onset_ms = None
            case ConnectionOpened():
                self._boundaries_owed = 0
            case _ if isinstance(fact, CONTENT) and shut:
                quiet_ms = fact.at_ms - self._last_wire_ms
                if self._asked and quiet_ms >= self.policy.proof_quiet_ms:
                    actions += self._assume_boundary(fact.at_ms)
                else:
                    self._last_wire_ms = fact.at_ms
                    self._set_deadline()

    def _time_reached(self, at_ms: int, actions: list[Action]) -> None:
        hold_ms = self._hold_deadline_ms()
        if hold_ms is not None and at_ms >= hold_ms:
            actions += self.handle(HoldExpired(at_ms))
        if self._gate_deadline_ms is not None and at_ms >= self._gate_deadline_ms:
            self._gate_deadline_ms = None
            what = f"no turnComplete for the interrupted reply while {self.gate}"
            actions.append(ReportAnomaly(what))
            actions += self._assume_boundary(at_ms)

    def _hold_deadline_ms(self) -> int | None:
        if self.playout is Playout.PLAYING:
            return None
        return self._held_at_ms + self.policy.hold_limit_ms

    def _is_ignored(self, fact: Fact) -> bool:
        return self.policy.barge_in is BargeIn.OFF and isinstance(fact, SpeechStarted)

    def _may_hold(self, fact: Fact) -> bool:
        """Only suspicion is subject to policy, and only what plays or is about to can be held."""
        if not isinstance(fact, SpeechSuspected):
            return True
        audible = self.gate is Gate.REPLYING or bool(self.ledger.waiting())
        return audible and self.policy.barge_in is BargeIn.HOLD

    def _assume_boundary(self, at_ms: int) -> list[Action]:
        if self._on_wire:
            self._boundaries_owed += 1
        return self.handle(BoundaryAssumed(at_ms))

    def _is_late_boundary(self, fact: Fact) -> bool:
        """A turnComplete that was assumed long ago must not end the reply that came after it.

        A reply of its own would have had its ``generationComplete`` first.
        """
        return (
            isinstance(fact, TurnCompleted)
            and self.gate is Gate.REPLYING
            and self._boundaries_owed > 0
            and self._server_completes
            and not self._complete
        )

    def _is_late_interrupted(self, fact: Fact) -> bool:
        """``interrupted`` for a reply that we ended and whose turnComplete has come already."""
        return isinstance(fact, Interrupted) and self.gate is Gate.IDLE and self._unconfirmed

    def _enter(self, gate: Gate, fact: Fact) -> None:
        shut = self.gate in (Gate.SWALLOWING, Gate.CLOSING)
        self.gate = gate
        if gate in (Gate.SWALLOWING, Gate.CLOSING):
            if not shut:
                self._asked = False  # only what is asked from now on proves a new reply
            if not isinstance(fact, CONTENT):
                self._last_wire_ms = fact.at_ms
            self._set_deadline()
        else:
            self._gate_deadline_ms = None

    def _set_deadline(self) -> None:
        quiet_ms = self.policy.swallow_quiet_ms
        if self.gate is Gate.CLOSING:
            quiet_ms = self.policy.closing_quiet_ms
        deadline = self._last_wire_ms + quiet_ms
        if self.gate is Gate.SWALLOWING and self._complete and self._reply is not None:
            end_ms = self.ledger.expected_end_ms(self._reply) or 0
            deadline = max(deadline, end_ms + self.policy.complete_slack_ms)
        self._gate_deadline_ms = deadline

    # --- steps of the rows ---------------------------------------------------------------------

    def _perform(self, step: Do, fact: Fact, actions: list[Action]) -> None:
        match step:
            case Do.START_REPLY:
                self._start_reply(actions)
            case Do.DELIVER:
                self._deliver(fact, actions)
            case Do.DROP:
                actions.append(Drop())
            case Do.KILL_BY_SERVER:
                self._kill(Source.SERVER, fact, actions)
            case Do.KILL_BY_SPEECH:
                self._kill(Source.LOCAL_SPEECH, fact, actions)
            case Do.KILL_BY_STOP:
                self._kill(Source.STOP, fact, actions)
            case Do.SUPPRESS:
                self._unconfirmed = False
                actions.append(SuppressInterrupted())
            case Do.COMPLETE:
                self._complete = True
                if isinstance(fact, GenerationCompleted):
                    self._server_completes = True
                if self._reply is not None:
                    self.ledger.complete(self._reply)
            case Do.END_TURN:
                self._end_turn(actions, synthesized=False)
            case Do.SYNTHESIZE_END:
                if self._on_wire:
                    self._end_turn(actions, synthesized=True)
            case Do.END_STRAY:
                if self._turn_open:
                    self._asked = False
                    self._end_turn(actions, synthesized=False)
                else:
                    self._boundaries_owed = max(0, self._boundaries_owed - 1)
                    actions.append(IgnoreTurnComplete(late=False))
            case Do.ABANDON:
                actions.append(ReportAnomaly("the connection ended in the middle of a reply"))
            case Do.START_USER_TURN:
                assert isinstance(fact, SpeechStarted)
                actions.append(StartUserTurn(fact.onset_ms))
            case Do.END_USER_TURN:
                actions.append(EndUserTurn())
            case Do.TELL_SUSPICION:
                assert isinstance(fact, SpeechSuspected)
                actions.append(AnnounceSuspicion(fact.onset_ms))
            case Do.TELL_DISMISSAL:
                actions.append(AnnounceDismissal())
            case Do.HOLD:
                self._held_at_ms = fact.at_ms
                actions.append(HoldPlayout())
            case Do.RESUME:
                self._resume(fact, actions)

    def _start_reply(self, actions: list[Action]) -> None:
        self._count += 1
        self._reply = Reply(self._count)
        self._complete = False
        self._asked = False
        self._unconfirmed = False
        self._on_wire = self._turn_open = True
        self.ledger.start(self._reply)
        actions.append(StartReply(self._reply))

    def _deliver(self, fact: Fact, actions: list[Action]) -> None:
        assert self._reply is not None
        if isinstance(fact, AudioReceived):
            self.ledger.receive(self._reply, fact.samples, fact.at_ms)
        elif isinstance(fact, TranscriptReceived):
            self.ledger.transcribe(self._reply, fact.text)
        actions.append(Deliver(self._reply))

    def _kill(self, source: Source, fact: Fact, actions: list[Action]) -> None:
        """End every reply that is arriving or waits to be played."""
        doomed = list(self.ledger.waiting())
        arriving = self.gate is Gate.REPLYING
        if arriving:
            self._unconfirmed = source is not Source.SERVER
        if arriving and self._reply is not None and self._reply not in doomed:
            doomed.append(self._reply)
        for reply in doomed:
            reply.dead = True
            self.ledger.flush(reply)
        if doomed:
            actions.append(FlushPlayout(tuple(doomed)))
            if source is Source.LOCAL_SPEECH or (isinstance(fact, StopRequested) and fact.announce):
                actions.append(AnnounceInterruption())
        elif self.playout is Playout.HELD:
            actions.append(ResumePlayout())  # it was played to its end meanwhile
        if source is Source.SERVER:
            self._turn_open = True
        if source is Source.STOP and arriving:
            actions.append(StopServer())
        onset_ms = None if source is Source.STOP else self._onset_ms
        held_ms = self._held_at_ms if self.playout is Playout.HELD else None
        for reply in doomed:
            heard_ms, text = self.ledger.heard_ms(reply), self.ledger.heard_text(reply)
            actions.append(
                ReportInterruption(reply.number, source, onset_ms, held_ms, heard_ms, text)
            )

    def _resume(self, fact: Fact, actions: list[Action]) -> None:
        onset_ms = self._held_at_ms if self._onset_ms is None else self._onset_ms
        expired = isinstance(fact, HoldExpired)
        held_for_ms = fact.at_ms - self._held_at_ms
        actions += [ResumePlayout(), ReportFalseAlarm(onset_ms, held_for_ms, expired)]
        if not expired:
            self._onset_ms = None

    def _end_turn(self, actions: list[Action], *, synthesized: bool) -> None:
        self._on_wire = False
        self._turn_open = self._asked
        actions.append(EndTurn(synthesized))
