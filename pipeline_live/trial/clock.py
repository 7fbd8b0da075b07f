"""An event loop whose clock stands still while something works, and jumps when all wait.

So a conversation of a minute takes a few seconds, and the computing time of a slow machine is in no
result. Both ends of the WebSocket run on this one loop: what one end sends over loopback lies ready
for the other by the time the loop looks again, so the clock does not jump ahead of bytes on their
way.
Only threads, and only loopback: a tool that asks a web service needs real time.
"""

from __future__ import annotations

import asyncio
import functools
import os
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_THREAD_LOOK_S = 0.002
_DEADLOCK_S = 5
_LOOKS = 2
"""How often sockets are looked at before the clock jumps, the kernel's turn in between."""
_yield_to_the_kernel = getattr(os, "sched_yield", functools.partial(time.sleep, 0))  # Windows


class _Selector:
    """Looks at the real sockets; when nothing is ready, moves the clock instead of waiting."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: JumpingLoop | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def select(self, timeout: float | None = None) -> list[Any]:
        """What is ready; never waits while there is a timer."""
        assert self.loop is not None
        if self.loop.threads:
            return self._real.select(_THREAD_LOOK_S)
        for _ in range(_LOOKS):
            ready = self._real.select(0)
            if ready or timeout == 0:
                return ready
            _yield_to_the_kernel()
        if timeout is None:  # the default executor shuts down from a thread of its own
            ready = self._real.select(_DEADLOCK_S)
            if not ready:
                raise RuntimeError("deadlock: no task can run and no timer is set")
            return ready
        self.loop.now += max(timeout, 0.0)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """The loop.

    Attributes:
        now: Its time, in seconds.
        threads: How many threads work for it.
    """

    def __init__(self) -> None:
        selector = _Selector()
        self.now = 0.0
        self.threads = 0
        selector.loop = self
        super().__init__(selector)  # type: ignore[arg-type]

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """As the base; the clock stands still until the thread is done."""
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self.threads -= 1


def run(main: Coroutine[Any, Any, T], *, real_time: bool = False) -> T:
    """Like ``asyncio.run``, in jumping time unless real time is asked for."""
    factory = None if real_time else JumpingLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
