"""End of turn by smart-turn: Pipecat's own verdicts, one model for all calls."""

import asyncio

from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipelines import Lines, running, service_over

from pipeline_live.audio import OUTPUT_RATE, resample
from pipeline_live.emulator import synthesize
from pipeline_live.processors import endpointing
from pipeline_live.processors.endpointing import SmartTurn


def spoken(text: str) -> bytes:
    return resample(synthesize(text, "low").pcm, OUTPUT_RATE, 16_000) + bytes(6400)


CLIPS = [spoken(text) for text in ("What is the weather like?", "I would like to go to the and")]


async def pipecat_says(pcm: bytes) -> bool:
    analyzer = LocalSmartTurnAnalyzerV3()
    analyzer.set_sample_rate(16_000)
    analyzer.append_audio(pcm, True)
    state, _ = await analyzer.analyze_end_of_turn()
    await analyzer.cleanup()
    return state is EndOfTurnState.COMPLETE


def test_calls_that_ask_at_once_get_pipecats_verdicts_from_one_model():
    async def scenario() -> None:
        expected = [await pipecat_says(pcm) for pcm in CLIPS]
        loop = asyncio.get_running_loop()
        callers = [SmartTurn() for _ in range(3)]
        answers = {(n, k): loop.create_future() for n in range(3) for k in range(len(CLIPS))}
        for (n, k), answer in answers.items():
            callers[n].judge(CLIPS[k], 16_000, answer.set_result)
        for (_, k), answer in answers.items():
            assert await answer == expected[k]
        assert endpointing._model() is endpointing._model()

    asyncio.run(scenario())


def test_what_is_not_judged_when_a_call_ends_is_forgotten():
    async def scenario() -> None:
        caller, told = SmartTurn(), []
        caller.judge(CLIPS[0], 16_000, told.append)
        await caller.close()
        await asyncio.sleep(0)
        assert told == []
        assert await asyncio.wait_for(_verdict(CLIPS[0]), 30) in (True, False)

    asyncio.run(scenario())


async def _verdict(pcm: bytes) -> bool:
    answer = asyncio.get_running_loop().create_future()
    SmartTurn().judge(pcm, 16_000, answer.set_result)
    return bool(await answer)


def test_only_the_local_floor_asks_and_only_unless_told_otherwise():
    async def scenario() -> None:
        for options, patient in (
            ({"floor": "local"}, True),
            ({"floor": "local", "smart_turn": False}, False),
            ({}, False),
        ):
            service = service_over(Lines(), **options)
            assert service.call.ears is not None
            assert service.call.ears.patient is patient
            async with running(service):
                pass

    asyncio.run(scenario())
