"""Gemini Live sessions that are never wrong about whose turn it is, for plain google-genai.

Loading this package loads google-genai but not Pipecat.
"""

from pipeline_live.session.call import Call, Endpointer, Hand
from pipeline_live.session.capabilities import Certainty
from pipeline_live.session.client import LiveClient
from pipeline_live.session.ears import Ears, EarsPolicy
from pipeline_live.session.live_session import LiveSession
from pipeline_live.session.player import Player
from pipeline_live.session.report import InterruptionReport
from pipeline_live.session.timeline import Timeline

__all__ = [
    "Call",
    "Certainty",
    "Ears",
    "EarsPolicy",
    "Endpointer",
    "Hand",
    "InterruptionReport",
    "LiveClient",
    "LiveSession",
    "Player",
    "Timeline",
]
