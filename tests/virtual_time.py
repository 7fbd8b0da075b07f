"""A virtual clock: when every task waits, time jumps to the next timer.

A wait of thirty seconds costs nothing and two runs are alike. It is the clock on which the tests of
bots in YAML are held.
"""

from pipeline_live.trial.clock import run as run_virtual

__all__ = ["run_virtual"]
