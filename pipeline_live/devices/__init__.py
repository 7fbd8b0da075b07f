"""Microphone and loudspeaker of this machine, with echo cancellation; the extra ``local``.

Loading this package loads neither miniaudio nor the echo canceller; opening a device does.
"""

from pipeline_live.devices.echo import EchoCanceller
from pipeline_live.devices.local_audio import LocalAudio
from pipeline_live.devices.sound_cards import Device, Kind, devices

__all__ = [
    "Device",
    "EchoCanceller",
    "Kind",
    "LocalAudio",
    "devices",
]
