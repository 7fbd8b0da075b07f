"""A virtual clock: when every task waits, time jumps to the next timer.

A wait of thirty seconds costs nothing and two runs are alike. Only for in-memory things: while
bytes fly over a real socket the clock would jump ahead of them.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector:
    """Polls the real selector and, when nothing is ready, moves the loop's clock instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: VirtualTimeLoop | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def select(self, timeout: float | None = None) -> list[Any]:
        assert self.loop is not None
        if self.loop.threads:  # a thread will call back: only real time helps here
            return self._real.select(0.05)
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:  # the default executor shuts down from a thread of its own
            ready = self._real.select(5)
            if not ready:
                raise RuntimeError("deadlock: no task can run and no timer is set")
            return ready
        self.loop.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` moves only when there is nothing else to do."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        self.now = 0.0
        self.threads = 0
        selector.loop = self
        super().__init__(selector)  # type: ignore[arg-type]

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self.threads -= 1


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
