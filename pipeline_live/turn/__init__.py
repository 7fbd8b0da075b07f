"""Whose turn it is: facts in, actions out. Pure: no asyncio, no clock, no logging."""

from pipeline_live.turn.machine import TurnMachine
from pipeline_live.turn.playout import PlayoutLedger, Reply
from pipeline_live.turn.policy import BargeIn, Floor, Phantom, TurnPolicy

__all__ = ["BargeIn", "Floor", "Phantom", "PlayoutLedger", "Reply", "TurnMachine", "TurnPolicy"]
