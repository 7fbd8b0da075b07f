"""Pipecat's context after an interruption: the heard words, in order, and nothing left over.

A synthesizer speaks the replies, so the time of each word is known; the messages come in the orders
that the model families use, four times faster than real time; what was heard is read off the sink.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import Any

import pytest
from fakes import COMPLETE, GENERATED, INTERRUPTED
from pipecat.frames.frames import Frame, InterruptionFrame, LLMRunFrame, OutputAudioRawFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipelines import Lines, running, service_over
from virtual_time import run_virtual

from pipeline_live.audio import bytes_of
from pipeline_live.emulator import frames
from pipeline_live.emulator.voice import Speech, synthesize
from pipeline_live.processors import FileSink, Playback
from pipeline_live.processors.heard import corrected
from pipeline_live.turn.events import SpeechEnded, SpeechStarted, SpeechSuspected
from pipeline_live.turn.policy import Floor

QUESTION = "What can you offer me?"
STORY = (
    "Sure, I can help with that. We have a table by the window at seven, and another one near the "
    "bar. Most guests prefer the window! Shall I book it for you?"
)
SPEED = 4
ORDERS = ("2.5", "3.1", "3.8", "vertex", "ahead")


@functools.cache
def spoken(voice: str) -> Speech:
    return synthesize(STORY, voice)


def messages(speech: Speech, order: str) -> list[tuple[int, dict[str, Any]]]:
    """The reply's messages and when each comes, in ms from the first.

    2.5: each word in a message of its own, 1.5 s ahead, after a thought. 3.1: beside its sound.
    3.8: on every third message, what that and the two before say. Vertex: all before the first
    sound. ahead: on the sound that comes 3 s before the words' own.
    """
    size_ms = {"3.8": 320, "3.1": 160}.get(order, 80)
    ahead_ms = {"2.5": 1500, "vertex": 10**6, "ahead": 3000}.get(order, 0)
    told = 0
    plan: list[tuple[int, dict[str, Any]]] = []
    if order == "2.5":
        plan.append((0, frames.thought("**Thinking**")))
    if order == "vertex":
        plan.append((0, frames.output_words()))
    for number, start_ms in enumerate(range(0, speech.duration_ms + 1, size_ms)):
        at_ms, end_ms = start_ms // SPEED, start_ms + size_ms
        is_last = end_ms > speech.duration_ms
        words = ""
        if order != "3.8" or number % 3 == 0 or is_last:
            while told < len(speech.words) and speech.words[told].start_ms < end_ms + ahead_ms:
                words += (" " if told else "") + speech.words[told].text
                told += 1
        pcm = speech.pcm[bytes_of(24 * start_ms) : bytes_of(24 * end_ms)]
        if words and order in ("2.5", "vertex"):
            plan.append((at_ms, frames.output_words(words)))
            words = ""
        if words and order == "vertex":
            plan.append((at_ms, frames.output_words(finished=True)))
        plan.append((at_ms, frames.audio([pcm] if pcm else [bytes(2)], words)))
    plan.append((plan[-1][0] + 20, GENERATED))
    return plan


class Loudspeaker(FrameProcessor):
    """Behind the sink: counts what was written to it, and can interrupt from there."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, OutputAudioRawFrame):
            self.samples += frame.num_frames
        await self.push_frame(frame, direction)


@dataclass
class Outcome:
    messages: list[tuple[str, str]]
    heard_ms: int
    reported: str
    speech: Speech

    def words(self) -> list[str]:
        """What the context says was heard of the first reply."""
        return dict(self.messages[2:3]).get("assistant", "").split()

    def error(self) -> int:
        """Words too many (or too few), against the middles of the true words."""
        truth = sum((w.start_ms + w.end_ms) / 2 <= self.heard_ms for w in self.speech.words)
        return len(self.words()) - truth


