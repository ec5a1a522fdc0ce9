"""A pytest plugin: the notebooks of a run share one kernel, which forgets in between what they did.

A kernel costs two seconds of processor time, most of them to load torch. Cells must end: a kernel that is
stopped to end a loop would go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nbval import plugin

from course.exercises import session

FORGET = """
import sys
for name in [name for name in sys.modules if name.partition(".")[0] == "course"]:
    del sys.modules[name]
get_ipython().run_line_magic("reset", "-f")
"""

free: list[Shared] = []


class Shared:
    """A kernel that goes on when it is stopped, unless it has ended."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernel, name)

    def stop(self) -> None:
        """Forget, and wait for the next notebook."""
        if not self.kernel.is_alive():
            self.kernel.stop()
            return
        message = self.kernel.execute_cell_input(FORGET, allow_stdin=False)
        self.kernel.await_reply(message, timeout=30)
        self.kernel.await_idle(message, timeout=30)
        free.append(self)


def shared(start: Callable) -> Callable:
    """The way to start a kernel, but one that is free is taken first."""
    return lambda *args, **kwargs: free.pop() if free else Shared(start(*args, **kwargs))


def pytest_configure(config: pytest.Config) -> None:
    session.Kernel = shared(session.Kernel)
    plugin.RunningKernel = shared(plugin.RunningKernel)


def pytest_unconfigure(config: pytest.Config) -> None:
    for kernel in free:
        kernel.kernel.stop()
