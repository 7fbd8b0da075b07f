"""Choosing a device, and keeping one open while devices come and go; with made-up devices."""

from __future__ import annotations

import pytest

from pipeline_live.devices.choice import choose
from pipeline_live.devices.keeper import GONE_AFTER_S, RETRY_S, STARTS_WITHIN_S, Keeper
from pipeline_live.devices.sound_cards import NOTHING, Device, Kind
from pipeline_live.errors import DeviceError, UsageError

BUILT_IN = Device("Built-in Audio", Kind.OUTPUT, "1")
USB = Device("USB Headset", Kind.OUTPUT, "2")
USB_2 = Device("USB Headset 2", Kind.OUTPUT, "3")


# --- choosing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("1", BUILT_IN), ("3", USB_2), ("built", BUILT_IN), ("USB HEADSET", USB), ("set 2", USB_2)],
)
def test_a_device_is_chosen_by_number_or_name(wanted: str, found: Device) -> None:
    assert choose([BUILT_IN, USB, USB_2], wanted, Kind.OUTPUT) is found


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("usb", "2 fit; give a number or the whole name of: 1 Built-in Audio; 2 USB Headset; 3 "),
        ("4", "it is none of these; give a number"),
        ("hdmi", "no loudspeaker 'hdmi': it is none of these"),
    ],
)
def test_a_wrong_choice_lists_what_there_is(wanted: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose([BUILT_IN, USB, USB_2], wanted, Kind.OUTPUT)
    assert why in str(caught.value)


def test_without_any_device_the_choice_says_so() -> None:
    with pytest.raises(UsageError, match="there is none at all"):
        choose([], "usb", Kind.INPUT)


# --- keeping ------------------------------------------------------------------------------------


class FakeStream:
    def __init__(self, name: str, now_s: float) -> None:
        self.name = name
        self.called_s = now_s
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Desk:
    """What is plugged in, and what was opened and said."""

    def __init__(self, *plugged: Device, wanted: str | None = None) -> None:
        self.plugged = list(plugged)
        self.said: list[str] = []
        self.opened: list[FakeStream] = []
        self.now_s = 100.0
        self.keeper = Keeper(
            Kind.OUTPUT, wanted, lambda: self.plugged, self.open_stream, self.said.append
        )

    def open_stream(self, device: Device) -> FakeStream:
        known = device is NOTHING or device in self.plugged
        if not known and not (device.name == "default" and self.plugged):
            raise DeviceError(f"the {device.kind} {device.name!r} cannot be opened (-401)")
        self.opened.append(FakeStream(device.name, self.now_s))
        return self.opened[-1]

    def live(self, seconds: float, *, calls: bool = True) -> None:
        for _ in range(int(seconds * 4)):
            self.now_s += 0.25
            if calls:
                self.opened[-1].called_s = self.now_s
            self.keeper.check(self.now_s)

    def start(self) -> None:
        self.keeper.open(self.now_s)

    def still_open(self) -> list[str]:
        return [stream.name for stream in self.opened if not stream.closed]


def test_the_default_is_opened_and_nothing_is_said() -> None:
    desk = Desk(BUILT_IN)
    desk.start()
    desk.live(10)
    assert (desk.keeper.name, desk.said) == ("default", [])
    desk.keeper.close()
    assert desk.still_open() == []
    assert desk.keeper.name == ""


def test_a_wrong_name_is_an_error_before_the_call() -> None:
    with pytest.raises(UsageError, match="no loudspeaker 'hdmi'"):
        Desk(BUILT_IN, wanted="hdmi").start()


def test_without_a_device_the_call_goes_on_and_a_device_is_found_later() -> None:
    desk = Desk()
    desk.start()
    assert desk.keeper.missing
    assert desk.said[-1] == (
        "no loudspeaker found; the call goes on, but you hear nothing; plug one in"
    )
    desk.live(RETRY_S * 3)
    assert len(desk.said) == 1, "once is enough"
    desk.plugged.append(BUILT_IN)
    desk.live(RETRY_S + 0.25)
    assert (desk.keeper.name, desk.said[-1]) == ("default", "the loudspeaker is back: 'default'")
    assert desk.still_open() == ["default"]


def test_a_device_that_vanishes_is_replaced_by_the_default() -> None:
    desk = Desk(BUILT_IN, USB, wanted="2")
    desk.start()
    desk.live(STARTS_WITHIN_S + 1)
    desk.plugged.remove(USB)
    desk.live(GONE_AFTER_S + 0.25, calls=False)
    assert desk.said == ["the loudspeaker 'USB Headset' is gone; using 'default'"]
    assert desk.still_open() == ["default"]


def test_the_only_device_vanishes_and_comes_back() -> None:
    desk = Desk(USB, wanted="headset")
    desk.start()
    desk.live(STARTS_WITHIN_S + 1)
    desk.plugged.clear()
    desk.live(GONE_AFTER_S + 0.25, calls=False)
    assert desk.said == [
        "the loudspeaker 'USB Headset' is gone; the call goes on, but you hear nothing; plug one in"
    ]
    assert desk.still_open() == [NOTHING.name]
    desk.plugged.append(USB)
    desk.live(RETRY_S + 0.25)
    assert desk.said[-1] == "the loudspeaker is back: 'USB Headset'"
    assert desk.still_open() == ["USB Headset"]


def test_a_slow_start_is_no_loss_but_one_that_never_comes_is() -> None:
    desk = Desk(BUILT_IN)
    desk.start()
    desk.live(STARTS_WITHIN_S - 0.5, calls=False)
    assert desk.said == []
    desk.live(1, calls=False)
    assert desk.said == ["the loudspeaker stopped; opened 'default' again"]


def test_nothing_can_be_asked_for_and_stays() -> None:
    desk = Desk(BUILT_IN, wanted="nothing")
    desk.start()
    desk.live(10, calls=False)
    assert (desk.still_open(), desk.said) == (["nothing"], [])


def test_a_closed_keeper_does_nothing() -> None:
    desk = Desk(BUILT_IN)
    desk.start()
    desk.keeper.close()
    desk.live(10, calls=False)
    assert desk.said == []
