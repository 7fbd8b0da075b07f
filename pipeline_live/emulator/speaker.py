"""The model's replies: asked for, spoken, sent, cut, held back for a tool, or put off.

What is sent, in which order and at which intervals follows public recordings; ``families`` names
them beside each figure.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline_live.emulator import frames
from pipeline_live.emulator.delivery import Delivery, Parcel, in_parts, in_pieces, plan
from pipeline_live.emulator.families import Family, Words
from pipeline_live.emulator.faults.mischief import Mischief, Planned
from pipeline_live.emulator.faults.situation import Cause
from pipeline_live.emulator.history import Entry, Meter, Session, audio_tokens, text_tokens
from pipeline_live.emulator.messages import Setup, ToolResult
from pipeline_live.emulator.resumption import Resumption
from pipeline_live.emulator.script import Reply
from pipeline_live.emulator.stage import Options, Speak, Stage
from pipeline_live.emulator.tools import OpenCalls, Round
from pipeline_live.emulator.voice import Speech

_THOUGHT = "**Answering**\n\nI will say it in plain words.\n"
_MOST_OWED = 4


@dataclass(slots=True, eq=False)
class _Running:
    """A reply from the moment it is asked for until its turnComplete."""

    reply: Reply
    ticket: int
    speech: Speech | None = None
    due: bool = False
    sent_ms: int = 0
    entry: Entry | None = None
    tokens: frames.Tokens = frames.Tokens()
    thoughts: int = 0
    generated: bool = False
    reason: str = ""
    calls: Round | None = None
    then: Reply | None = None
    over: bool = False


class Speaker:
    """Gives one reply at a time.

    Args:
        stage: Where to plan and to send.
        setup: What the client wants to get.
        family: How it is framed.
        session: Record to write into; its ``voice`` speaks.
        options: Speed.
        resumption: Told when the model generates and when it has.
        mischief: May change what is said and how; its situation is kept up to date.
        expect: Takes what mischief lets happen later.
        origin_ms: When the connection began.

    Attributes:
        meter: What the context holds.
        floor_taken: The user is speaking; replies that were put off wait.
        calls: Tool calls that wait for their results.
    """

    def __init__(
        self,
        stage: Stage,
        setup: Setup,
        family: Family,
        session: Session,
        options: Options,
        resumption: Resumption,
        mischief: Mischief,
        expect: Callable[[Sequence[Planned]], None],
        origin_ms: int,
    ) -> None:
        self.meter = Meter(setup.compression)
        self.floor_taken = False
        self._stage = stage
        self._setup = setup
        self._family = family
        self._session = session
        self._speed = options.speed or family.speed
        self._resumption = resumption
        self._mischief = mischief
        self._now = mischief.situation
        self._expect = expect
        self._origin_ms = origin_ms
        self._tickets = itertools.count(1)
        self._running: _Running | None = None
        self._owed: deque[Reply] = deque(maxlen=_MOST_OWED)
        self.calls = OpenCalls(family, setup.blocking, stage.rng)
        self._free_ms = 0

    @property
    def is_busy(self) -> bool:
        """A reply is thought about, sent, or, as far as the server knows, still being heard."""
        return self._running is not None

    def _run(self, running: _Running | None) -> None:
        self._running = running
        self._now.is_busy = running is not None

    def _speaks(self) -> None:
        """The model has a turn; what was cut before is past."""
        self._now.has_spoken = True
        self._now.was_cut = False
        self._now.unsaid = ""
        self._now.dropped = None

    def remember(self, role: str, text: str, at_ms: int) -> Entry:
        """Add to the history."""
        entry = Entry(role, text, at_ms - self._origin_ms)
        self._session.history.append(entry)
        return entry

    # --- a reply's life ----------------------------------------------------------------------

    def answer(self, reply: Reply, at_ms: int, delay_ms: int | None = None) -> None:
        """Give ``reply``, after the one that runs.

        Args:
            reply: What to say.
            at_ms: Now.
            delay_ms: From now to its first sound, where the reply does not say it itself; None for
                what thinking usually takes.
        """
        if self._running is not None:
            self._owed.append(reply)
            return
        if reply.delay_ms is not None:
            delay_ms = reply.delay_ms
        reply, then = self._in_turns(reply)
        running = _Running(reply, next(self._tickets), then=then)
        self._run(running)
        self._session.replies += 1
        if not reply.calls:
            self._prepare(running, self._think_ms() if delay_ms is None else delay_ms, at_ms)
            return
        call_ms = self._stage.wait(self._family.call_ms) if delay_ms is None else delay_ms
        call_ms = max(at_ms + call_ms, self._free_ms)
        self._stage.plan(call_ms, partial(self._call, running), running)

    def _in_turns(self, reply: Reply) -> tuple[Reply, Reply | None]:
        """A reply as the turn that it begins with, and the rest (THINK: turnComplete != idle)."""
        if not reply.interim:
            return reply, None
        rest = replace(reply, interim="", delay_ms=None)
        if not self._family.idle_status:
            return replace(rest, text=f"{reply.interim} {reply.text}"), None
        return replace(rest, text=reply.interim, tool=None, length_ms=None), rest

    def catch_up(self, at_ms: int) -> None:
        """Give a reply that was put off, if nobody speaks."""
        if self._owed and self._running is None and not self.floor_taken:
            self.answer(self._owed.popleft(), at_ms)

    def spoken(self, ticket: int, speech: Speech, at_ms: int) -> None:
        """Take the sound of a text that was to be spoken, unless its reply is over."""
        running = self._running
        if running is None or running.ticket != ticket:
            return
        running.speech = speech
        if running.due:
            self._stage.plan(at_ms, partial(self._deliver, running), running)

    def interrupt(self, at_ms: int) -> None:
        """Cut the reply that runs, if any: what of it was not sent by now never will be."""
        running = self._running
        if running is None:
            return
        running.over = True
        self._run(None)
        self._now.was_cut = True
        self._now.unsaid = " ".join(running.reply.text.split()[_words_sent(running) :])
        self._session.interruptions += 1
        self._stage.send(frames.interrupted(), at_ms)
        self._drop_calls(running, at_ms)
        if running.entry is not None:
            running.entry.cut = True
        complete = partial(self._complete, running, generated=running.generated)
        self._free_ms = at_ms + self._stage.wait(self._family.cut_ms)
        self._stage.plan(self._free_ms, complete)

    def _think_ms(self) -> int:
        least, most, usual = self._family.think_ms
        return round(self._stage.rng.triangular(least, most, usual))

    def _prepare(self, running: _Running, delay_ms: int, at_ms: int) -> None:
        """Have the text spoken, and begin to send it after the delay."""
        first_ms = max(at_ms + delay_ms, self._free_ms)
        reply = running.reply
        if reply.text:
            voice = reply.voice or self._session.voice
            speak = Speak(running.ticket, reply.text, voice, reply.speed, reply.length_ms)
            self._stage.do(speak)
        else:
            running.speech = Speech(b"", ())
        self._stage.plan((at_ms + first_ms) // 2, partial(self._announce, running), running)
        self._stage.plan(first_ms, partial(self._sound, running), running)

    def _announce(self, running: _Running, at_ms: int) -> None:
        self._resumption.suspend(at_ms)
        if self._family.noise:
            self._stage.send(frames.empty(), at_ms)
        if self._family.announced:
            self._stage.send(frames.empty_content(), at_ms)

    def _sound(self, running: _Running, at_ms: int) -> None:
        running.due = True
        if running.speech is not None:
            self._deliver(running, at_ms)

    def _deliver(self, running: _Running, at_ms: int) -> None:
        assert running.speech is not None
        delivery = plan(running.speech, self._family, self._speed, self._stage.rng)
        delivery, planned = self._mischief.deliver(delivery, at_ms)
        self._expect(planned)
        self._speaks()
        running.reason = delivery.reason
        running.entry = self.remember("model", "", at_ms)
        if delivery.parcels:
            running.entry.first_audio_ms = at_ms - self._origin_ms
            self._think_aloud(running, at_ms)
            if self._family.words is Words.FIRST:
                self._send_words_first(running, delivery, at_ms)
        for parcel in delivery.parcels:
            send = partial(self._send_parcel, running, parcel)
            self._stage.plan(at_ms + parcel.offset_ms, send, running)
        if delivery.falls_silent_ms is not None:
            silent_ms = at_ms + delivery.falls_silent_ms
            self._stage.plan(silent_ms, self._stage.fall_silent, running)
        if delivery.generated_ms is not None:
            generated = partial(self._generated, running)
            self._stage.plan(at_ms + delivery.generated_ms, generated, running)
        if delivery.words_again_ms is not None:
            again = partial(self._repeat_words, running)
            self._stage.plan(at_ms + delivery.words_again_ms, again, running)
        if delivery.played_ms is not None:
            self._stage.plan(at_ms + delivery.played_ms, partial(self._finish, running), running)

    def _think_aloud(self, running: _Running, at_ms: int) -> None:
        """Send a thought first; not after a tool's result (PYD: test_tool_call_round)."""
        thinks = self._family.thoughts and self._setup.thinking_budget != 0
        if thinks and not running.reply.calls:
            running.thoughts = text_tokens(_THOUGHT)
            self._stage.send(frames.thought(_THOUGHT), at_ms)

    def _send_words_first(self, running: _Running, delivery: Delivery, at_ms: int) -> None:
        """The whole transcript, before any sound (vertex-2.5)."""
        assert running.entry is not None
        spoken = [word for parcel in delivery.parcels for word in parcel.spoken]
        running.entry.text = " ".join(word.text for word in spoken)
        running.entry.words = tuple(spoken)
        if not self._setup.output_words:
            return
        first, _, rest = running.entry.text.partition(" ")
        self._stage.send(frames.output_words(), at_ms)
        for text in (first, " " + rest if rest else ""):
            if text:
                self._stage.send(frames.output_words(text), at_ms)
        self._stage.send(frames.output_words(finished=True), at_ms)

    def _send_parcel(self, running: _Running, parcel: Parcel, at_ms: int) -> None:
        family = self._family
        words = parcel.words if self._setup.output_words else ""
        if family.words is Words.APART:
            for piece in in_pieces(words, self._stage.rng):
                self._stage.send(frames.output_words(piece), at_ms)
        if family.noise:
            self._stage.send(frames.empty(), at_ms)
        bundled = words if family.words is Words.BUNDLED else ""
        parts = in_parts(parcel.pcm, family.parts_share, self._stage.rng)
        self._stage.send(frames.audio(parts, bundled, vertex=family.vertex), at_ms)
        running.sent_ms += parcel.audio_ms
        self._session.audio_out_ms += parcel.audio_ms
        if running.entry is not None:
            running.entry.audio_ms += parcel.audio_ms
            if family.words is not Words.FIRST:
                running.entry.text += parcel.words
                running.entry.words += parcel.spoken

    def _generated(self, running: _Running, at_ms: int) -> None:
        running.generated = True
        if running.reply.grounding is not None:
            self._stage.send(frames.grounding(dict(running.reply.grounding)), at_ms)
        self._stage.send(frames.generation_complete(), at_ms)
        self._offer(at_ms)

    def _offer(self, at_ms: int) -> None:
        """Say that the session can be resumed, unless a tool is waited for."""
        if not self.calls:
            self._resumption.offer(at_ms)

    def _repeat_words(self, running: _Running, at_ms: int) -> None:
        """The user's words once more."""
        users = (entry.text for entry in reversed(self._session.history) if entry.role == "user")
        if self._setup.input_words:
            self._stage.send(frames.input_words(next(users, "")), at_ms)

    def _finish(self, running: _Running, at_ms: int) -> None:
        running.over = True
        self._run(None)
        self._complete(running, at_ms, idle=running.then is None)
        if running.then is not None:
            self.answer(running.then, at_ms)
        self.catch_up(at_ms)

    def _complete(
        self, running: _Running, at_ms: int, *, generated: bool = True, idle: bool = True
    ) -> None:
        """The end of a reply, billed; its words and its sound belong to the context from now on."""
        family = self._family
        words = running.entry.text if running.entry is not None else ""
        tokens = frames.Tokens(running.tokens.text, audio_tokens(running.sent_ms))
        if family.vertex:
            tokens = replace(tokens, text=tokens.text + text_tokens(words))
        else:
            self.meter.read(words)
        usage = self.meter.bill(tokens, running.thoughts, vertex=family.vertex)
        self._now.completed_ms = at_ms
        if not generated:
            self._offer(at_ms)
        status = ("IDLE" if idle else "IN_PROGRESS") if family.idle_status else ""
        complete = frames.turn_complete(
            usage, status=status, reason=running.reason, grounding=family.grounding
        )
        self._stage.send(complete, at_ms)

    # --- tools -------------------------------------------------------------------------------

    def _call(self, running: _Running, at_ms: int) -> None:
        """Call the reply's tools; calls that do not block end the turn with them (STOP run 1)."""
        family = self._family
        self._speaks()
        calls, wanted = self.calls.begin(running.reply)
        self._session.tool_calls += len(wanted)
        for _, name, _ in wanted:
            self.remember("tool", f"call {name}", at_ms)
        running.tokens = frames.Tokens(text=text_tokens(str(wanted)))
        self._resumption.suspend(at_ms)
        if family.call_begins:
            self._stage.send(frames.output_words(), at_ms)
        elif family.announced:
            self._stage.send(frames.empty_content(), at_ms)
        status = "IN_PROGRESS" if family.idle_status else ""
        self._stage.send(frames.tool_call(wanted, status=status), at_ms)
        self._expect(self._mischief.called(at_ms))
        if calls.blocks:
            running.calls = calls
            return
        self._stage.send(frames.generation_complete(), at_ms)
        running.over = True
        self._run(None)
        self._complete(running, at_ms, idle=False)
        self.catch_up(at_ms)

    def _drop_calls(self, running: _Running, at_ms: int) -> None:
        """Nobody waits any more for the calls that held a cut reply back."""
        ids = [] if running.calls is None else self.calls.drop(running.calls)
        if not ids:
            return
        self._now.dropped = running.reply
        if self._family.cancels_calls:
            self._stage.send(frames.tool_call_cancellation(ids), at_ms)

    def take_result(self, result: ToolResult, at_ms: int) -> None:
        """Say what was to be said after the tools; a result that nobody waits for is ignored.

        Calls that do not block are answered when nobody speaks, unless a result asks to INTERRUPT
        or to stay SILENT.
        """
        calls = self.calls.find(result)
        if calls is None:
            self._session.ignored_results += 1
            return
        text = f"{result.name}: {dict(result.response)}"
        self.remember("tool", text, at_ms)
        self.meter.read(text)
        if result.will_continue or not self.calls.settle(result):
            return
        answer = self._mischief.answer(calls.reply, Cause.RESULT, at_ms)
        if answer is None:
            return
        delay_ms = self._stage.wait(self._family.content_reply_ms)
        held = self._running
        if held is not None and held.calls is calls:
            held.reply = answer
            self._go_on(held, delay_ms, at_ms)
        else:
            self._tell_later(answer, result.scheduling, delay_ms, at_ms)

    def _go_on(self, running: _Running, delay_ms: int, at_ms: int) -> None:
        """All results of a blocking call are there."""
        if self._family.closes_calls:
            self._stage.send(frames.output_words(finished=True), at_ms)
            self._stage.send(frames.generation_complete(), at_ms)
            self._complete(running, at_ms)
            running.tokens = frames.Tokens()
        self._prepare(running, delay_ms, at_ms)

    def _tell_later(self, reply: Reply, scheduling: str, delay_ms: int, at_ms: int) -> None:
        """All results of a call that does not block are there."""
        answer = replace(reply, tool=None, delay_ms=None)
        scheduling = scheduling if self._family.scheduling else ""
        if scheduling == "SILENT" or not answer.text:
            if self._running is None:
                self._offer(at_ms)
            return
        if scheduling == "INTERRUPT":
            self.interrupt(at_ms)
            if self._family.talks_over:
                self.answer(answer, at_ms, delay_ms)
                return
        if self.floor_taken:
            self._owed.append(answer)
        else:
            self.answer(answer, at_ms, delay_ms)


def _words_sent(running: _Running) -> int:
    return len(running.entry.words) if running.entry is not None else 0
