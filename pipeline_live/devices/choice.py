"""Which device: by number, by a part of its name, or the system's default."""

from __future__ import annotations

from pipeline_live.devices.sound_cards import Device, Kind
from pipeline_live.errors import UsageError


def choose(listed: list[Device], wanted: str, kind: Kind) -> Device:
    """The device that ``wanted`` names.

    Args:
        listed: What is plugged in.
        wanted: A number in the list (from 1), a name, or a part of one; case does not matter.
        kind: What is looked for, for the error.

    Raises:
        UsageError: None, or more than one; the text lists what there is.
    """
    if wanted.isdigit() and 1 <= int(wanted) <= len(listed):
        return listed[int(wanted) - 1]
    sought = wanted.casefold()
    found = [each for each in listed if sought == each.name.casefold()]
    found = found or [each for each in listed if sought in each.name.casefold()]
    if len(found) == 1:
        return found[0]
    if not listed:
        raise UsageError(f"no {kind} {wanted!r}: there is none at all; plug one in")
    what = f"{len(found)} fit" if found else "it is none of these"
    rows = "; ".join(f"{number} {each.name}" for number, each in enumerate(listed, 1))
    raise UsageError(f"no {kind} {wanted!r}: {what}; give a number or the whole name of: {rows}")
