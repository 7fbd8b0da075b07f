"""``pipeline-live emulate --check``: a recording of the real service against the emulator."""

from pipeline_live.emulator.check.compare import Report, check
from pipeline_live.emulator.check.reading import read_takes

__all__ = ["Report", "check", "read_takes"]
