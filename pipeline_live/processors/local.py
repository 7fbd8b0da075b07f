"""``LocalTransport``: this machine's microphone and loudspeaker as a Pipecat transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    StopFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from pipeline_live.audio import FADE_MS, INPUT_RATE, OUTPUT_RATE, mono, samples_to_ms
from pipeline_live.devices import LocalAudio
from pipeline_live.devices.local_audio import BUFFER_MS
from pipeline_live.errors import PipelineLiveError
from pipeline_live.playout_queue import PlayoutQueue
from pipeline_live.processors.tags import call_of
from pipeline_live.session import Call
from pipeline_live.turn.events import (
    Action,
    FlushPlayout,
    HoldPlayout,
    ResumePlayout,
    StartReply,
)

CHUNK_MS = 20
"""What Pipecat hands over at once."""
AHEAD_MS = 10
"""What waits for the device to take it when Pipecat hands over the next chunk."""
_STRAGGLERS_S = 0.2


class LocalTransportParams(TransportParams):
    """Pipecat's transport parameters, with both directions on, and the devices.

    Parameters:
        audio_in_enabled: Use the microphone.
        audio_out_enabled: Use the loudspeaker.
        audio_in_sample_rate: Rate of the microphone's frames in Hz; None for 16000.
        audio_out_sample_rate: Rate at which the loudspeaker is opened in Hz; None for 24000.
        audio_out_10ms_chunks: 20 ms are handed over at once, for fast silence.
        audio_out_end_silence_secs: No silence is played at the end.
        microphone: Number, name or part of a name; None for the system's default.
        loudspeaker: The same.
        echo_cancellation: Take the bot's voice out of what the microphone hears.
        device_buffer_ms: What the loudspeaker's device keeps ahead.
    """

    audio_in_enabled: bool = True
    audio_out_enabled: bool = True
    audio_in_sample_rate: int | None = INPUT_RATE
    audio_out_sample_rate: int | None = OUTPUT_RATE
    audio_out_10ms_chunks: int = CHUNK_MS // 10
    audio_out_end_silence_secs: int = 0
    microphone: str | None = None
    loudspeaker: str | None = None
    echo_cancellation: bool = True
    device_buffer_ms: int = BUFFER_MS


class LocalTransport(BaseTransport):
    """Microphone and loudspeaker of this machine, with echo cancellation.

    Passes through: what Pipecat's transports pass. Adds: microphone frames; bot speaking frames, as
    the base does. On interruption: silent within the device's buffer.

    Args:
        params: Rates and devices.
        tell: Gets one line about each thing that a person should know (no device, a device that
            vanished or came back); by default it is logged.
        name: As for every Pipecat transport; the processors' names follow.
        input_name: Name of the microphone's processor.
        output_name: Name of the loudspeaker's processor.

    Attributes:
        audio: The devices, for their names and levels.

    Raises:
        UsageError: The extra ``local`` is not installed, or a rate is out of range.
    """

    def __init__(
        self,
        params: LocalTransportParams | None = None,
        *,
        tell: Callable[[str], None] = logger.warning,
        name: str | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        super().__init__(name=name, input_name=input_name, output_name=output_name)
        params = params or LocalTransportParams()
        input_rate = params.audio_in_sample_rate or INPUT_RATE
        output_rate = params.audio_out_sample_rate or OUTPUT_RATE
        params = params.model_copy(
            update={"audio_in_sample_rate": input_rate, "audio_out_sample_rate": output_rate}
        )
        self._queue: PlayoutQueue[None] = PlayoutQueue(output_rate)
        self.audio = LocalAudio(
            self._pull,
            microphone=params.microphone,
            loudspeaker=params.loudspeaker,
            echo=params.echo_cancellation,
            input_rate=input_rate,
            output_rate=output_rate,
            buffer_ms=params.device_buffer_ms,
            tell=tell,
        )
        self._microphone = LocalInput(self.audio, params, name=input_name)
        self._loudspeaker = LocalOutput(self.audio, self._queue, params, name=output_name)

    def input(self) -> LocalInput:
        """The microphone."""
        return self._microphone

    def output(self) -> LocalOutput:
        """The loudspeaker."""
        return self._loudspeaker

    def _pull(self, samples: int) -> bytes:
        """In the device's thread."""
        pcm = self._queue.pull(samples)
        self._loudspeaker.pulled()
        return pcm


