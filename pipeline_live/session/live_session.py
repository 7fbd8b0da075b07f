"""A Live session: google-genai's ``AsyncSession``, minus the audio that nobody should hear.

The shell around the turn machine: one task reads, one writes, the call decides.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from google.genai import errors, live, types

from pipeline_live.errors import SessionBusy, SessionClosed
from pipeline_live.session import messages
from pipeline_live.session.call import Call
from pipeline_live.session.capabilities import Certainty
from pipeline_live.session.connection import is_close
from pipeline_live.session.user_line import UserLine, sound_given
from pipeline_live.turn.events import (
    CONTENT,
    Action,
    AnnounceInterruption,
    ConnectionLost,
    ConnectionOpened,
    Deliver,
    Drop,
    EndTurn,
    FlushPlayout,
    IgnoreTurnComplete,
    SuppressInterrupted,
    TextSent,
)
from pipeline_live.turn.playout import Reply

MAX_INBOX = 4096
"""Server messages that wait for a receiver; at the limit the session stops reading the line."""


@dataclass(slots=True)
class _Letter:
    message: types.LiveServerMessage
    reply: Reply | None
    ends_turn: bool


@dataclass(slots=True)
class _Verdict:
    """What the actions of one server message mean for that message."""

    reply: Reply | None = None
    drop: bool = False
    suppress: bool = False
    ends_turn: bool = False
    late: bool = False

    def take(self, action: Action) -> None:
        match action:
            case Deliver(reply=reply):
                self.reply, self.drop = reply, False
            case Drop():
                self.drop = True
            case SuppressInterrupted():
                self.suppress = True
            case EndTurn(synthesized=False):
                self.ends_turn = True
            case IgnoreTurnComplete(late=late):
                self.late = late
            case _:
                pass


class LiveSession:
    """One connection of a call. Methods mean what they mean in google-genai's ``AsyncSession``.

    Use it through ``LiveClient(...).aio.live.connect(...)``. Differences to ``AsyncSession``: audio
    of an interrupted reply never comes out of ``receive()``; ``interrupt()`` exists; microphone
    sound is queued, so sending it never waits for the network; the line is read all the time, so
    an interruption is noticed even while the program is busy with an earlier message.

    Args:
        sdk: The open session of google-genai.
        call: Decides.
        model: The model's id; it decides what a Stop may put on the wire.
        stop_certainty: Tell the server of a Stop only in ways of which we are at least so sure.
        listen: Let the call's ears hear what is sent; False when somebody else feeds them.
    """

    def __init__(
        self,
        sdk: live.AsyncSession,
        call: Call,
        *,
        model: str = "",
        stop_certainty: Certainty = Certainty.DOCUMENTED,
        listen: bool = True,
    ) -> None:
        self.call = call
        self._sdk = sdk
        self._user_line = UserLine(sdk, call, model, stop_certainty, listen=listen)
        self._uplink = self._user_line.uplink
        self._inbox: deque[_Letter] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._fault: Exception | None = None
        self._waiting = False
        self._tasks: list[asyncio.Task[None]] = []
        self.current_reply: Reply | None = None
        """The reply that the last message from ``receive()`` belongs to, if any."""

    async def __aenter__(self) -> Self:
        """Start reading and writing."""
        self.call.attach(self)
        self.call.apply(ConnectionOpened(self.call.now_ms()))
        self._tasks = [
            asyncio.create_task(self._read(), name="pipeline_live.read"),
            asyncio.create_task(self._uplink.run(), name="pipeline_live.write"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._task_ended)
        self._user_line.take_over()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; the connection itself is closed by whoever opened it."""
        self.call.detach(self)
        self._end(SessionClosed())
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    @property
    def session_id(self) -> str | None:
        """The server's id of this session (Vertex only)."""
        return self._sdk.session_id

    @property
    def setup_complete(self) -> types.LiveServerSetupComplete | None:
        """What the server answered to the set-up."""
        return self._sdk.setup_complete

    # --- receiving -----------------------------------------------------------------------------

    async def receive(self) -> AsyncIterator[types.LiveServerMessage]:
        """Yield the server's messages up to the end of the model's turn; call it again for more.

        As in google-genai the iteration ends after the message that ends the turn
        (``turnComplete``, or idle where ``interactionStatus`` is used). A ``turnComplete`` that
        ends nothing, an unknown message or a broken one does not end it. A reply that was
        interrupted yields not one more sample; its end is told by ``interrupted`` (once) and
        ``turnComplete`` (once).

        Raises:
            google.genai.errors.APIError: The connection ended; every later call raises it again.
            SessionClosed: The session was left.
            SessionBusy: Another task is waiting in ``receive()``.
        """
        while True:
            letter = await self._next()
            self.current_reply = letter.reply
            yield letter.message
            if letter.ends_turn:
                return

    async def _next(self) -> _Letter:
        if self._waiting:
            raise SessionBusy
        self._waiting = True
        try:
            while not self._inbox:
                if self._fault is not None:
                    raise self._fault
                self._news.clear()
                await self._news.wait()
        finally:
            self._waiting = False
        self._room.set()
        return self._inbox.popleft()

    # --- sending -------------------------------------------------------------------------------

    async def send_realtime_input(
        self,
        *,
        media: types.BlobImageUnionDict | None = None,
        audio: types.BlobOrDict | None = None,
        audio_stream_end: bool | None = None,
        video: types.BlobImageUnionDict | None = None,
        text: str | None = None,
        activity_start: types.ActivityStartOrDict | None = None,
        activity_end: types.ActivityEndOrDict | None = None,
        interrupts: bool = True,
    ) -> None:
        """Send sound, a picture, text or an activity, one argument a call.

        Sound (mono s16le, rate in the MIME type, 20 to 40 ms a piece) returns at once, and goes out
        as ``audio`` though it was given as the older ``media``; the call's ears hear it on the way.
        On the local floor it goes out only within a user turn, which starts with what was said just
        before. Everything else returns once it was written.

        Text ends the reply that arrives or plays: it is silent before this returns, and only the
        answer to the text comes out of ``receive()``. ``interrupts=False`` is for a caller who has
        seen to that.

        Raises:
            SessionClosed: The session was left; this and every other method that sends raises it.
            UsageError: ``activity_start`` or ``activity_end`` where the session does not take
                them: under automatic activity detection the server closes the connection for it
                (1007), and on the local floor they are sent for you.
            ValueError: Not exactly one argument, or sound or a picture of another kind than its
                MIME type should say, as in google-genai.
        """
        arguments = {
            "media": media,
            "audio": audio,
            "audio_stream_end": audio_stream_end,
            "video": video,
            "text": text,
            "activity_start": activity_start,
            "activity_end": activity_end,
        }
        given: dict[str, Any] = {
            name: value for name, value in arguments.items() if value is not None
        }
        if len(given) != 1:
            raise ValueError(f"give exactly one argument, got {len(given)}: {sorted(given)}")
        sound = sound_given(audio, media)
        if sound is not None:
            self._user_line.send_sound(sound)
        elif activity_start is not None or activity_end is not None:
            await self._user_line.send_activity(start=activity_start is not None)
        elif video is not None or media is not None:
            await self._uplink.send(partial(self._sdk.send_realtime_input, **given))
        else:
            question = bool(text and text.strip())  # Pipecat nudges 3.x with a blank
            await self._send_text(
                partial(self._sdk.send_realtime_input, **given),
                interrupts=question and interrupts,
                asks=question or bool(audio_stream_end),
            )

    async def send_client_content(
        self,
        *,
        turns: types.Content
        | types.ContentDict
        | list[types.Content | types.ContentDict]
        | None = None,
        turn_complete: bool = True,
        interrupts: bool = True,
    ) -> None:
        """Append turns to the conversation, and ask for an answer when ``turn_complete``.

        Args:
            turns: What was said, by whom.
            turn_complete: Ask for an answer; as with text, the reply that arrives or plays ends.
            interrupts: False to let what plays go on all the same, for history after a reconnect.
        """
        write = partial(self._sdk.send_client_content, turns=turns, turn_complete=turn_complete)
        await self._send_text(write, interrupts=interrupts and turn_complete, asks=turn_complete)

    async def send_tool_response(
        self,
        *,
        function_responses: types.FunctionResponseOrDict | Sequence[types.FunctionResponseOrDict],
    ) -> None:
        """Answer a tool call."""
        write = partial(self._sdk.send_tool_response, function_responses=function_responses)
        await self._uplink.send(write)
        self.call.ask()

    async def send_context_update(self, **update: Any) -> None:
        """Change the system instruction or the tools of the running session (newest SDKs)."""
        await self._uplink.send(partial(self._sdk.send_context_update, **update))

    async def send(self, *, input: Any = None, end_of_turn: bool = False) -> None:
        """Send anything, as google-genai's deprecated ``send`` does."""
        write = partial(self._sdk.send, input=input, end_of_turn=end_of_turn)
        await self._send_text(write, interrupts=end_of_turn, asks=end_of_turn)

    async def start_stream(
        self, *, stream: AsyncIterator[bytes], mime_type: str
    ) -> AsyncIterator[types.LiveServerMessage]:
        """Send ``stream`` and yield what comes meanwhile, as google-genai's deprecated method does.

        Args:
            stream: Mono s16le sound, a piece at a time.
            mime_type: For example ``audio/pcm;rate=16000``.
        """

        async def send_all() -> None:
            async for data in stream:
                await self.send_realtime_input(audio=types.Blob(data=data, mime_type=mime_type))

        sending = asyncio.create_task(send_all())
        sending.add_done_callback(lambda _: self._news.set())
        try:
            while not sending.done() or self._inbox:
                if not self._inbox and self._fault is None:
                    self._news.clear()
                    await self._news.wait()
                    continue
                yield (await self._next()).message
            await sending
        finally:
            sending.cancel()

    def interrupt(self) -> Awaitable[None]:
        """Stop the bot now, without new audio; it happens at once, awaiting it is optional.

        The receiver gets ``interrupted``, then nothing more of this reply, then its
        ``turnComplete``; the next reply comes through whole. There is no such message in the
        protocol, so the server may go on generating what nobody will hear. Between a question and
        the first sound of its answer, it is that answer that nothing but ``turnComplete`` comes of.
        """
        self.call.stop()
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def close(self) -> None:
        """Close the connection."""
        await self._sdk.close()

    # --- what the call's decisions mean on this connection -------------------------------------

    def perform(self, action: Action, at_ms: int) -> None:
        """Act as the call's hand on the wire and towards the receiver."""
        self._user_line.perform(action, at_ms)
        match action:
            case AnnounceInterruption():
                self._put(_Letter(messages.interruption(), None, False))
            case EndTurn(synthesized=True, reply=reply):
                self._put(_Letter(messages.end_of_turn(), reply, True))
            case FlushPlayout():
                self._purge()
            case _:
                pass

    def _purge(self) -> None:
        """Take the content of dead replies out of what waits for the receiver."""
        waiting, self._inbox = self._inbox, deque()
        for letter in waiting:
            if letter.reply is not None and letter.reply.dead:
                left = messages.stripped(letter.message, content=True)
                if left is None:
                    continue
                letter = _Letter(left, None, letter.ends_turn)
            self._inbox.append(letter)
        self._room.set()

    def _put(self, letter: _Letter) -> None:
        self._inbox.append(letter)
        self._news.set()

    async def _send_text(
        self, write: Callable[[], Awaitable[None]], *, interrupts: bool, asks: bool
    ) -> None:
        if interrupts:
            self.call.apply(TextSent(self.call.now_ms()))
        self._user_line.close_stop()
        await self._uplink.send(write)
        if asks:
            self.call.ask()

    # --- the line ------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Read until the line ends."""
        async with contextlib.aclosing(self._messages()) as incoming:
            async for message in incoming:
                self._take(message)
                await asyncio.sleep(0)  # a receiver that waits gets it before the next one
                while len(self._inbox) >= MAX_INBOX:
                    self._room.clear()
                    await self._room.wait()

    async def _messages(self) -> AsyncGenerator[types.LiveServerMessage, None]:
        """All of the line's messages; one that the SDK cannot read is reported, not fatal."""
        while True:
            try:
                async for message in self._sdk.receive():
                    yield message
            except errors.APIError as error:
                if is_close(error):
                    self._fail(error)
                    return
                self.call.report(f"the server sent an error object ({error.code})")
            except (TypeError, ValueError) as error:
                # google-genai raises these for an unknown top-level key and for broken JSON.
                self.call.report(f"unreadable server message ({type(error).__name__})")

    def _take(self, message: types.LiveServerMessage) -> None:
        verdict = _Verdict()
        for fact in messages.facts_of(message, self.call.now_ms()):
            if isinstance(fact, CONTENT):
                self.call.answered()
            for action in self.call.apply(fact):
                verdict.take(action)
        records = self.call.timeline.recording is not None
        if records and verdict.reply is not None and not verdict.drop:
            self.call.keep_sound(verdict.reply, messages.sound_of(message))
        left: types.LiveServerMessage | None = message
        if verdict.drop or verdict.suppress or verdict.late:
            left = messages.stripped(
                message,
                content=verdict.drop,
                interrupted=verdict.suppress,
                turn_complete=verdict.late,
            )
        if left is not None:
            reply = verdict.reply or (self.call.machine.reply if verdict.ends_turn else None)
            self._put(_Letter(left, reply, verdict.ends_turn))

    def _fail(self, error: errors.APIError) -> None:
        self.call.apply(ConnectionLost(self.call.now_ms(), error.code or 1006))
        self._fault = error
        self._news.set()

    def _end(self, error: Exception) -> None:
        """Read and write no more, and leave nobody waiting for ever."""
        for task in self._tasks:
            task.cancel()
        self._fault = self._fault or error
        self._uplink.close(error)
        self._news.set()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """A task that dies of a bug ends the session."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._end(error)
