"""The grader as it was before any cell ran.

A notebook and its grader share one process, so a cell can replace a function of the package, by accident or
not. The plugin seals the package when the kernel starts and restores it before each check cell.
"""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable

import course.grading.diagnosis
import course.grading.outcome  # noqa: F401  (loaded now, so that it is sealed too)
from course.bank import load


def seal() -> Callable[[], None]:
    """Remember what the package's modules and the built-in names hold; the result puts it back."""
    modules = {
        name: (module, dict(vars(module)))
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "course"
    }
    names = dict(vars(builtins))

    def restore() -> None:
        names_now = vars(builtins)
        names_now.update({name: value for name, value in names.items() if name != "_"})
        for name, (module, held) in modules.items():
            vars(module).update(held)
            sys.modules[name] = module

    return restore


def describe(chapter: str) -> str:
    """What the plugin must know of a chapter's exercises, as JSON; loads the chapter's bank."""
    return json.dumps({e.number: {"kind": e.kind, "needs": e.needs} for e in load(chapter)})
