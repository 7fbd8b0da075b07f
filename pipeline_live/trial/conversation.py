"""One test: a caller made of lines, an emulator that answers by script, a bot between them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pipecat.frames.frames import EndFrame, ErrorFrame, InterruptionFrame
from pipecat.workers.runner import WorkerRunner

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, read_wav, resample, silence, to_pcm
from pipeline_live.builder import Built, build, emulated
from pipeline_live.config import Bot, Chosen
from pipeline_live.config.faults import FAULT, LATE_INTERRUPT, TRIGGERS
from pipeline_live.emulator import Emulator, Fault, Reply, Script, synthesize
from pipeline_live.trial import clock, judge
from pipeline_live.trial.judge import Look
from pipeline_live.trial.stage import Room, Stage

CALLER_VOICE = "low"
PAUSE_MS = 400
"""Between the bot's last sound and the caller's next line."""
_LOOK_MS = 20
_REST_WITHIN_MS = 120_000
_REPLY_WITHIN_MS = 15_000
_NOISE = 0.03


class Failed(Exception):
    """The conversation is not what was expected; the text says how."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a test.

    Attributes:
        name: Of the test.
        failure: Empty when it passed, otherwise what went wrong, with the place in the file.
        call_ms: How long the conversation was.
        took_s: How long it took here.
    """

    name: str
    failure: str
    call_ms: int
    took_s: float


def perform(bot: Bot, test: Mapping[str, Any], folder: Path, *, real_time: bool = False) -> Result:
    """Hold the conversation of one test.

    Args:
        bot: The bot.
        test: One of its tests.
        folder: Where ``call.wav`` goes.
        real_time: Take as long as the conversation would.
    """
    real_time = real_time or _asks_the_web(bot, test)
    begun = time.perf_counter()
    failure, call_ms = clock.run(_Trial(bot, test, folder).run(), real_time=real_time)
    return Result(str(test["name"]), failure, call_ms, time.perf_counter() - begun)


def _asks_the_web(bot: Bot, test: Mapping[str, Any]) -> bool:
    """A web service answers in real time, whatever our clock says."""
    called = {reply["call"] for reply in test["replies"] or ()} - {*(test["tool_results"] or ())}
    return any(
        tool.name == "http" and tool.options["name"] in called for tool in bot["tools"] or ()
    )


class _Trial:
    def __init__(self, bot: Bot, test: Mapping[str, Any], folder: Path) -> None:
        self._bot = bot
        self._test = test
        self._folder = folder

    async def run(self) -> tuple[str, int]:
        """Hold it; return what went wrong and how long it was."""
        wanted: list[Chosen] = self._test["faults"] or []
        late = [fault for fault in wanted if fault.name == LATE_INTERRUPT]
        emulator = Emulator(
            self._script(),
            seed=self._test["seed"],
            interrupt_delay_ms=int(late[0].options["delay_ms"]) if late else 0,
            faults=[_fault(fault) for fault in wanted if fault not in late],
        )
        async with emulator:
            room = Room(self._folder / "call.wav")
            stage = Stage(room)
            built = build(
                self._bot,
                emulated(emulator),
                room,
                canned=self._test["tool_results"],
                observers=[stage],
                cancel_on_idle_timeout=False,
                enable_rtvi=False,
                enable_turn_tracking=False,
            )
            stage.watch(built.service.call)
            async with _running(built, stage):
                failure = await _Caller(self._bot, self._test, built, stage, room).talk()
            return failure, stage.call.now_ms()

    def _script(self) -> Script:
        """What the model answers; it understands what the caller says, in order."""
        said = [line["say"] for line in self._test["conversation"] if line["say"] is not None]
        heard: list[str | None] = [None] if self._bot["greeting"] is not None else []
        heard += said
        replies = [
            Reply(
                reply["say"] or "",
                delay_ms=reply["delay_ms"],
                heard=heard[number] if number < len(heard) else None,
                tool=reply["call"],
                args=reply["args"] or {},
            )
            for number, reply in enumerate(self._test["replies"] or ())
        ]
        return Script(replies)


def _fault(wanted: Chosen) -> Fault:
    """The emulator's fault, with its own settings where something was said about them."""
    component = FAULT.component(wanted.name)
    names = {trigger.name for trigger in TRIGGERS}
    said = {
        name: value
        for name, value in wanted.options.items()
        if value is not None and value != component.field(name).default
    }
    values = {name: value for name, value in said.items() if name not in names}
    triggers = {name: value for name, value in said.items() if name in names}
    return Fault(wanted.name, **triggers, values=values)


@contextlib.asynccontextmanager
async def _running(built: Built, stage: Stage) -> AsyncIterator[None]:
    """Run the bot until the block ends."""

    async def on_error(_: object, frame: ErrorFrame) -> None:
        stage.failure = stage.failure or frame.error

    built.worker.add_event_handler("on_pipeline_error", on_error)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(built.worker)
    task = asyncio.create_task(runner.run())
    await built.open()
    try:
        yield
    finally:
        await built.worker.queue_frame(EndFrame())
        await built.worker.cancel()
        await task


