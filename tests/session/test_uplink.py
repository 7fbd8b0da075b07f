"""The way up: what goes together in one message, what waits, and what is never lost."""

import asyncio

from google.genai.types import Blob
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import run_virtual

from pipeline_live.session.uplink import ENOUGH_MS, PATIENCE_MS, TOGETHER_MS, Uplink


def piece(value: int, ms: int = 20, rate: int = 16_000) -> Blob:
    return Blob(data=bytes([value]) * (ms * rate // 500), mime_type=f"audio/pcm;rate={rate}")


class Wire:
    """Where it all arrives: (ms, what), sound as its bytes."""

    def __init__(self) -> None:
        self.got: list[tuple[int, object]] = []
        self.uplink = Uplink(self.sound, lambda _: None)

    async def sound(self, blob: Blob) -> None:
        self.note((blob.data, blob.mime_type))

    async def text(self, text: str) -> None:
        self.note(text)

    def note(self, what: object) -> None:
        self.got.append((round(asyncio.get_running_loop().time() * 1000), what))

    def run(self, play) -> list[tuple[int, object]]:
        async def scenario() -> None:
            start = round(asyncio.get_running_loop().time() * 1000)
            task = asyncio.create_task(self.uplink.run())
            await play(self.uplink)
            await asyncio.sleep(1)
            task.cancel()
            self.got = [(at_ms - start, what) for at_ms, what in self.got]

        run_virtual(scenario())
        return self.got


def data(*pieces: Blob) -> tuple[bytes, str | None]:
    return b"".join(one.data or b"" for one in pieces), pieces[0].mime_type


def test_sound_in_a_hurry_goes_at_once_and_alone():
    async def play(uplink):
        for value in range(3):
            uplink.post_sound(piece(value))
            await asyncio.sleep(0.02)

    assert Wire().run(play) == [(20 * value, data(piece(value))) for value in range(3)]


def test_sound_that_is_in_no_hurry_goes_by_fours():
    async def play(uplink):
        for value in range(8):
            uplink.post_sound(piece(value), hurry=False)
            await asyncio.sleep(0.02)

    fours = [(60, data(*map(piece, range(4)))), (140, data(*map(piece, range(4, 8))))]
    assert Wire().run(play) == fours
    assert ENOUGH_MS == 80


def test_nothing_waits_long_and_nothing_waits_behind_a_hurry():
    async def play(uplink):
        uplink.post_sound(piece(1), hurry=False)
        await asyncio.sleep(0.1)  # nothing follows
        uplink.post_sound(piece(2), hurry=False)
        await asyncio.sleep(0.01)
        uplink.post_sound(piece(3))  # a suspicion
        uplink.post(lambda: wire.text("activityEnd"))
        await asyncio.sleep(0.1)
        uplink.post_sound(piece(4, ms=ENOUGH_MS), hurry=False)  # long enough by itself

    wire = Wire()
    assert wire.run(play) == [
        (PATIENCE_MS, data(piece(1))),
        (110, data(piece(2), piece(3))),
        (110, "activityEnd"),
        (210, data(piece(4, ms=ENOUGH_MS))),
    ]


def test_what_queued_up_during_a_stall_goes_together_but_not_across_rates():
    async def play(uplink):
        for value in range(7):
            uplink.post_sound(piece(value))
        uplink.post_sound(piece(7, rate=8000))

    got = [what for _, what in Wire().run(play)]
    assert got == [
        data(*map(piece, range(5))),
        data(*map(piece, range(5, 7))),
        data(piece(7, rate=8000)),
    ]


letters = st.one_of(
    st.tuples(st.just("sound"), st.integers(1, 130), st.booleans()),
    st.tuples(st.just("text"), st.just(0), st.booleans()),
)


@given(st.lists(st.tuples(letters, st.integers(0, 60)), max_size=30))
def test_every_byte_arrives_once_in_order(steps):
    async def play(uplink):
        for number, ((kind, ms, hurry), pause_ms) in enumerate(steps):
            if kind == "sound":
                uplink.post_sound(piece(number, ms), hurry=hurry)
            else:
                uplink.post(lambda number=number: wire.text(f"{number}"))
            await asyncio.sleep(pause_ms / 1000)

    wire = Wire()
    got = [what for _, what in wire.run(play)]
    said: list[object] = []
    for what in got:
        said += [what] if isinstance(what, str) else list(what[0])
    wanted: list[object] = []
    for number, ((kind, ms, _), _) in enumerate(steps):
        wanted += [f"{number}"] if kind == "text" else [number] * (ms * 32)
    assert said == wanted
    longest = max([ms for (kind, ms, _), _ in steps if kind == "sound"], default=0)
    for what in got:
        assert isinstance(what, str) or len(what[0]) <= 32 * max(TOGETHER_MS, longest)
