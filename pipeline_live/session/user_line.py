"""The user's side of one connection: sound on its way up, and where turns begin and end.

On the local floor the server hears only user turns, so the sound from just before one is kept for
its beginning. Here too a Stop and a note of what was heard take their way to the server.
"""

from __future__ import annotations

from functools import partial

from google.genai import live, types

from pipeline_live.errors import UsageError
from pipeline_live.session import messages
from pipeline_live.session.call import Call
from pipeline_live.session.capabilities import (
    Certainty,
    StopMessage,
    stop_message,
    takes_notes,
)
from pipeline_live.session.pre_roll import PreRoll, rate_of
from pipeline_live.session.uplink import Uplink
from pipeline_live.turn.events import (
    Action,
    EndUserTurn,
    SpeechEnded,
    SpeechStarted,
    StartUserTurn,
    StopServer,
    TellHeard,
)
from pipeline_live.turn.policy import Floor
from pipeline_live.turn.tables import User

ONSET_PAD_MS = 500
"""Sound sent from before the onset that the ears found, on the local floor.

Silero finds a soft beginning late: by up to 200 ms for 50 recorded clips, most at a tenth of their
loudness in a cafe's noise. Silence before it costs nothing.
"""


class UserLine:
    """Sends what the user says, and what the call decides about turns.

    Args:
        sdk: The open session of google-genai.
        call: Decides.
        model: The model's id; it decides what a Stop may put on the wire.
        stop_certainty: Tell the server of a Stop only in ways of which we are at least so sure.
        listen: Let the call's ears hear what is sent.
    """

    def __init__(
        self,
        sdk: live.AsyncSession,
        call: Call,
        model: str,
        stop_certainty: Certainty,
        *,
        listen: bool,
    ) -> None:
        self.uplink = Uplink(self._write_sound, self._sound_lost)
        """The queue; everything else that goes to the server takes it too."""
        self._sdk = sdk
        self._call = call
        self._stop_message = stop_message(model, call.floor, stop_certainty)
        self._takes_notes = takes_notes(model, call.floor)
        self._listen = listen
        self._pre_roll = PreRoll()
        self._turn = False
        self._activity = False  # activityStart was sent, activityEnd was not

    def take_over(self) -> None:
        """Go on with a turn whose beginning the connection before this one took."""
        if self._call.floor is Floor.LOCAL and self._call.machine.user is User.SPEAKING:
            self._open_turn(0)

    def perform(self, action: Action, at_ms: int) -> None:
        """Tell the server what was decided, while there is one."""
        if self.uplink.broken:
            return
        match action:
            case StopServer():
                self._stop_server()
            case TellHeard(heard_text=text) if self._takes_notes:
                note = messages.note_of_heard(text)
                content = partial(self._sdk.send_client_content, turns=note, turn_complete=False)
                self.uplink.post(content)
            case StartUserTurn(onset_ms=onset_ms) if self._call.floor is Floor.LOCAL:
                self._open_turn(at_ms - onset_ms + ONSET_PAD_MS)
            case EndUserTurn() if self._call.floor is Floor.LOCAL:
                self._turn = False
                self._end_activity()
                self._call.ask()
            case _:
                pass

    # --- sound ---------------------------------------------------------------------------------

    def send_sound(self, blob: types.Blob) -> None:
        """Queue the microphone's next sound, or keep it until a turn begins; never wait."""
        outside = self._call.floor is Floor.LOCAL and not self._turn
        if self._call.is_shielded():
            blob = blob.model_copy(update={"data": bytes(len(blob.data or b""))})
        if outside:
            self._pre_roll.keep(blob)
        else:
            self._post_sound(blob)
        if self._listen and blob.data:
            self._call.hear(blob.data, rate_of(blob))

    def _post_sound(self, blob: types.Blob) -> None:
        self.uplink.post_sound(blob, hurry=not self._call.is_calm())

    async def _write_sound(self, blob: types.Blob) -> None:
        await self._call.after_playout()
        await self._sdk.send_realtime_input(audio=blob)

    def _sound_lost(self, lost: int) -> None:
        if lost & (lost - 1) == 0:  # say it at 1, 2, 4, 8, …
            self._call.report(f"uplink full, {lost} pieces of sound lost so far")

    # --- turns ---------------------------------------------------------------------------------

    async def send_activity(self, *, start: bool) -> None:
        """Begin or end an activity for a program that decides turns itself.

        Raises:
            UsageError: Somebody else decides them.
        """
        if self._call.floor is Floor.SERVER:
            raise UsageError(
                "activityStart and activityEnd need automatic activity detection off: the server "
                "closes the connection for them (1007); disable it in the configuration, or just "
                "stream the sound"
            )
        if self._call.floor is Floor.LOCAL:
            raise UsageError(
                "with floor='local' activityStart and activityEnd are sent for you; do not send "
                "them as well"
            )
        now = self._call.now_ms()
        if start:
            self._call.apply(SpeechStarted(now, now))
            write = partial(self._sdk.send_realtime_input, activity_start=types.ActivityStart())
        else:
            self._call.apply(SpeechEnded(now))
            write = partial(self._sdk.send_realtime_input, activity_end=types.ActivityEnd())
        await self.uplink.send(write)
        if not start:
            self._call.ask()

    def close_stop(self) -> None:
        """Close the activity that a Stop opened, before something is written instead of said."""
        if self._activity and not self._turn:
            self._end_activity()

    def _open_turn(self, keep_ms: int) -> None:
        self._turn = True
        self._start_activity()
        for blob in self._pre_roll.take(keep_ms):
            self._post_sound(blob)

    def _start_activity(self) -> None:
        if not self._activity:
            self._activity = True
            start = types.ActivityStart()
            self.uplink.post(partial(self._sdk.send_realtime_input, activity_start=start))

    def _end_activity(self) -> None:
        self._activity = False
        end = types.ActivityEnd()
        self.uplink.post(partial(self._sdk.send_realtime_input, activity_end=end))

    def _stop_server(self) -> None:
        """Tell the server of a Stop, as far as its family and the floor allow."""
        match self._stop_message:
            case StopMessage.ACTIVITY:
                self._start_activity()
            case StopMessage.HELD_CONTENT:
                self.uplink.post(partial(self._sdk.send_client_content, turn_complete=False))
            case StopMessage.NOTHING:
                pass


def sound_given(
    audio: types.BlobOrDict | None, media: types.BlobImageUnionDict | None
) -> types.Blob | None:
    """The sound in what a program sends; None when it sends something else.

    Raises:
        ValueError: ``audio`` is no sound.
    """
    given = media if audio is None else audio
    blob = types.Blob.model_validate(given) if isinstance(given, dict) else given
    mime = getattr(blob, "mime_type", None)
    if isinstance(blob, types.Blob) and (mime or "").startswith("audio/"):
        return blob
    if audio is not None:
        raise ValueError(f"sound needs a MIME type that begins with audio/, not {mime!r}")
    return None
