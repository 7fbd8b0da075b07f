"""The conversation: one call over as many connections as it takes, and the sound cards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from google import genai
from google.genai import types

from pipeline_live.audio import INPUT_RATE
from pipeline_live.devices import LocalAudio
from pipeline_live.devices.local_audio import BUFFER_MS
from pipeline_live.session import Call, EarsPolicy, LiveClient, LiveSession, Player
from pipeline_live.session.connection import CONNECT_FAILURES, explain
from pipeline_live.talk.follower import Follower
from pipeline_live.talk.lines import INSTRUCTION, OPENING
from pipeline_live.talk.screen import Screen
from pipeline_live.turn import Floor

MAX_FAILURES = 5
"""Connections in a row that may fail before the conversation ends."""
_BACKOFF_S = (0.5, 1, 2, 4)
_REDRAW_S = 0.1
_CONFIG = types.LiveConnectConfig(
    response_modalities=[types.Modality.AUDIO],
    system_instruction=INSTRUCTION,
    input_audio_transcription=types.AudioTranscriptionConfig(),
    output_audio_transcription=types.AudioTranscriptionConfig(),
)


@dataclass(frozen=True, slots=True)
class Cards:
    """Which sound cards.

    Attributes:
        microphone: Number, name or part of a name; None for the system's default.
        loudspeaker: The same.
        echo: Cancel the echo.
    """

    microphone: str | None
    loudspeaker: str | None
    echo: bool


class Conversation:
    """Talks until cancelled.

    Args:
        client: Whom to talk to.
        model: The model's id.
        cards: The sound cards.
        screen: Where to tell what happens.
    """

    def __init__(self, client: genai.Client, model: str, cards: Cards, screen: Screen) -> None:
        self._model = model
        self._cards = cards
        self._screen = screen
        self._call = Call(floor=Floor.SERVER, ears=EarsPolicy())
        self._client = LiveClient(client, call=self._call)
        self._follower = Follower(self._call, screen)
        self._connected = False
        self._failures = 0

    async def hold(self) -> None:
        """Open the sound cards, then talk over one connection after the other.

        Raises:
            PipelineLiveError: No such device, no connection, or none any more.
        """
        player = Player(self._call, latency_ms=BUFFER_MS)
        try:
            async with LocalAudio(
                player.pull,
                microphone=self._cards.microphone,
                loudspeaker=self._cards.loudspeaker,
                echo=self._cards.echo,
                tell=self._tell,
            ) as audio:
                self._screen.line(_named(audio))
                await _until_one_ends(self._show(audio, player), self._connect(audio, player))
        finally:
            player.close()
            self._call.end()
            self._screen.close()

    def summary(self) -> str:
        """The call in one line."""
        counts = self._call.timeline.counts
        told = [
            _counted(counts["StartReply"], "reply", "replies"),
            _counted(counts["ReportInterruption"], "interruption", "interruptions"),
            _counted(counts["ReportFalseAlarm"], "false alarm", "false alarms"),
        ]
        return ", ".join(told)

    async def _connect(self, audio: LocalAudio, player: Player) -> None:
        while True:
            try:
                async with self._client.open(model=self._model, config=_CONFIG) as session:
                    await self._open(session)
                    await _until_one_ends(_listen(audio, session), self._speak(player, session))
            except CONNECT_FAILURES as error:
                failure = explain(error)
                self._failures += 1
                if failure.terminal or not self._connected or self._failures >= MAX_FAILURES:
                    raise failure from None
                self._tell(f"{failure}; connecting again")
                await asyncio.sleep(_BACKOFF_S[min(self._failures, len(_BACKOFF_S)) - 1])

    async def _open(self, session: LiveSession) -> None:
        if self._connected:
            self._tell("connected again; the model has forgotten what was said")
            return
        self._connected = True
        self._screen.line("speak; Ctrl-C ends the call")
        opening = types.Content(role="user", parts=[types.Part(text=OPENING)])
        await session.send_client_content(turns=opening)

    async def _speak(self, player: Player, session: LiveSession) -> None:
        said = {"you": "", "bot": ""}
        while True:
            async for message in session.receive():
                self._failures = 0
                await player.play(message.data, session.current_reply)
                content = message.server_content
                if content is None:
                    continue
                said["you"] += _words(content.input_transcription)
                said["bot"] += _words(content.output_transcription)
                if content.interrupted:
                    said["bot"] = ""  # what was heard of it stands in the report
                if content.generation_complete or content.turn_complete or content.interrupted:
                    self._tell_words(said)

    async def _show(self, audio: LocalAudio, player: Player) -> None:
        while True:
            state = self._follower.state(player.waiting_ms)
            self._screen.levels(audio.heard.read_db(), audio.played.read_db(), state)
            await asyncio.sleep(_REDRAW_S)

    def _tell(self, what: str) -> None:
        self._screen.event(self._call.now_ms(), "call", what)

    def _tell_words(self, said: dict[str, str]) -> None:
        for who, words in said.items():
            if words.strip():
                self._screen.event(self._call.now_ms(), who, f'"{words.strip()}"')
            said[who] = ""


async def _listen(audio: LocalAudio, session: LiveSession) -> None:
    async for chunk in audio.chunks():
        sound = types.Blob(data=chunk, mime_type=f"audio/pcm;rate={INPUT_RATE}")
        await session.send_realtime_input(audio=sound)


async def _until_one_ends(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run both until one ends, or fails; leaves no task behind."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _named(audio: LocalAudio) -> str:
    microphone, loudspeaker = audio.names
    echo = "on" if audio.cancels_echo else "off"
    return f"microphone: {microphone}; loudspeaker: {loudspeaker}; echo cancellation: {echo}"


def _words(transcription: types.Transcription | None) -> str:
    return (transcription.text if transcription else "") or ""


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"
