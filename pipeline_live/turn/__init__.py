"""Whose turn it is: facts in, actions out. Pure: no asyncio, no clock, no logging."""

from pipeline_live.turn.machine import BargeIn, Floor, TurnMachine, TurnPolicy
from pipeline_live.turn.playout import PlayoutLedger, Reply

__all__ = ["BargeIn", "Floor", "PlayoutLedger", "Reply", "TurnMachine", "TurnPolicy"]
