"""The Pipecat client shares its pipeline with the tests of Pipecat itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipecat"))
