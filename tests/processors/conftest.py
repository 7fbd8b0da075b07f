"""For tests of processors: their helpers on the path, and what was logged."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def logs() -> Iterator[list[str]]:
    """Every line logged during the test, as ``module: message``."""
    lines: list[str] = []
    sink = logger.add(lambda m: lines.append(str(m)), format="{name}: {message}", level="DEBUG")
    yield lines
    logger.remove(sink)
