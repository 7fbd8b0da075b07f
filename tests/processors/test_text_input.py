"""Text over a playing reply in a Pipecat bot: however it comes, it stops the reply."""

import asyncio
from typing import Any

import pytest
from fakes import COMPLETE, GENERATED, INTERRUPTED, audio, said
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    Frame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipelines import Lines, Tap, running, service_over
from virtual_time import run_virtual

from pipeline_live.processors import (
    FileSink,
    GeminiLiveService,
    InterruptionReportFrame,
    Playback,
    local_turns,
    server_turns,
)
from pipeline_live.turn.events import Source, SpeechEnded, SpeechStarted

QUESTION: Any = {"role": "user", "content": "And now?"}


class Bot:
    """A bot over a line that the test holds, as our README builds it, or with the import alone."""

    def __init__(self, folder: Any, floor: str = "server", *, bare: bool = False, model: str = ""):
        self.lines = Lines()
        settings = GeminiLiveService.Settings(model=f"models/{model or 'gemini-3.8-live'}")
        self.service = service_over(self.lines, floor=floor, settings=settings)
        turns = None if bare else local_turns() if floor == "local" else server_turns()
        self.context = LLMContext([{"role": "user", "content": "Hello."}])
        self.pair = LLMContextAggregatorPair(self.context, user_params=turns)
        self.after = Tap()
        self.sink = FileSink(folder / "call.wav")
        self.players = [] if bare else [Playback()]
        self.worker: Any = None

    def run(self, play: Any) -> None:
        async def scenario() -> None:
            steps = [self.pair.user(), self.service, *self.players, self.after, self.sink]
            async with running(*steps, self.pair.assistant()) as self.worker:
                await play()

        run_virtual(scenario())

    async def talks(self) -> None:
        """Until the bot is in the middle of its first reply."""
        await self.worker.queue_frame(LLMRunFrame())
        while not self.lines.opened:
            await self.sent(0)
        await self.sent(1)
        self.lines.line.feed(audio(1, samples=24 * 8000), said("A long story"))
        await self.after.until(lambda: len(self.after.sounds) > 5 or self.bare_sound())

    def bare_sound(self) -> bool:
        return bool(self.after.sounds) and not self.players

    def words(self) -> str:
        return "".join(frame.text for frame in self.after.of(TTSTextFrame))

    async def sent(self, count: int) -> None:
        while len(self.written()) < count:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)

    def written(self) -> list[str]:
        """What was written to the model, in order: words of turns that it answers, and text."""
        found = []
        for message in self.lines.line.sent if self.lines.opened else []:
            text = message.get("realtime_input", {}).get("text", "")
            content = message.get("client_content", {})
            if text.strip():
                found.append(text)
            elif content.get("turnComplete", content.get("turn_complete")):
                parts = [part for turn in content["turns"] for part in turn["parts"]]
                found.append(parts[-1]["text"])
        return found


def append(*, run_llm: bool = True) -> Frame:
    return LLMMessagesAppendFrame([dict(QUESTION)], run_llm=run_llm)


@pytest.mark.parametrize("floor", ["server", "local"])
@pytest.mark.parametrize("bare", [False, True], ids=["with Playback", "import only"])
@pytest.mark.parametrize("kind", ["InputTextRawFrame", "LLMMessagesAppendFrame"])
def test_text_stops_the_reply_and_is_answered_whole(tmp_path, floor, bare, kind):
    bot = Bot(tmp_path, floor, bare=bare)

    async def play() -> None:
        await bot.talks()
        frame = InputTextRawFrame("And now?") if kind == "InputTextRawFrame" else append()
        await bot.worker.queue_frame(frame)
        await bot.after.until(lambda: bot.after.of(InterruptionReportFrame))
        await bot.after.until(lambda: bot.after.of(InterruptionFrame))
        (report,) = bot.after.of(InterruptionReportFrame)
        assert report.report.source is Source.TEXT
        assert bot.service.call.machine.reply.dead
        await bot.sent(2)
        assert bot.written() == ["Hello.", "And now?"]
        before = len(bot.after.sounds)
        bot.lines.line.feed(audio(2, samples=24_000), said(" of old"), INTERRUPTED, COMPLETE)
        bot.lines.line.feed(audio(3, samples=24_000), said("Later."), GENERATED, COMPLETE)
        await bot.after.until(lambda: len(b"".join(bot.after.sounds[before:])) >= 48_000)
        assert set(b"".join(bot.after.sounds[before:])) == {0, 3}
        assert len(bot.after.of(InterruptionFrame)) == 1
        await bot.after.until(lambda: bot.words().endswith("Later."))
        assert bot.words().replace("A long story", "") == "Later."

    bot.run(play)


