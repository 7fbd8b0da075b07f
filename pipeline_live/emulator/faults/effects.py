"""What each fault does, as functions over what the model is about to do. Pure.

Six shapes, one for each moment; ``values`` are the fault's own settings:

- ``handshake``: a client without the right key knocks. Returns the HTTP status that it gets.
- ``message``: a message of the client came. False: it is lost. May raise ``Refused``.
- ``onset``: the user begins to speak. Returns what the model makes of it.
- ``answer``: an answer is due. Returns what is said instead; None for nothing, ever.
- ``reply``: a reply is about to be sent. Returns how it is sent instead.
- ``event``: nothing in particular. Returns what happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from pipeline_live.audio import to_array, to_pcm
from pipeline_live.emulator.delivery import Delivery, Parcel
from pipeline_live.emulator.faults.situation import (
    BlockReading,
    Close,
    Cut,
    DelayPongs,
    Event,
    Leave,
    Notice,
    Situation,
    Tell,
)
from pipeline_live.emulator.messages import INVALID, Message, Refused
from pipeline_live.emulator.script import Reply

Values = Mapping[str, int | float | str]

_CLOSINGS = {
    "invalid": "Request contains an invalid argument.",
    "unsupported": "Operation is not implemented, or supported, or enabled.",
    "not-found": "Requested entity was not found",
    "internal": "Internal error encountered.",
    "unavailable": "The service is currently unavailable.",
    "deadline": "Deadline expired before operation could complete.",
}
CLOSINGS = tuple(_CLOSINGS)
"""What a closing fault may give as its reason."""

# --- handshake ---------------------------------------------------------------------------------


def turn_away(values: Values) -> HTTPStatus:
    """Do not open a WebSocket at all."""
    return HTTPStatus.UNAUTHORIZED


# --- message -----------------------------------------------------------------------------------


def refuse(message: Message, values: Values) -> bool:
    """Close the connection for it."""
    raise Refused(int(values["code"]), _CLOSINGS[str(values["reason"])])


def refuse_activity(message: Message, values: Values) -> bool:
    """Close the connection as automatic detection does."""
    raise Refused(
        INVALID,
        "Explicit activity control is not supported when automatic activity detection is enabled.",
    )


def lose(message: Message, values: Values) -> bool:
    """Let it pass as if it had not come."""
    return False


# --- onset -------------------------------------------------------------------------------------


def overhear(notice: Notice, values: Values) -> Notice:
    """Do not notice the user."""
    return replace(notice, heard=False)


def cut_anyway(notice: Notice, values: Values) -> Notice:
    """Interrupt in spite of NO_INTERRUPTION."""
    return replace(notice, cuts=True)


def end_hastily(notice: Notice, values: Values) -> Notice:
    """Take a pause for the end of the turn."""
    return replace(notice, silence_ms=int(values["silence_ms"]))


# --- answer ------------------------------------------------------------------------------------


def say_nothing(reply: Reply, situation: Situation, values: Values) -> Reply | None:
    """Never answer."""
    return None


def call_again(reply: Reply, situation: Situation, values: Values) -> Reply | None:
    """Make the call that was cut once more."""
    return replace(situation.dropped or reply, delay_ms=int(values["after_ms"]))


def say_the_rest(reply: Reply, situation: Situation, values: Values) -> Reply | None:
    """Go on with the reply that was cut, from where it was cut."""
    return replace(reply, text=situation.unsaid, tool=None)


# --- reply -------------------------------------------------------------------------------------


def empty(delivery: Delivery, values: Values) -> Delivery:
    """No sound, only an end."""
    return Delivery((), None, 0)


def reject(delivery: Delivery, values: Values) -> Delivery:
    """No sound, and an end with a reason."""
    return Delivery((), None, 0, reason=str(values["reason"]))


def cut_short(delivery: Delivery, values: Values) -> Delivery:
    """The first of it only, as if that were all."""
    kept = _until(delivery, int(values["keep_ms"]))
    end_ms = kept[-1].offset_ms if kept else 0
    return replace(delivery, parcels=kept, generated_ms=end_ms, played_ms=end_ms)


def stall(delivery: Delivery, values: Values) -> Delivery:
    """Stop in the middle: for a while, or for good and with everything else."""
    after_ms, for_ms = int(values["after_ms"]), int(values["for_ms"])
    kept = _until(delivery, after_ms)
    if not for_ms:
        return Delivery(kept, None, None, falls_silent_ms=after_ms)
    late = tuple(
        replace(parcel, offset_ms=parcel.offset_ms + for_ms)
        for parcel in delivery.parcels[len(kept) :]
    )
    return replace(
        delivery,
        parcels=kept + late,
        generated_ms=None if delivery.generated_ms is None else delivery.generated_ms + for_ms,
        played_ms=None if delivery.played_ms is None else delivery.played_ms + for_ms,
    )


def fade(delivery: Delivery, values: Values) -> Delivery:
    """Full length, next to no amplitude."""
    gain = float(values["gain"])
    faint = tuple(
        replace(parcel, pcm=to_pcm(to_array(parcel.pcm) / 32768 * gain))
        for parcel in delivery.parcels
    )
    return replace(delivery, parcels=faint)


def complete_late(delivery: Delivery, values: Values) -> Delivery:
    """The end comes much later, after the user's words once more."""
    hold_ms = int(values["hold_ms"])
    played_ms = None if delivery.played_ms is None else delivery.played_ms + hold_ms
    return replace(delivery, played_ms=played_ms, words_again_ms=played_ms)


def _until(delivery: Delivery, ms: int) -> tuple[Parcel, ...]:
    return tuple(parcel for parcel in delivery.parcels if parcel.offset_ms < ms)


# --- event -------------------------------------------------------------------------------------


def cut(values: Values) -> Event:
    """An interruption by nobody."""
    return Cut()


def close(values: Values) -> Event:
    """A close code out of nothing."""
    resumable = str(values.get("resumable", "yes")) == "yes"
    return Close(int(values["code"]), _CLOSINGS[str(values["reason"])], resumable)


def tell_unknown(values: Values) -> Event:
    """A message that no SDK knows."""
    return Tell({str(values["key"]): str(values["value"])})


def tell_to_go(values: Values) -> Event:
    """The warning that the connection ends, and its end."""
    return Leave(int(values["left_ms"]))


def block(values: Values) -> Event:
    """Nothing is read."""
    return BlockReading(int(values["for_ms"]))


def delay_pongs(values: Values) -> Event:
    """Pongs are late."""
    return DelayPongs(int(values["by_ms"]))