class _Caller:
    """Says the lines and looks at what follows."""

    def __init__(
        self, bot: Bot, test: Mapping[str, Any], built: Built, stage: Stage, room: Room
    ) -> None:
        self._bot = bot
        self._test = test
        self._built = built
        self._stage = stage
        self._room = room
        self._begun_ms = 0
        self._ended_ms: int | None = None
        self._heard_before: dict[int, str] = {}

    async def talk(self) -> str:
        """The whole conversation; empty when it was as expected, otherwise what was not."""
        try:
            for line in self._test["conversation"]:
                await self._line(line)
        except Failed as failed:
            return str(failed)
        return ""

    async def _line(self, line: Mapping[str, Any]) -> None:
        looks_back = self._ended_ms is None and line["silence"] is not None
        await self._moment(line)
        self._begun_ms, self._heard_before = 0, {}
        if not looks_back:  # a silence at first also sees how the bot opened the call
            self._begun_ms, self._heard_before = self._stage.call.now_ms(), self._stage.heard()
        self._ended_ms = None
        expectations = [
            asyncio.create_task(self._see(expected)) for expected in line["expect"] or ()
        ]
        try:
            await self._act(line)
            self._ended_ms = self._stage.call.now_ms()
            for expectation in expectations:
                await expectation
        finally:
            for expectation in expectations:
                expectation.cancel()
            await asyncio.gather(*expectations, return_exceptions=True)

    async def _moment(self, line: Mapping[str, Any]) -> None:
        """Wait until it is time for a line."""
        where = f"{self._bot.path}:{line.place.line}:{line.place.column}"  # type: ignore[attr-defined]
        into_ms = line["interrupt_after_ms"]
        first = self._ended_ms is None
        if into_ms is not None:
            enough = partial(self._is_into_a_reply, into_ms, len(self._stage.seen.replies))
            if not await self._until(enough, _REPLY_WITHIN_MS + into_ms):
                raise Failed(
                    f"{where}: no reply was heard for {into_ms} ms, so nothing could be "
                    "interrupted; is the reply long enough?"
                )
            return
        if first and self._bot["greeting"] is not None:
            await self._until(lambda: bool(self._stage.seen.replies), _REPLY_WITHIN_MS)
        if not await self._until(self._stage.at_rest, _REST_WITHIN_MS):
            raise Failed(f"{where}: the bot never stopped speaking")
        await asyncio.sleep(PAUSE_MS / 1000)

    def _is_into_a_reply(self, into_ms: int, known: int) -> bool:
        replies = self._stage.seen.replies
        if not replies or replies[-1][1].dead:
            return False
        if self._stage.at_rest() and len(replies) <= known:
            return False
        return self._stage.call.heard_ms() >= into_ms

    async def _act(self, line: Mapping[str, Any]) -> None:
        microphone = self._room.microphone
        if line["say"] is not None:
            await microphone.say(await asyncio.to_thread(_speech, str(line["say"])))
        elif line["play"] is not None:
            await microphone.say(read_wav(self._bot.folder / line["play"], INPUT_RATE))
        elif line["noise"] is not None:
            await microphone.say(_noise(int(line["noise"]), int(self._test["seed"])))
        elif line["silence"] is not None:
            await asyncio.sleep(int(line["silence"]) / 1000)
        else:
            await self._built.worker.queue_frame(InterruptionFrame())

    async def _see(self, expected: Mapping[str, Any]) -> None:
        """Wait for what is expected, or through the time in which it must not happen."""
        while True:
            look = self._look()
            if self._stage.failure is not None:
                raise Failed(f"{self._place(expected)}: the bot failed: {self._stage.failure}")
            until_ms = judge.deadline_ms(expected, look)
            over = until_ms is not None and look.now_ms > until_ms
            if not over and judge.happened(expected, look):
                if expected["absent"]:
                    break
                return
            if over:
                if expected["absent"]:
                    return
                break
            await asyncio.sleep(_LOOK_MS / 1000)
        raise Failed(
            f"{self._place(expected)}: expected {judge.wish(expected)}; "
            f"{judge.instead(expected, look)}"
        )

    def _look(self) -> Look:
        seen, call = self._stage.seen, self._stage.call
        began = [reply for at_ms, reply in seen.replies if at_ms >= self._begun_ms]
        heard = {
            number: text[len(self._heard_before.get(number, "")) :]
            for number, text in self._stage.heard().items()
        }
        return Look(
            now_ms=call.now_ms(),
            begun_ms=self._begun_ms,
            ended_ms=self._ended_ms,
            answered=any(self._stage.first_heard_ms(reply) for reply in began),
            heard=" ".join(filter(None, heard.values())),
            tools=[(c.name, c.args) for c in seen.tools if c.at_ms >= self._begun_ms],
            interrupted=any(at_ms >= self._begun_ms for at_ms in seen.interruptions),
            silent_ms=self._stage.silent_ms(),
        )

    def _place(self, thing: Any) -> str:
        return f"{self._bot.path}:{thing.place.line}:{thing.place.column}"

    async def _until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        deadline_ms = self._stage.call.now_ms() + limit_ms
        while not condition():
            if self._stage.failure is not None:
                raise Failed(f"{self._bot.path}: the bot failed: {self._stage.failure}")
            if self._stage.call.now_ms() > deadline_ms:
                return False
            await asyncio.sleep(_LOOK_MS / 1000)
        return True


def _speech(text: str) -> bytes:
    """A caller's voice, mono s16le at the microphone's rate."""
    return resample(synthesize(text, CALLER_VOICE).pcm, OUTPUT_RATE, INPUT_RATE) + silence(
        60, INPUT_RATE
    )


def _noise(ms: int, seed: int) -> bytes:
    """Steady noise, about as loud as a street through a window."""
    samples = np.random.default_rng(seed).normal(0, _NOISE, ms * INPUT_RATE // 1000)
    return to_pcm(samples.astype(np.float32))
