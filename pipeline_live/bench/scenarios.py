"""What is tried: who decides user turns, how the server behaves, and what the user does."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_live.emulator import Reply, Script, synthesize
from pipeline_live.errors import UsageError

REPLY = (
    "The harbour began as a row of wooden huts where fishermen dried their nets until merchants "
    "came with many ships full of salt and timber and then a fire burned half of it down so most "
    "of what you see today is rather new."
)
"""What the bot says in every call, 13 s without a pause: its own must not look like a reaction."""
GREETING = "Yes, go on."
"""What the bot says first where the user is to ask something."""
BOT_VOICE, USER_VOICE = "heart", "low"
_FIRST_SOUND_MS = 200


class Side(enum.StrEnum):
    """Whose bot."""

    OURS = "ours"
    STOCK = "stock"


class Act(enum.Enum):
    """What the user does while the bot speaks, or, to ask, once it has greeted."""

    SPEAK = "speak"
    STOP = "stop"
    NOISE = "noise"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which a reply is disturbed.

    Attributes:
        name: As given to ``--scenario``.
        title: What it is, for people.
        act: What the user does.
        local_floor: Local VAD decides user turns; otherwise the server's.
        interrupt_delay_ms: The server notices the user so much later.
        deaf: The server does not notice the user at all.
        first_ms: Earliest moment of the reply at which the user acts.
        last_ms: Latest one.
    """

    name: str
    title: str
    act: Act = Act.SPEAK
    local_floor: bool = False
    interrupt_delay_ms: int = 0
    deaf: bool = False
    first_ms: int = 1800
    last_ms: int = 4200


# The emulator notices a clear voice 160 ms after its onset, as the real server at its fastest did.
# In live phone calls the median was 420 ms (18 calls, published in 2026).
_TYPICAL_LAG_MS = 260

SCENARIOS = (
    Scenario(
        "server",
        "the server's VAD decides turns, as late as in live calls",
        interrupt_delay_ms=_TYPICAL_LAG_MS,
    ),
    Scenario("prompt", "the server's VAD decides turns, at its fastest"),
    Scenario("local", "local VAD decides turns", local_floor=True),
    Scenario("late", "the server notices the user 1.5 s late", interrupt_delay_ms=1500),
    Scenario("deaf", "the server never notices the user", deaf=True),
    # Sound comes 4.3 times faster than real time, so a reply of 13 s arrives for 3 s.
    Scenario(
        "stop",
        "an InterruptionFrame while the reply still arrives",
        Act.STOP,
        first_ms=800,
        last_ms=2200,
    ),
    Scenario("noise", "noise while the bot speaks", Act.NOISE, first_ms=1000, last_ms=2000),
    Scenario(
        "answer",
        "a question to a silent bot; the server's VAD decides turns",
        Act.ASK,
        first_ms=2200,
        last_ms=3000,
    ),
    Scenario(
        "answer-local",
        "a question to a silent bot; local VAD and smart-turn decide turns",
        Act.ASK,
        local_floor=True,
        first_ms=2200,
        last_ms=3000,
    ),
)


def chosen(names: Sequence[str]) -> tuple[Scenario, ...]:
    """The scenarios of these names, in the table's order; all without a name.

    Raises:
        UsageError: There is no such scenario.
    """
    known = {scenario.name: scenario for scenario in SCENARIOS}
    for name in names:
        if name not in known:
            raise UsageError(f"no scenario {name!r}; choose from {', '.join(known)}")
    return tuple(one for one in SCENARIOS if not names or one.name in names)


def script(reply: str = REPLY, act: Act = Act.SPEAK) -> Script:
    """One long reply, and nothing after it: whatever sounds later is a leak.

    Where the user asks, that reply is the answer, and a greeting comes before it.
    """
    before = [Reply(GREETING, delay_ms=_FIRST_SOUND_MS)] if act is Act.ASK else []
    return Script([*before, Reply(reply, delay_ms=_FIRST_SOUND_MS)], default="")


def reply_pcm(reply: str = REPLY) -> bytes:
    """The reply as the bot speaks it, 24 kHz."""
    return synthesize(reply, BOT_VOICE).pcm