class LocalInput(BaseInputTransport):
    """The microphone of a ``LocalTransport``.

    Passes through: what a Pipecat input transport passes. Adds: ``InputAudioRawFrame`` of 20 ms,
    mono, without the loudspeaker's echo. On interruption: nothing, people go on talking.

    Args:
        audio: The devices.
        params: The transport's parameters.
    """

    def __init__(self, audio: LocalAudio, params: LocalTransportParams, **kwargs: Any) -> None:
        super().__init__(params, **kwargs)
        self._audio = audio
        self._wanted = params.audio_in_enabled
        self._listening: asyncio.Task[None] | None = None

    async def start(self, frame: StartFrame) -> None:
        """Open the microphone and begin to listen."""
        await super().start(frame)
        if self._wanted and self._listening is None:
            if not await _opened(self, self._audio.open_microphone()):
                return
            self._listening = self.create_task(self._listen())
        await self.set_transport_ready(frame)

    async def stop(self, frame: EndFrame) -> None:
        """Stop listening."""
        await super().stop(frame)
        await self._stop_listening()

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop listening."""
        await super().cancel(frame)
        await self._stop_listening()

    async def cleanup(self) -> None:
        """Close the devices, however the pipeline ended."""
        await super().cleanup()
        await self._stop_listening()
        await self._audio.close()

    async def _listen(self) -> None:
        async for chunk in self._audio.chunks():
            await self.push_audio_frame(InputAudioRawFrame(chunk, self._audio.input_rate, 1))

    async def _stop_listening(self) -> None:
        if self._listening is not None:
            await self.cancel_task(self._listening)
            self._listening = None


class LocalOutput(BaseOutputTransport):
    """The loudspeaker of a ``LocalTransport``.

    Passes through: what a Pipecat output transport passes. Adds: bot speaking frames, as the base
    does. Hold and resume: by direct call, for what it has taken already; ``Playback`` keeps the
    rest. On interruption: by direct call too, so it is silent before the InterruptionFrame comes;
    without a click.

    Args:
        audio: The devices.
        queue: What the loudspeaker pulls from.
        params: The transport's parameters.
    """

    def __init__(
        self,
        audio: LocalAudio,
        queue: PlayoutQueue[None],
        params: LocalTransportParams,
        **kwargs: Any,
    ) -> None:
        super().__init__(params, **kwargs)
        self._audio = audio
        self._queue = queue
        self._wanted = params.audio_out_enabled
        self._call: Call | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = asyncio.Event()
        self._stragglers_until_s = 0.0

    def pulled(self) -> None:
        """The device has taken some; called in its thread."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._room.set)

    async def start(self, frame: StartFrame) -> None:
        """Open the loudspeaker and become a hand of the call."""
        await super().start(frame)
        if self._wanted and self._loop is None:
            if not await _opened(self, self._audio.open_loudspeaker()):
                return
            self._loop = asyncio.get_running_loop()
            self._call = call_of(frame)
            if self._call is not None:
                self._call.sink_holds = True
                self._call.attach(self)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Flush with the base, and end a hold where ``Playback`` lets something pass it."""
        if isinstance(frame, EndFrame | StopFrame | CancelFrame) or _may_not_wait(frame):
            self._queue.resume()
        elif isinstance(frame, InterruptionFrame):
            self._flush()
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._stragglers_until_s = 0.0

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Take a chunk for playing; return when there is room for the next."""
        loop = asyncio.get_running_loop()
        if self._loop is None or loop.time() < self._stragglers_until_s:
            return self._loop is not None
        self._queue.put(mono(frame.audio, frame.num_channels), None)
        while samples_to_ms(self._queue.waiting, self._queue.rate) > AHEAD_MS:
            self._room.clear()
            await self._room.wait()
        return True

    async def cleanup(self) -> None:
        """Close the devices, however the pipeline ended."""
        await super().cleanup()
        if self._call is not None:
            self._call.detach(self)
        self._loop = None
        await self._audio.close()

    def perform(self, action: Action, at_ms: int) -> None:
        """Be the call's hand for what waits for the device."""
        match action:
            case HoldPlayout():
                self._tell_silence()
                self._queue.hold()
            case ResumePlayout():
                self._queue.resume()
            case FlushPlayout():
                self._tell_silence()
                self._flush()
                # What the base keeps goes with the InterruptionFrame, which is on its way.
                self._stragglers_until_s = asyncio.get_running_loop().time() + _STRAGGLERS_S
            case StartReply():
                self._stragglers_until_s = 0.0
            case _:
                pass

    def _flush(self) -> None:
        self._queue.flush()
        self._room.set()

    def _tell_silence(self) -> None:
        """Tell the call when the last sample is over; a hold before it has told already."""
        if self._call is not None and self._queue.sounding:
            silent_ms = self._call.now_ms() + self._audio.buffer_ms + FADE_MS
            self._call.fall_silent(silent_ms)


def _may_not_wait(frame: Frame) -> bool:
    return isinstance(frame, OutputAudioRawFrame) and not frame.interruptible


async def _opened(transport: LocalInput | LocalOutput, opening: Awaitable[None]) -> bool:
    """Open a device, or say in the pipeline why there is none (a wrong name, for one)."""
    try:
        await opening
    except PipelineLiveError as error:
        logger.error(str(error))
        await transport.push_error(str(error), exception=error, force_treat_as_permanent=True)
        return False
    return True
