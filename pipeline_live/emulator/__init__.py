"""A Gemini Live server on loopback, for tests, demos and CI: no key, no network.

It speaks the protocol well enough that an unpatched google-genai client, and with it Pipecat's
Gemini Live service, holds a spoken conversation with it, interruptions included::

    async with Emulator(Script(["Hello there.", "It is sunny."])) as emulator:
        client = genai.Client(api_key="any", http_options=emulator.http_options())
        async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
            ...
    emulator.sessions[0].history  # what the model believes was said
"""

from pipeline_live.emulator.faults import Fault
from pipeline_live.emulator.gate import Limits
from pipeline_live.emulator.history import Entry, Session
from pipeline_live.emulator.script import Pattern, Reply, Script, ToolUse
from pipeline_live.emulator.script_file import read_script
from pipeline_live.emulator.server import Emulator
from pipeline_live.emulator.voice import Speech, Word, synthesize

__all__ = [
    "Emulator",
    "Entry",
    "Fault",
    "Limits",
    "Pattern",
    "Reply",
    "Script",
    "Session",
    "Speech",
    "ToolUse",
    "Word",
    "read_script",
    "synthesize",
]