def test_a_message_for_the_context_alone_is_not_sent_and_stops_nothing(tmp_path):
    bot = Bot(tmp_path)

    async def play() -> None:
        await bot.talks()
        await bot.worker.queue_frame(append(run_llm=False))
        await bot.after.until(lambda: len(bot.after.sounds) > 20)
        assert bot.written() == ["Hello."]
        assert not bot.after.of(InterruptionFrame)
        assert bot.context.get_messages()[1] == QUESTION

    bot.run(play)


def test_the_message_that_begins_a_conversation_is_sent_once(tmp_path):
    bot = Bot(tmp_path)

    async def play() -> None:
        await bot.worker.queue_frame(append())
        while not bot.lines.opened:
            await bot.sent(0)
        await bot.sent(1)
        bot.lines.line.feed(audio(1), GENERATED, COMPLETE)
        await bot.after.until(lambda: bot.after.sounds)
        assert bot.written() == ["And now?"]

    bot.run(play)


def test_a_model_that_takes_no_turns_in_mid_session_gets_the_words_as_text(tmp_path):
    bot = Bot(tmp_path, model="gemini-3.1-flash-live-preview")

    async def play() -> None:
        await bot.talks()
        await bot.worker.queue_frame(append())
        await bot.sent(2)
        assert bot.lines.line.sent[-1] == {"realtime_input": {"text": "And now?"}}

    bot.run(play)


def test_a_bot_that_is_told_to_stop_before_it_answers_stays_silent_and_answers_the_next(tmp_path):
    bot = Bot(tmp_path)

    async def play() -> None:
        await bot.worker.queue_frame(LLMRunFrame())
        while not bot.lines.opened:
            await bot.sent(0)
        await bot.sent(1)
        await bot.worker.queue_frame(InterruptionFrame())
        await bot.after.until(lambda: bot.after.of(InterruptionFrame))
        bot.lines.line.feed(audio(1, samples=24_000), said("Hi."), GENERATED, COMPLETE)
        await bot.worker.queue_frame(InputTextRawFrame("And now?"))
        await bot.sent(2)
        bot.lines.line.feed(audio(2, samples=24_000), said("Later."), GENERATED, COMPLETE)
        await bot.after.until(lambda: len(b"".join(bot.after.sounds)) >= 48_000)
        assert set(b"".join(bot.after.sounds)) == {0, 2}
        assert not bot.after.of(BotStartedSpeakingFrame)

    bot.run(play)


@pytest.mark.parametrize("begins", [True, False], ids=["a turn begins", "the button"])
def test_a_stop_behind_the_last_word_is_told_from_the_interruption_that_begins_a_turn(
    tmp_path, begins
):
    """The user has asked; only what is no turn's beginning is meant for the answer."""
    bot = Bot(tmp_path)

    async def play() -> None:
        await bot.worker.queue_frame(LLMRunFrame())
        while not bot.lines.opened:
            await bot.sent(0)
        await bot.sent(1)
        call = bot.service.call
        if begins:
            await bot.worker.queue_frame(UserStartedSpeakingFrame())
        else:
            call.apply(SpeechStarted(call.now_ms(), call.now_ms()))
            await asyncio.sleep(1)
        last_sound_ms = call.now_ms()
        await bot.worker.queue_frame(InterruptionFrame())
        await bot.after.until(lambda: bot.after.of(InterruptionFrame))
        if not begins:
            await asyncio.sleep(0.5)
            call.apply(SpeechEnded(call.now_ms(), last_sound_ms))
        bot.lines.line.feed(audio(1, samples=24_000), said("Hi."), GENERATED, COMPLETE)
        await asyncio.sleep(1)
        assert bool(bot.after.sounds) == begins

    bot.run(play)
