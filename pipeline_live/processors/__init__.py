"""Pipecat frame processors: microphone, VAD, Gemini Live, playback, sink. Thin; the call decides.

Loading this package loads Pipecat and checks its version.
"""

from pipeline_live.processors import compatibility
from pipeline_live.processors.files import FileTransport
from pipeline_live.processors.frames import (
    InterruptionReportFrame,
    InterruptionSparedFrame,
    PlayoutHeldFrame,
    PlayoutResumedFrame,
    ProtectReplyFrame,
    SpeechDismissedFrame,
    SpeechSuspectedFrame,
)
from pipeline_live.processors.local import LocalTransport, LocalTransportParams
from pipeline_live.processors.mic import MicSource
from pipeline_live.processors.playback import Playback
from pipeline_live.processors.service import GeminiLiveService, GeminiLiveVertexService
from pipeline_live.processors.sink import FileSink
from pipeline_live.processors.turns import local_turns, server_turns
from pipeline_live.processors.vad import SileroVAD
from pipeline_live.processors.volume import AudioFilter, Volume

compatibility.check()

__all__ = [
    "AudioFilter",
    "FileSink",
    "FileTransport",
    "GeminiLiveService",
    "GeminiLiveVertexService",
    "InterruptionReportFrame",
    "InterruptionSparedFrame",
    "LocalTransport",
    "LocalTransportParams",
    "MicSource",
    "Playback",
    "PlayoutHeldFrame",
    "PlayoutResumedFrame",
    "ProtectReplyFrame",
    "SileroVAD",
    "SpeechDismissedFrame",
    "SpeechSuspectedFrame",
    "Volume",
    "local_turns",
    "server_turns",
]
