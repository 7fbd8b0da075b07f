"""Shared by all tests: fakes on the path, and where the shared material may lie."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared() -> Path:
    """The folder with real recordings and speech, when it lies beside the project."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the project: real recordings and speech are not tried")
    return SHARED
