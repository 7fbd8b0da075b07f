"""The call itself: deadlines that are kept whatever else happens, and hands that fail."""

import asyncio
import contextlib

import pytest
from virtual_time import run_virtual

from pipeline_live.session import Call
from pipeline_live.turn.events import (
    AudioReceived,
    EndUserTurn,
    Interrupted,
    PlayoutAdvanced,
    SpeechEnded,
    SpeechStarted,
    SpeechSuspected,
)
from pipeline_live.turn.tables import Gate, Playout

SLACK_MS = 100
"""A deadline is looked at twice, so as to read first what came while the loop stood still."""


@pytest.mark.parametrize("every_ms", [5, 30, 200])
def test_a_hold_ends_at_its_limit_however_often_sound_arrives_meanwhile(every_ms):
    async def scenario() -> None:
        call = Call()
        call.apply(AudioReceived(call.now_ms(), 2400))
        call.apply(SpeechSuspected(held_ms := call.now_ms(), held_ms))
        while call.machine.playout is Playout.HELD:
            call.apply(AudioReceived(call.now_ms(), 2400))
            await asyncio.sleep(every_ms / 1000)
            assert (
                call.now_ms() - held_ms <= call.machine.policy.hold_limit_ms + SLACK_MS + every_ms
            )
        call.end()

    run_virtual(scenario())


def test_the_gate_opens_at_its_deadline_while_a_sink_reports_what_it_plays():
    async def scenario() -> None:
        call = Call()
        call.apply(AudioReceived(call.now_ms(), 2400))
        call.apply(Interrupted(ended_ms := call.now_ms()))
        while call.machine.gate is not Gate.IDLE:
            call.apply(PlayoutAdvanced(call.now_ms(), 1, 480))
            await asyncio.sleep(0.02)
            assert call.now_ms() - ended_ms <= call.machine.policy.closing_quiet_ms + SLACK_MS
        call.end()

    run_virtual(scenario())


def test_a_hand_that_fails_fails_alone_and_the_call_goes_on():
    class Asking:
        def perform(self, action, at_ms):
            if isinstance(action, EndUserTurn):
                call.ask()

    class Failing:
        def perform(self, action, at_ms):
            if isinstance(action, EndUserTurn):
                raise RuntimeError("a bug")

    async def scenario() -> list[str]:
        call.attach(Asking())
        call.attach(Failing())
        call.apply(SpeechStarted(now := call.now_ms(), now))
        with contextlib.suppress(RuntimeError):
            call.apply(SpeechEnded(now))
        return [type(action).__name__ for action in call.apply(AudioReceived(now, 480))]

    call = Call()
    assert run_virtual(scenario()) == ["StartReply", "Deliver"]
    assert call.timeline.counts["AnswerRequested"] == 1
