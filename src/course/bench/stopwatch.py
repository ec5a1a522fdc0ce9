"""Time several things fairly: in turns, the best of several rounds each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch


def interleave(
    runs: Mapping[str, Callable[[], object]],
    rounds: int = 5,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    limit: float = math.inf,
) -> dict[str, float]:
    """Run everything in turns and return the shortest time of each, in seconds.

    What else the computer does slows a run down and never speeds it up, so the shortest time is the one that
    says most about the code; and because all take turns, a busy minute hits all of them.

    Args:
        runs: What to run, by name.
        rounds: How often each is timed.
        warm: How often each runs before that, untimed.
        clock: What the time is read from. What runs in one thread can be measured with `time.process_time`,
            which stands still while other programs have the processor.
        limit: What has been timed for so many seconds in all takes no further turns.

    Returns:
        Seconds by name.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(-warm, rounds):
        for name, run in runs.items():
            if sum(times[name]) > limit:
                continue
            took = seconds(run, clock)
            if turn >= 0:
                times[name].append(took)
    return {name: min(took, default=math.inf) for name, took in times.items()}


def seconds(
    run: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> float:
    """The seconds that one run takes, work that it left to a GPU included."""
    _wait()
    start = clock()
    run()
    _wait()
    return clock() - start


def _wait() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
