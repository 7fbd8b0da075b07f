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

The *answer* region watches what is owed: nothing, an answer that is ``DUE``, or one that is
``UNWANTED`` because a Stop came before its first sound. Such an answer is dropped from its first
sample, like the rest of a dead reply; a later question takes that back before it begins.

The *hold* region watches playout: ``PLAYING`` or ``HELD``. Speech that is only suspected holds
playout if there is something to play, which costs nothing if it was a cough: then it resumes at the
very sample. Confirmed speech, the server's ``interrupted`` or a Stop ends the hold together with
the reply. A hold has a limit, at which playout resumes by itself.

A fact without a row in a region's table leaves that region alone; so does a fact that the policy
tells to ignore (``BargeIn``). A *protected* reply is never held and never ended here.
"""

from __future__ import annotations

from pipeline_live.turn.alignment import RATE
from pipeline_live.turn.events import (
    CONTENT,
    Action,
    ActivityEnded,
    AnnounceDismissal,
    AnnounceInterruption,
    AnnounceSuspicion,
    AnswerRefused,
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
    InterruptionSpared,
    PlayoutAdvanced,
    ProtectionRequested,
    ReportAnomaly,
    ReportFalseAlarm,
    ReportInterruption,
    ReportSparing,
    ResumePlayout,
    Source,
    SpeechDismissed,
    SpeechEnded,
    SpeechStarted,
    SpeechSuspected,
    StartReply,
    StartUserTurn,
    StopRequested,
    StopServer,
    SuppressInterrupted,
    TellHeard,
    TextSent,
    TimeReached,
    ToolCalled,
    TranscriptReceived,
    TurnCompleted,
)
from pipeline_live.turn.playout import PlayoutLedger, Reply
from pipeline_live.turn.policy import BargeIn, Phantom, TurnPolicy
from pipeline_live.turn.tables import (
    ANSWER,
    GATE,
    HOLD,
    USER,
    Answer,
    Do,
    Gate,
    Playout,
    User,
)


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
        self._last_wire_ms = 0  # when the reply on the wire was last heard of
        self._dropped = 0  # samples of the reply on the wire that were dropped
        self._question_over = False  # since the server's interrupted it heard a whole question
        self._was_over = False  # the server's interrupted came when it had no turn left to end
        self.answer = Answer.NONE
        self._unwanted_ms = 0  # since when the answer that is due is unwanted
        self._stopped_ms: int | None = None  # a Stop while the user was, or seemed, to speak
        self._protect_next = False  # the next reply may not be interrupted
        self._suspected = False  # that the user speaks; nothing is decided yet
        self._hold_next = False  # suspected when there was nothing to hold
        self._untold: str | None = None  # heard words that the model is still to be told
        self._answered = False  # what interrupted that reply has been answered since

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
        if isinstance(fact, Interrupted) and self._is_spared():
            return actions + self.handle(InterruptionSpared(fact.at_ms))
        self._take(fact, actions)
        if isinstance(fact, SpeechEnded) and self._is_stopped(fact):
            actions += self.handle(StopRequested(fact.at_ms))
        if self._untold is not None and self._is_calm():
            actions.append(TellHeard(self._untold))
            self._untold = None
        return actions

    def _take(self, fact: Fact, actions: list[Action]) -> None:
        """Follow the rows of the tables."""
        idle = self.gate is Gate.IDLE
        gate_row = None if self._is_ignored(fact) else GATE.get((self.gate, type(fact)))
        user_row = USER.get((self.user, type(fact)))
        hold_row = HOLD.get((self.playout, type(fact))) if self._may_hold(fact) else None
        for row in (gate_row, user_row, hold_row):
            for step in row.do if row else ():
                self._perform(step, fact, actions)
        answer_row = ANSWER.get((self.answer, type(fact)))
        if answer_row and self._is_about_the_answer(fact, idle, actions):
            for step in answer_row.do:
                self._perform(step, fact, actions)
            self._await(answer_row.to, fact.at_ms)
        if gate_row and isinstance(gate_row.to, Gate) and not self._withstands(fact):
            self._enter(gate_row.to, fact)
        if user_row and isinstance(user_row.to, User):
            self.user = user_row.to
        if hold_row and isinstance(hold_row.to, Playout):
            self.playout = hold_row.to

    # --- what every fact changes, whatever the state -------------------------------------------

    def _observe(self, fact: Fact, actions: list[Action]) -> None:
        """Note what the fact proves, and assume a boundary where it proves that."""
        shut = self.gate in (Gate.SWALLOWING, Gate.CLOSING)
        match fact:
            case PlayoutAdvanced(reply=number, samples=samples):
                self.ledger.play(number, samples)
            case TimeReached(at_ms=at_ms):
                self._time_reached(at_ms, actions)
            case SpeechSuspected(onset_ms=onset_ms):
                self._onset_ms = onset_ms
            case SpeechStarted(onset_ms=onset_ms):
                self._onset_ms, self._stopped_ms = onset_ms, None
            case AnswerRequested() | ActivityEnded() | InputTranscribed():
                self._asked = self._turn_open = True
                self._question_over |= isinstance(fact, ActivityEnded)
                self._unwanted_ms = fact.at_ms
            case ToolCalled():
                self._turn_open = True
            case SpeechEnded():
                self._turn_open = True
                self._onset_ms = None
            case ConnectionOpened():
                self._boundaries_owed = 0
            case Interrupted() if self.gate is not Gate.CLOSING:
                on_its_way = self._on_wire or self._turn_open or self._boundaries_owed
                self._was_over = self.gate is Gate.IDLE and not on_its_way
            case StopRequested(answer=True) if self.user is User.SPEAKING:
                self._stopped_ms = fact.at_ms
            case ProtectionRequested():
                self._protect(fact)
            case GenerationCompleted() if shut:
                self._last_wire_ms = fact.at_ms
                self._set_deadline()
            case _ if isinstance(fact, CONTENT) and shut:
                if self._is_new_reply(fact):
                    actions += self._assume_boundary(fact.at_ms)
                else:
                    self._last_wire_ms = fact.at_ms
                    self._set_deadline()
            case _:
                pass
        if isinstance(fact, SpeechSuspected | SpeechStarted | SpeechDismissed):
            self._suspected = isinstance(fact, SpeechSuspected)
        if isinstance(fact, SpeechSuspected) or (Playout.HELD, type(fact)) in HOLD:
            self._hold_next = isinstance(fact, SpeechSuspected)
        if isinstance(fact, CONTENT) and self.gate is Gate.IDLE:
            self._refuse_if_unwanted(fact.at_ms, actions)

    def _is_new_reply(self, fact: Fact) -> bool:
        """Whether content behind a shut gate can only belong to a reply that was asked for since.

        Silence on the wire says so. It may be shorter once the server has said that it ended the
        old reply, or that it has sent all of it. When it has heard a question to its end since it
        said ``interrupted``, nothing else is left that content could belong to; nor is there when
        its turn was over before, and only playout was left to interrupt; but what is bundled with
        ``interrupted`` is never believed.
        """
        quiet_ms = fact.at_ms - self._last_wire_ms
        if self.gate is Gate.CLOSING and self._was_over and quiet_ms > 0:
            return True
        if not self._asked:
            return False
        if self.gate is Gate.CLOSING and self._question_over:
            return True
        if self.gate is Gate.CLOSING:
            return quiet_ms >= self.policy.closing_proof_quiet_ms
        sent = self._complete and isinstance(fact, AudioReceived)
        return quiet_ms >= (self.policy.closing_quiet_ms if sent else self.policy.proof_quiet_ms)

    def _refuse_if_unwanted(self, at_ms: int, actions: list[Action]) -> None:
        if self.answer is not Answer.UNWANTED:
            return
        if at_ms - self._unwanted_ms <= self.policy.unwanted_ms:
            actions += self.handle(AnswerRefused(at_ms))
        else:
            self.answer = Answer.NONE

    def _protect(self, fact: Fact) -> None:
        if self.gate is Gate.REPLYING and self._reply is not None:
            self._reply.protected = True
        else:
            self._protect_next = True

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

    def is_shielded(self, at_ms: int) -> bool:
        """Whether the server must not hear the user now: it would end a protected reply.

        That lasts until the reply was sent to its end, or stalls.
        """
        return (
            self.gate is Gate.REPLYING
            and self._reply is not None
            and self._reply.protected
            and not self._complete
            and at_ms - self._last_wire_ms < self.policy.swallow_quiet_ms
        )

    def _withstands(self, fact: Fact) -> bool:
        """A protected reply goes on arriving, whoever speaks, writes or presses Stop."""
        ours = isinstance(fact, SpeechStarted | StopRequested | TextSent)
        return ours and self.gate is Gate.REPLYING and self._reply in self._protected()

    def _live(self) -> list[Reply]:
        """Every reply that is arriving or waits to be played."""
        live = list(self.ledger.waiting())
        if self.gate is Gate.REPLYING and self._reply is not None and self._reply not in live:
            live.append(self._reply)
        return live

    def _left_ms(self, reply: Reply) -> int:
        left = self.ledger.received_samples(reply) - self.ledger.heard_samples(reply)
        return left * 1000 // RATE

    def _protected(self) -> list[Reply]:
        return [reply for reply in self._live() if reply.protected]

    def _is_spared(self) -> bool:
        """Whether the server's ``interrupted`` leaves what was received of its replies alone."""
        live = self._live()
        if self.gate in (Gate.SWALLOWING, Gate.CLOSING) or not live:
            return False
        if all(reply.protected for reply in live):
            return True
        unexplained = self.user is User.QUIET and not self._asked
        return unexplained and self.policy.phantom is Phantom.PLAY_ON

    def _is_about_the_answer(self, fact: Fact, idle: bool, actions: list[Action]) -> bool:
        """Whether the fact is about the answer that is due, and not about the reply before it."""
        if isinstance(fact, StopRequested):
            return fact.answer and not any(isinstance(one, FlushPlayout) for one in actions)
        return idle or not isinstance(fact, Interrupted | TurnCompleted)

    def _await(self, answer: object, at_ms: int) -> None:
        assert isinstance(answer, Answer)
        self.answer, self._unwanted_ms = answer, at_ms

    def _is_stopped(self, fact: SpeechEnded) -> bool:
        """Whether a Stop came after the last sound of what was just seen to be over."""
        stopped_ms, self._stopped_ms = self._stopped_ms, None
        ended_ms = fact.at_ms if fact.ended_ms is None else fact.ended_ms
        return stopped_ms is not None and ended_ms <= stopped_ms

    def _is_ignored(self, fact: Fact) -> bool:
        return self.policy.barge_in is BargeIn.OFF and isinstance(fact, SpeechStarted)

    def _may_hold(self, fact: Fact) -> bool:
        """Only suspicion is subject to policy, and only what plays or is about to can be held."""
        match fact:
            case SpeechSuspected():
                audible = any(not reply.protected for reply in self._live())
            case AudioReceived():
                audible = self._hold_next and self._begins_to_sound()
            case _:
                return True
        return audible and self.policy.barge_in is BargeIn.HOLD

    def _begins_to_sound(self) -> bool:
        """Whether sound that comes now is the first of a reply that may be held."""
        if self.gate is Gate.IDLE:
            return not self._protect_next
        reply = self._reply if self.gate is Gate.REPLYING else None
        if reply is None or reply.protected:
            return False
        return self.ledger.received_samples(reply) == 0

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
                self._dropped = 0
            if gate is Gate.CLOSING and not isinstance(fact, CONTENT):
                self._question_over = False
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
            end_ms += self._dropped * 1000 // RATE
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
                self._dropped += fact.samples if isinstance(fact, AudioReceived) else 0
                actions.append(Drop())
            case Do.KILL_BY_SERVER:
                self._kill(Source.SERVER, fact, actions)
            case Do.KILL_BY_SPEECH:
                self._kill(Source.LOCAL_SPEECH, fact, actions)
            case Do.KILL_BY_STOP:
                self._kill(Source.STOP, fact, actions)
            case Do.KILL_BY_TEXT:
                self._kill(Source.TEXT, fact, actions)
            case Do.STOP_SERVER:
                actions.append(StopServer())
            case Do.SPARE:
                self._turn_open = True
                actions += [SuppressInterrupted(), ReportSparing(bool(self._protected()))]
            case Do.REFUSE:
                refused = self._begin()
                refused.dead = True
                self.ledger.flush(refused)
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
                assert isinstance(fact, SpeechEnded)
                actions.append(EndUserTurn(fact.ended_ms))
            case Do.TELL_SUSPICION:
                assert isinstance(fact, SpeechSuspected)
                actions.append(AnnounceSuspicion(fact.onset_ms))
            case Do.TELL_DISMISSAL:
                actions.append(AnnounceDismissal())
            case Do.HOLD:
                self._held_at_ms, self._hold_next = fact.at_ms, False
                actions.append(HoldPlayout())
            case Do.RESUME:
                self._resume(fact, actions)

    def _start_reply(self, actions: list[Action]) -> None:
        reply = self._begin()
        reply.protected, self._protect_next = self._protect_next, False
        self.answer = Answer.NONE
        actions.append(StartReply(reply))

    def _begin(self) -> Reply:
        self._count += 1
        self._reply = Reply(self._count)
        self._complete = False
        self._asked = False
        self._unconfirmed = False
        self._on_wire = self._turn_open = self._answered = True
        self.ledger.start(self._reply)
        return self._reply

    def _deliver(self, fact: Fact, actions: list[Action]) -> None:
        assert self._reply is not None
        if isinstance(fact, AudioReceived):
            self.ledger.receive(self._reply, fact.samples, fact.at_ms, fact.levels)
        elif isinstance(fact, TranscriptReceived):
            self.ledger.transcribe(self._reply, fact.text)
        self._last_wire_ms = fact.at_ms
        actions.append(Deliver(self._reply))

    def _kill(self, source: Source, fact: Fact, actions: list[Action]) -> None:
        """End every reply that is arriving or waits to be played, but for protected ones."""
        doomed = [reply for reply in self._live() if not reply.protected]
        if source is Source.TEXT and self.gate is Gate.IDLE:
            doomed = [reply for reply in doomed if self._left_ms(reply) > self.policy.tail_ms]
        arriving = self.gate is Gate.REPLYING and self._reply in doomed
        if arriving:
            self._unconfirmed = source is not Source.SERVER
        for reply in doomed:
            reply.dead = True
            self.ledger.flush(reply)
        if doomed:
            actions.append(FlushPlayout(tuple(doomed)))
            known = isinstance(fact, StopRequested) and not fact.announce
            if source is not Source.SERVER and not known:
                actions.append(AnnounceInterruption())
        elif self.playout is Playout.HELD:
            actions.append(ResumePlayout())  # it was played to its end meanwhile
        if source is Source.SERVER:
            self._turn_open = True
        if source is Source.STOP and arriving:
            actions.append(StopServer())
        onset_ms = None if source in (Source.STOP, Source.TEXT) else self._onset_ms
        held_ms = self._held_at_ms if self.playout is Playout.HELD else None
        for reply in doomed:
            heard_ms, text = self.ledger.heard_ms(reply), self.ledger.heard_text(reply)
            actions.append(
                ReportInterruption(reply.number, source, onset_ms, held_ms, heard_ms, text)
            )

        if doomed and self.policy.tell_heard:
            heard = self.ledger.heard_text(doomed[0])
            spoken = self.ledger.transcript(doomed[0].number).strip()
            self._untold = heard if heard != spoken else None
            self._answered = source is Source.STOP

    def _is_calm(self) -> bool:
        """Nobody speaks, as far as is known, no reply is on its way and none is being heard."""
        quiet = self.user is User.QUIET and not self._suspected and not self._asked
        idle = self.gate is Gate.IDLE and self.answer is Answer.NONE and not self._live()
        return quiet and idle and self._answered

    def _resume(self, fact: Fact, actions: list[Action]) -> None:
        onset_ms = self._held_at_ms if self._onset_ms is None else self._onset_ms
        expired = isinstance(fact, HoldExpired)
        held_for_ms = fact.at_ms - self._held_at_ms
        actions += [ResumePlayout(), ReportFalseAlarm(onset_ms, held_for_ms, expired)]
        if not expired:
            self._onset_ms = None

    def _end_turn(self, actions: list[Action], *, synthesized: bool) -> None:
        actions.append(EndTurn(synthesized, self._reply if self._on_wire else None))
        self._on_wire = False
        self._turn_open = self._asked