class Call:
    """A bot whose first reply is interrupted, and whose second is not."""

    def __init__(self, folder: Any, *, floor: Floor = Floor.SERVER, playback: bool = True) -> None:
        self.context = LLMContext([{"role": "user", "content": "hi"}])
        self.pair = LLMContextAggregatorPair(self.context)
        self.lines = Lines()
        self.service = service_over(self.lines, floor=floor)
        self.loudspeaker = Loudspeaker()
        self.heard_ms = 0
        self.closed_with: list[str] = []
        assistant = self.pair.assistant()

        @assistant.event_handler("on_assistant_turn_stopped")
        async def closed(_: object, message: Any) -> None:
            self.closed_with.append(message.content)

        async def look(params: FunctionCallParams) -> None:
            await params.result_callback({"seen": "the sea"})

        self.service.register_function("look", look)
        between = [Playback()] if playback else []
        self.processors = [
            self.pair.user(),
            self.service,
            *between,
            FileSink(folder / "call.wav"),
            self.loudspeaker,
            self.pair.assistant(),
        ]

    def interrupted(
        self, cut_ms: int, by: str, *, order: str = "3.8", voice: str = "heart", **how: Any
    ) -> Outcome:
        speech = spoken(voice)
        run_virtual(self._talk(messages(speech, order), cut_ms, by, **how))
        said = [(m["role"], m["content"]) for m in self.context.messages if m.get("content")]
        report = self.service.call.interruption
        reported = report.heard_text if report is not None else ""
        return Outcome(said, self.heard_ms, reported, speech)

    async def _talk(
        self,
        plan: list[tuple[int, dict[str, Any]]],
        cut_ms: int,
        by: str,
        question: str = QUESTION,
        question_late_ms: int = 0,
        extra: list[tuple[int, dict[str, Any]]] | None = None,
    ) -> None:
        async with running(*self.processors) as worker:
            await worker.queue_frame(LLMRunFrame())
            while not (self.lines.opened and self.lines.line.sent):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            if not question_late_ms:
                self.lines.line.feed(frames.input_words(question))
                await asyncio.sleep(0.2)
            begin = asyncio.get_running_loop().time()
            late = [(question_late_ms, frames.input_words(question))] if question_late_ms else []
            pending = sorted([*plan, *late, *(extra or [])], key=lambda one: one[0])
            for at_ms, message in pending:
                if at_ms >= cut_ms:
                    break
                await self._at(begin + at_ms / 1000)
                self.lines.line.feed(message)
            await self._at(begin + cut_ms / 1000)
            await self._cut(worker, by)
            await asyncio.sleep(0.04)
            self.lines.line.feed(*([] if by == "server" else [INTERRUPTED]), COMPLETE)
            await asyncio.sleep(1)
            self.heard_ms = self.loudspeaker.samples // 24
            self.lines.line.feed(frames.input_words("Never mind."))
            if by == "speech":
                self.service.call.apply(SpeechEnded(self.service.call.now_ms()))
            await asyncio.sleep(0.3)
            self.lines.line.feed(frames.audio([b"\x10\x10" * 24_000], "Of course."))
            self.lines.line.feed(GENERATED)
            await asyncio.sleep(1)
            self.lines.line.feed(COMPLETE)
            await asyncio.sleep(2)

    async def _cut(self, worker: Any, by: str) -> None:
        call = self.service.call
        now = call.now_ms()
        match by:
            case "server":
                self.lines.line.feed(INTERRUPTED)
            case "speech":
                call.apply(SpeechSuspected(now, now))
                await asyncio.sleep(0.2)
                call.apply(SpeechStarted(call.now_ms(), now))
            case "stop":
                call.stop()
            case "frame":
                await worker.queue_frame(InterruptionFrame())
            case "behind":
                await self.loudspeaker.broadcast_interruption()

    async def _at(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


BYS = ("server", "speech", "stop", "frame", "behind")
IN_ORDER = ["user", "user", "assistant", "user", "assistant"]


def check(outcome: Outcome) -> None:
    heard = outcome.words()
    assert [role for role, _ in outcome.messages] == IN_ORDER
    assert outcome.messages[-2:] == [("user", "Never mind."), ("assistant", "Of course.")]
    assert heard == STORY.split()[: len(heard)]
    assert abs(outcome.error()) <= 1, (outcome.heard_ms, heard[-3:])
    assert outcome.reported.split() == heard


@pytest.mark.parametrize("number", range(10))
def test_the_context_holds_the_heard_words_in_every_family_s_order(tmp_path, number):
    order, voice = ORDERS[number % 5], ("heart", "low")[number // 5]
    call = Call(tmp_path, floor=(Floor.SERVER, Floor.LOCAL)[number % 2])
    cut_ms, by = (2130, 4410, 6870)[number % 3], BYS[(number + number // 5) % 5]
    outcome = call.interrupted(cut_ms, by, order=order, voice=voice)
    check(outcome)
    assert call.closed_with == [" ".join(outcome.words()), "Of course."]


@pytest.mark.parametrize("by", BYS)
def test_a_barge_in_within_a_second_keeps_the_order(tmp_path, by):
    check(Call(tmp_path).interrupted(700, by))


@pytest.mark.parametrize("by", ["server", "frame", "behind"])
def test_a_question_that_is_transcribed_late_still_comes_first(tmp_path, by):
    outcome = Call(tmp_path).interrupted(600, by, question_late_ms=150)
    check(outcome)
    assert outcome.messages[1] == ("user", QUESTION)


@pytest.mark.parametrize("by", ["stop", "behind"])
def test_a_question_without_an_end_is_not_waited_for(tmp_path, by):
    """Pipecat's service keeps it for half a second, to see whether more of the sentence comes."""
    outcome = Call(tmp_path).interrupted(250, by, question=QUESTION.rstrip("?"))
    check(outcome)


@pytest.mark.parametrize(
    ("by", "order"), [("server", "vertex"), ("speech", "3.8"), ("stop", "2.5")]
)
def test_without_a_playback_the_ledger_s_guess_corrects_the_context(tmp_path, by, order):
    check(Call(tmp_path, playback=False).interrupted(3300, by, order=order))


def test_a_reply_of_which_nothing_was_heard_leaves_no_message(tmp_path):
    outcome = Call(tmp_path).interrupted(40, "stop", order="vertex")
    assert [role for role, _ in outcome.messages] == ["user", "user", "user", "assistant"]


def test_a_tool_called_in_the_middle_of_a_reply_keeps_its_place(tmp_path):
    call = Call(tmp_path)
    asked = {"functionCalls": [{"id": "c1", "name": "look", "args": {}}]}
    outcome = call.interrupted(3000, "server", extra=[(1200, {"toolCall": asked})])
    assert outcome.error() in (-1, 0, 1)
    kinds = [
        message.get("tool_call_id") or ("call" if "tool_calls" in message else message["role"])
        for message in call.context.messages
    ]
    assert kinds == ["user", "user", "assistant", "call", "c1", "user", "assistant"]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def bot(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


CALL = {"role": "assistant", "tool_calls": []}
RESULT = {"role": "tool", "content": "one", "tool_call_id": "c1"}


@pytest.mark.parametrize(
    ("before", "heard", "question", "after"),
    [
        ([user("q"), bot("one two")], "one two", "", [user("q"), bot("one two")]),
        ([user("q"), bot("one  two three")], "one two", "", [user("q"), bot("one two")]),
        ([user("q"), bot("one")], "one two", "", [user("q"), bot("one two")]),
        ([user("q"), bot("one")], "", "", [user("q")]),
        ([user("q")], "one", "", [user("q"), bot("one")]),
        ([user("q")], "", "", [user("q")]),
        ([bot("one"), user("q")], "one two", "q", [user("q"), bot("one two")]),
        ([bot("one two"), user("q")], "one two", "q", [user("q"), bot("one two")]),
        ([user("q"), bot("one")], "one two", "q", [user("q"), bot("one two")]),
        ([bot("one two"), user("q")], "one", "", [bot("one two"), user("q"), bot("one")]),
        (
            [user("q"), CALL, RESULT, bot("one")],
            "one two",
            "",
            [user("q"), CALL, RESULT, bot("one two")],
        ),
        (
            [user("q"), bot("one"), CALL, RESULT],
            "one two",
            "",
            [user("q"), bot("one two"), CALL, RESULT],
        ),
        ([user("q"), bot("else")], "one", "", [user("q"), bot("else"), bot("one")]),
        ([], "one", "", [bot("one")]),
    ],
)
def test_correcting_the_context(before, heard, question, after):
    assert corrected(before, "one two three", heard, question) == after
    assert corrected(after, "one two three", heard, question) == after
