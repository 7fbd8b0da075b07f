"""The model's replies: asked for, spoken, sent, cut, held back for a tool, or put off.

What is sent, in which order and at which intervals follows gemini-3.8-live in public recordings:
STOP is frontier-on-cloud/gemini-live-stop-test, GUARD the same author's live-commit-guard.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, replace
from functools import partial

from pipeline_live.emulator import frames
from pipeline_live.emulator.delivery import Parcel, plan
from pipeline_live.emulator.families import Family
from pipeline_live.emulator.history import Entry, Meter, Session
from pipeline_live.emulator.messages import Setup, ToolResult
from pipeline_live.emulator.script import Reply
from pipeline_live.emulator.stage import Options, Stage
from pipeline_live.emulator.voice import Speech

# From the end of a turn to the first sound (STOP: 147-205 ms for simple answers, up to 868).
_THINK_MS = (150, 870, 260)
# The same after clientContent (GUARD), and taken for tool responses too.
CONTENT_REPLY_MS = (500, 1125)
# turnComplete after interrupted (STOP: 4 ms and 36 ms).
_CUT_TO_COMPLETE_MS = (4, 36)
# A tool is called at once (STOP run 1) or a little later (GUARD: 18-441 ms after the transcript).
_TOOL_MS = (0, 400)
_MOST_OWED = 4
_MOST_CALLS = 32


@dataclass(slots=True, eq=False)
class _Running:
    """A reply from the moment it is asked for until its turnComplete."""

    reply: Reply
    ticket: int
    speech: Speech | None = None
    due: bool = False
    sent_ms: int = 0
    entry: Entry | None = None
    call_id: str = ""
    over: bool = False


class Speaker:
    """Gives one reply at a time.

    Args:
        stage: Where to plan and to send.
        setup: What the client wants to get.
        family: How it is framed.
        session: Record to write into; its ``voice`` speaks.
        options: Speed and dialect.
        origin_ms: When the connection began.

    Attributes:
        meter: What the context holds.
        floor_taken: The user is speaking; replies that were put off wait.
    """

    def __init__(
        self,
        stage: Stage,
        setup: Setup,
        family: Family,
        session: Session,
        options: Options,
        origin_ms: int,
    ) -> None:
        self.meter = Meter()
        self.floor_taken = False
        self._stage = stage
        self._setup = setup
        self._family = family
        self._session = session
        self._options = options
        self._origin_ms = origin_ms
        self._tickets = itertools.count(1)
        self._running: _Running | None = None
        self._owed: deque[Reply] = deque(maxlen=_MOST_OWED)
        self._calls: dict[str, Reply | _Running] = {}
        self._free_ms = 0

    @property
    def is_busy(self) -> bool:
        """A reply is thought about, sent, or, as far as the server knows, still being heard."""
        return self._running is not None

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
        delay_ms = self._think_ms() if delay_ms is None else delay_ms
        self._begin(reply, delay_ms if reply.delay_ms is None else reply.delay_ms, at_ms)

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
        self._running = None
        self._calls.pop(running.call_id, None)
        self._session.interruptions += 1
        self._stage.send(frames.interrupted(), at_ms)
        if running.entry is not None:
            running.entry.cut = True
        complete = self._turn_complete(running)
        self._free_ms = at_ms + self._stage.wait(_CUT_TO_COMPLETE_MS)
        self._stage.plan(self._free_ms, partial(self._stage.send, complete))

    def _think_ms(self) -> int:
        least, most, usual = _THINK_MS
        return round(self._stage.rng.triangular(least, most, usual))

    def _begin(self, reply: Reply, delay_ms: int, at_ms: int) -> None:
        running = self._running = _Running(reply, next(self._tickets))
        self._session.replies += 1
        if reply.tool is None:
            self._prepare(running, delay_ms, at_ms)
            return
        call_ms = at_ms + (self._stage.wait(_TOOL_MS) if reply.delay_ms is None else delay_ms)
        self._stage.plan(max(call_ms, self._free_ms), partial(self._call, running), running)

    def _prepare(self, running: _Running, delay_ms: int, at_ms: int) -> None:
        """Have the text spoken, and begin to send it after the delay."""
        first_ms = max(at_ms + delay_ms, self._free_ms)
        if running.reply.text:
            self._stage.speak(running.ticket, running.reply.text, self._session.voice)
        else:
            running.speech = Speech(b"", ())
        if self._family.noise:
            noise_ms = (at_ms + first_ms) // 2
            for noise in (frames.empty(), frames.empty_content()):
                self._stage.plan(noise_ms, partial(self._stage.send, noise), running)
        self._stage.plan(first_ms, partial(self._sound, running), running)

    def _sound(self, running: _Running, at_ms: int) -> None:
        running.due = True
        if running.speech is not None:
            self._deliver(running, at_ms)

    def _deliver(self, running: _Running, at_ms: int) -> None:
        assert running.speech is not None
        delivery = plan(running.speech, self._family, self._options.speed, self._stage.rng)
        running.entry = self.remember("model", "", at_ms)
        if self._family.thoughts and delivery.parcels:
            thought = frames.thought("**Answering**\n\nI will say it in plain words.\n")
            self._stage.send(thought, at_ms)
        for parcel in delivery.parcels:
            send = partial(self._send_parcel, running, parcel)
            self._stage.plan(at_ms + parcel.offset_ms, send, running)
        if running.reply.grounding is not None:
            found = partial(self._stage.send, frames.grounding(dict(running.reply.grounding)))
            self._stage.plan(at_ms + delivery.generated_ms, found, running)
        generated = partial(self._stage.send, frames.generation_complete())
        self._stage.plan(at_ms + delivery.generated_ms, generated, running)
        self._stage.plan(at_ms + delivery.played_ms, partial(self._finish, running), running)

    def _send_parcel(self, running: _Running, parcel: Parcel, at_ms: int) -> None:
        words = parcel.words if self._setup.output_words else ""
        if words and not self._family.bundled:
            self._stage.send(frames.output_words(words), at_ms)
            words = ""
        if self._family.noise:
            self._stage.send(frames.empty(), at_ms)
        self._stage.send(frames.audio(parcel.pcm, words, vertex=self._options.vertex), at_ms)
        running.sent_ms += parcel.audio_ms
        self._session.audio_out_ms += parcel.audio_ms
        if running.entry is not None:
            running.entry.text += parcel.words

    def _finish(self, running: _Running, at_ms: int) -> None:
        running.over = True
        self._running = None
        self._stage.send(self._turn_complete(running), at_ms)
        self.catch_up(at_ms)

    def _turn_complete(self, running: _Running) -> frames.Frame:
        """The end of a reply, billed; its words and its sound belong to the context from now on."""
        usage = self.meter.bill(running.sent_ms, vertex=self._options.vertex)
        if running.entry is not None:
            self.meter.read(running.entry.text)
        return frames.turn_complete(usage, idle_status=self._family.idle_status)

    # --- tools -------------------------------------------------------------------------------

    def _call(self, running: _Running, at_ms: int) -> None:
        """Call the reply's tool; a call that does not block ends the turn with it (STOP run 1)."""
        reply = running.reply
        assert reply.tool is not None
        prefix = "function-call-" if self._family.thoughts else "call_"
        call_id = f"{prefix}{self._stage.rng.randrange(10**6, 10**7)}"
        self._session.tool_calls += 1
        self.remember("tool", f"call {reply.tool}", at_ms)
        self._stage.send(frames.tool_call(call_id, reply.tool, dict(reply.args)), at_ms)
        if len(self._calls) >= _MOST_CALLS:
            del self._calls[next(iter(self._calls))]
        declared = self._setup.blocking.get(reply.tool)
        if self._family.blocking_tools if declared is None else declared:
            running.call_id = call_id
            self._calls[call_id] = running
            return
        self._calls[call_id] = replace(reply, tool=None, delay_ms=None)
        self._stage.send(frames.generation_complete(), at_ms)
        self._finish(running, at_ms)

    def take_result(self, result: ToolResult, at_ms: int) -> None:
        """Say what was to be said after the tool; a result that nobody waits for is ignored.

        A call that does not block is answered when nobody speaks, unless its result asks to
        INTERRUPT or to stay SILENT.
        """
        waiting = self._calls.pop(result.id, None)
        if waiting is None:
            self._session.ignored_results += 1
            return
        text = f"{result.name}: {dict(result.response)}"
        self.remember("tool", text, at_ms)
        self.meter.read(text)
        delay_ms = self._stage.wait(CONTENT_REPLY_MS)
        if isinstance(waiting, _Running):
            self._prepare(waiting, delay_ms, at_ms)
            return
        if result.scheduling == "SILENT" or not waiting.text:
            return
        if result.scheduling == "INTERRUPT":
            self.interrupt(at_ms)
        if self.floor_taken:
            self._owed.append(waiting)
        else:
            self.answer(waiting, at_ms, delay_ms)
