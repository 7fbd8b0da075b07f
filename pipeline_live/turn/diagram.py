"""The state diagram of the turn machine, drawn from its tables.

``python -m pipeline_live.turn.diagram`` prints it as Mermaid; ``ARCHITECTURE.md`` holds a copy that
a test compares. What no row says (facts that leave a state alone) is not drawn.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline_live.turn.tables import (
    ANSWER,
    GATE,
    HOLD,
    USER,
    Answer,
    Gate,
    Playout,
    Row,
    State,
    User,
)


def mermaid() -> str:
    """All regions as one Mermaid state diagram, one arrow per pair of states."""
    lines = ["stateDiagram-v2"]
    lines += _region("Gate", Gate.IDLE, GATE)
    lines += _region("Floor", User.QUIET, USER)
    lines += _region("Hold", Playout.PLAYING, HOLD)
    lines += _region("Answer", Answer.NONE, ANSWER)
    return "\n".join(lines)


def _region(title: str, start: State, table: Mapping[Any, Row]) -> list[str]:
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, fact), row in table.items():
        arrows[state.value, row.to.value].append(fact.__name__)
    lines = [f"    state {title} {{", f"        [*] --> {start.value}"]
    for (begin, end), facts in arrows.items():
        lines.append(f"        {begin} --> {end} : {', '.join(sorted(facts))}")
    return [*lines, "    }"]


if __name__ == "__main__":
    sys.stdout.write(mermaid() + "\n")
