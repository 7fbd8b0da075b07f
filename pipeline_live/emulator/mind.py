"""The pretend model: what it hears, when it answers, how it is interrupted. Pure.

Messages come in with the time they arrived; what to send comes out with the time it is due. There
is no clock and no I/O: the owner calls ``due`` when ``next_due_ms`` has come, and speaks the texts
that the mind wants spoken. The same inputs, times and seed give the same outputs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from pipeline_live.emulator import frames
from pipeline_live.emulator.delivery import in_pieces
from pipeline_live.emulator.ears import Detector, Ending
from pipeline_live.emulator.families import Family
from pipeline_live.emulator.faults.mischief import Mischief, Planned
from pipeline_live.emulator.faults.situation import Cause, Close, Cut, Event, Leave, Situation, Tell
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.listener import Listener
from pipeline_live.emulator.messages import (
    INVALID,
    POLICY,
    Audio,
    Content,
    ContextUpdate,
    Message,
    Refused,
    Setup,
    Text,
    ToolResponse,
    Video,
)
from pipeline_live.emulator.resumption import Resumption
from pipeline_live.emulator.script import Script
from pipeline_live.emulator.speaker import Speaker
from pipeline_live.emulator.stage import Options, Out, Stage, Transcribe
from pipeline_live.emulator.transcription import Tape
from pipeline_live.emulator.voice import Speech
from pipeline_live.vad import SpeechDetector

# voiceActivity comes with an empty serverContent now and then (PYD); how often is ours.
_CONTENT_SHARE = 0.2
# Besides the speech itself, a turn's sound holds what came before its onset and the silence that
# ended it.
_AROUND_MS = 2000
_AGAIN_MS = 20


class Mind:
    """One conversation.

    Args:
        setup: The client's setup message.
        family: Which kind of model this is.
        session: Record to write into; its ``voice`` is the one that speaks.
        at_ms: Now. All times are milliseconds of one clock that the caller chooses.
        script: What to say.
        options: Speed and flaws.
        rng: Decides every interval that varies.
        connection: The connection's number, from 1; faults may want a certain one.
        detector: Makes a speech detector for a sample rate.
    """

    def __init__(
        self,
        setup: Setup,
        family: Family,
        session: Session,
        at_ms: int = 0,
        *,
        script: Script | None = None,
        options: Options | None = None,
        rng: random.Random | None = None,
        connection: int = 1,
        detector: Callable[[int], Detector] = SpeechDetector,
    ) -> None:
        options = options or Options()
        self.session = session
        self._setup = setup
        self._family = family
        self._options = options
        self._script = script or Script()
        self._stage = Stage(rng or random.Random(0))
        self._coverage = setup.coverage
        if not setup.coverage or setup.coverage.endswith("UNSPECIFIED"):
            self._coverage = family.coverage
        self._received_ms = 0
        self._ready_ms = at_ms + self._stage.wait(family.setup_ms)
        self._resumption = Resumption(self._stage, setup, family, session)
        self._now = Situation(
            turn=session.user_turns,
            is_resumed=bool(setup.handle),
            saw_video=session.saw_video,
            has_spoken=any(entry.role == "model" for entry in session.history),
        )
        self._mischief = Mischief(
            (*options.faults, *options.hearing.faults(self._stage.rng)),
            self._now,
            seed=self._stage.rng.getrandbits(32),
            connection=connection,
        )
        self._speaker = Speaker(
            self._stage,
            setup,
            family,
            session,
            options,
            self._resumption,
            self._mischief,
            self._expect,
            at_ms,
        )
        self._tape = Tape() if options.transcribes else None
        self._listener = Listener(
            self._stage,
            setup,
            family,
            options.hearing,
            session,
            starts=self._user_starts,
            ends=self._user_ends,
            is_busy=lambda: self._speaker.is_busy,
            ready_ms=self._ready_ms,
            detector=detector,
            tape=self._tape,
        )
        for text in (setup.instruction, *(entry.text for entry in session.history)):
            self._speaker.meter.read(text)
        self._understanding: Ending | None = None
        self._stage.plan(self._ready_ms, self._open)

    # --- the owner's side --------------------------------------------------------------------

    @property
    def next_due_ms(self) -> int | None:
        """When ``due`` has something to do next, or None."""
        return self._stage.next_due_ms

    @property
    def backlog(self) -> int:
        """How much was taken in and is not done yet; the owner should not let it grow for ever."""
        return self._stage.backlog

    def due(self, now_ms: int) -> list[Out]:
        """Live until ``now_ms`` and return what came of it, in order.

        Raises:
            Refused: The client did something for which the service closes the connection.
        """
        return self._stage.due(now_ms)

    def hear(self, message: Message, at_ms: int) -> None:
        """Take a message of the client in; what follows from it comes out of ``due``.

        Realtime input keeps its order, and sound takes time to be heard when it comes faster than
        it was spoken. The other messages overtake it, as they may in the real service.

        Args:
            message: What came.
            at_ms: When; not earlier than in the call before.

        Raises:
            Refused: The service would close the connection for it.
        """
        at_ms = max(at_ms, self._ready_ms)
        self._resumption.consumed += 1
        if isinstance(message, Setup):
            raise Refused(INVALID, "setup must be the first message and only the first.")
        if isinstance(message, Audio):
            for heard_ms, piece in self._listener.spread(message, at_ms):
                self._stage.plan(heard_ms, partial(self._take, piece))
            return
        if not isinstance(message, ContextUpdate | Content | ToolResponse | Video):
            at_ms = self._listener.place(message, at_ms)
        self._stage.plan(at_ms, partial(self._take, message))

    def spoken(self, ticket: int, speech: Speech, at_ms: int) -> None:
        """Hand in the sound of a text that ``due`` asked for.

        Args:
            ticket: Of the request; the sound of a reply that is over is dropped.
            speech: The sound.
            at_ms: Now.
        """
        self._speaker.spoken(ticket, speech, at_ms)

    def understood(self, text: str, at_ms: int) -> None:
        """Hand in the words of a turn that ``due`` asked for.

        Args:
            text: What the user said, possibly nothing.
            at_ms: Now.
        """
        ending, self._understanding = self._understanding, None
        if ending is not None:
            heard = text or _unknown(ending)
            self._stage.plan(at_ms, partial(self._end_turn, ending, heard))

    # --- what happens ------------------------------------------------------------------------

    def _take(self, message: Message, at_ms: int) -> None:
        if not self._mischief.hears(message, at_ms):
            return
        match message:
            case ContextUpdate():
                self._take_update(message)
            case Content():
                self._take_content(message, at_ms)
            case ToolResponse():
                for result in message.results:
                    self._speaker.take_result(result, at_ms)
            case Text():
                self._take_text(message, at_ms)
            case Video():
                self._see(at_ms)
            case _:
                if isinstance(message, Audio):
                    self._now.audio_ms = at_ms
                self._listener.take(message, at_ms)

    def _expect(self, planned: Sequence[Planned]) -> None:
        for at_ms, event in planned:
            self._stage.plan(at_ms, partial(self._happen, event))

    def _happen(self, event: Event, at_ms: int) -> None:
        match event:
            case Cut() if self._speaker.is_busy:
                self._speaker.interrupt(at_ms)
            case Cut():
                self._stage.send(frames.interrupted(), at_ms)
            case Close():
                self.session.resumable = event.resumable
                raise Refused(event.code, event.reason)
            case Tell():
                self._stage.send(event.frame, at_ms)
            case Leave():
                self._stage.send(frames.go_away(event.left_ms), at_ms)
                self._stage.plan(at_ms + event.left_ms, self._expire)
            case _:
                self._stage.do(event)

    def _open(self, at_ms: int) -> None:
        family = self._family
        self._stage.send(frames.setup_complete(self.session.id if family.vertex else ""), at_ms)
        self._resumption.open(at_ms)
        self._leave_after(family.connection_ms, at_ms)
        if not self._setup.compression:
            video = self._now.saw_video
            limit_ms = family.video_session_ms if video else family.session_ms
            self._leave_after(max(limit_ms - self.session.spent_ms, 0), at_ms)
        self._expect(self._mischief.opened(at_ms))

    def _leave_after(self, left_ms: int, at_ms: int) -> None:
        warned_ms = min(self._family.go_away_ms, left_ms)
        self._expect([(at_ms + left_ms - warned_ms, Leave(warned_ms))])

    def _expire(self, at_ms: int) -> None:
        """The client did not leave (code and words: pollen-robotics' conversation app, #357)."""
        raise Refused(
            POLICY,
            "Connection aborted because the client failed to close the connection after receiving "
            "a GoAway signal once the session duration expired",
        )

    def _user_starts(self, position_ms: int, at_ms: int) -> None:
        speaker = self._speaker
        if self._understanding is not None:
            self._stage.plan(at_ms + _AGAIN_MS, partial(self._user_starts, position_ms))
            return
        if speaker.floor_taken:
            return
        notice = self._mischief.notices(at_ms)
        if not notice.heard:
            return
        if notice.silence_ms is not None:
            self._listener.hurry(notice.silence_ms)
        speaker.floor_taken = True
        if self._setup.vad_signals:
            self._stage.send(frames.vad_signal("SOS"), at_ms)
        self._tell_activity("ACTIVITY_START", position_ms, at_ms)
        if self._setup.interrupts if notice.cuts is None else notice.cuts:
            speaker.interrupt(at_ms)

    def _tell_activity(self, kind: str, position_ms: int, at_ms: int) -> None:
        if self._family.voice_activity:
            content = self._stage.chance(_CONTENT_SHARE)
            self._stage.send(frames.voice_activity(kind, position_ms, content=content), at_ms)

    def _user_ends(self, ending: Ending, at_ms: int) -> None:
        if self._understanding is not None:
            self._stage.plan(at_ms + _AGAIN_MS, partial(self._user_ends, ending))
            return
        if not self._speaker.floor_taken:
            return
        scripted = self._script.heard(self.session.user_turns)
        if self._tape is not None and scripted is None and ending.speech_ms:
            self._understanding = ending
            self._stage.do(Transcribe(self._tape.cut(ending.speech_ms + _AROUND_MS)))
            return
        self._end_turn(ending, _unknown(ending) if scripted is None else scripted, at_ms)

    def _end_turn(self, ending: Ending, heard: str, at_ms: int) -> None:
        self._speaker.floor_taken = False
        # What an activity without any sound in it does is not known; here it is no turn.
        if ending.speech_ms and self._setup.input_words:
            for piece in in_pieces(heard, self._stage.rng) if self._family.fragments else [heard]:
                self._stage.send(frames.input_words(piece), at_ms)
        if self._setup.vad_signals:
            self._stage.send(frames.vad_signal("EOS"), at_ms)
        self._tell_activity("ACTIVITY_END", ending.position_ms, at_ms)
        if not ending.speech_ms:
            self._speaker.catch_up(at_ms)
            return
        self._count_sound(ending.speech_ms)
        self._speaker.remember("user", heard, at_ms)
        self._answer(Cause.SPEECH, heard, at_ms)

    def _count_sound(self, speech_ms: int) -> None:
        """Take the user's sound into the context: the speech, or all that came since last time."""
        received_ms, self._received_ms = self._received_ms, self.session.audio_in_ms
        everything = self._coverage == "TURN_INCLUDES_ALL_INPUT"
        self._speaker.meter.listen(self._received_ms - received_ms if everything else speech_ms)

    def _take_text(self, message: Text, at_ms: int) -> None:
        # Pipecat sends " " after clientContent, because 3.x once needed realtime input to start.
        if not message.text.strip():
            self.session.nudges += 1
            return
        self._speaker.remember("user", message.text, at_ms)
        self._speaker.meter.read(message.text)
        if self._speaker.floor_taken:
            return
        if self._setup.interrupts:
            self._speaker.interrupt(at_ms)
        self._answer(Cause.TEXT, message.text, at_ms)

    def _take_content(self, message: Content, at_ms: int) -> None:
        bare = message.complete and not message.turns
        if (self._now.has_spoken and not self._family.content_later) or (
            bare and self._now.was_cut and not self._family.bare_content
        ):
            raise Refused(INVALID, "Request contains an invalid argument.")
        for role, text in message.turns:
            self._speaker.remember(role, text, at_ms)
            self._speaker.meter.read(text)
        reply_ms = at_ms + self._stage.wait(self._family.content_reply_ms)
        said = " ".join(text for role, text in message.turns if role == "user")
        taken = partial(self._content_taken, message.complete, said, reply_ms)
        if self._speaker.is_busy:
            self._stage.plan(at_ms + self._stage.wait(self._family.content_cut_ms), taken)
        else:
            taken(at_ms)

    def _content_taken(self, complete: bool, said: str, reply_ms: int, at_ms: int) -> None:
        self._speaker.interrupt(at_ms)
        if complete:
            greet = self.session.user_turns == 0
            self._answer(Cause.CONTENT, said, at_ms, reply_ms - at_ms, greet=greet)

    def _take_update(self, message: ContextUpdate) -> None:
        self._speaker.meter.read(message.instruction or "")
        if message.blocking is not None:
            self._speaker.calls.blocking = message.blocking

    def _see(self, at_ms: int) -> None:
        self.session.pictures += 1
        if not self._now.saw_video and not self._setup.compression:
            spent_ms = self.session.spent_ms + at_ms - self._ready_ms
            self._leave_after(max(self._family.video_session_ms - spent_ms, 0), at_ms)
        self._now.saw_video = True
        if self._speaker.floor_taken or self._coverage != "TURN_INCLUDES_ONLY_ACTIVITY":
            self._speaker.meter.look()

    def _answer(
        self,
        cause: Cause,
        said: str,
        at_ms: int,
        delay_ms: int | None = None,
        *,
        greet: bool = False,
    ) -> None:
        reply = self._script.reply(self.session.user_turns, said, greet=greet)
        if self._tape is not None and said and self._script.made_up(reply):
            reply = replace(reply, text=f"You said: {said} {reply.text}")
        self.session.user_turns += 1
        self._now.turn = self.session.user_turns
        answer = self._mischief.answer(reply, cause, at_ms)
        if answer is not None:
            self._speaker.answer(answer, at_ms, delay_ms)


def _unknown(ending: Ending) -> str:
    """What stands for words that nobody knows."""
    return f"({ending.speech_ms / 1000:.1f} s of speech)"
