"""What the replies of a kernel say of an exercise: its state, and one paragraph for the learner."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from course.exercises.plan import Part
from course.exercises.session import Reply


@dataclass(frozen=True)
class Happened:
    """What came of the cells of an exercise.

    Attributes:
        check: The reply to its check.
        own: Replies to those of its other cells that failed.
        earlier: Replies to cells of other exercises that failed.
        timeout: Seconds that one cell might take.
    """

    check: Reply
    own: list[Reply] = field(default_factory=list)
    earlier: list[Reply] = field(default_factory=list)
    timeout: float = 60.0


def verdict(chapter: str, part: Part, happened: Happened) -> tuple[str, str]:
    """The state of an exercise, "right", "wrong" or "not done", and what there is to say."""
    name, reply = f"Exercise {part.number}", happened.check
    not_done = f"{name}: not done yet."
    if reply.status == "ok":
        last = reply.printed.strip().splitlines()[-1:]
        if last == [f"{name}: correct."]:
            return "right", f"{name}: correct."
        return "wrong", f"{name} is not right yet: its check ended without a verdict."
    if part.untouched and not part.missing:
        return "not done", not_done
    if reply.name == "NotDone":
        return "not done", reply.message
    if reply.name == "Wrong":
        return "wrong", reply.message
    if reply.status == "error" and _is_blank(reply):
        return "not done", not_done
    if reply.name == "NameError":
        return _undefined(chapter, part, happened)
    ending = _ending(reply, "your code", happened.timeout)
    return "wrong", f"{name} is not right yet: {ending}"


def _undefined(chapter: str, part: Part, happened: Happened) -> tuple[str, str]:
    """The check found no answer: say why, from the cells that failed."""
    name = f"Exercise {part.number}"
    others = [reply for reply in happened.own if not _is_blank(reply)]
    if others:
        ending = _ending(others[0], "its cell", happened.timeout)
        return "wrong", f"{name} is not right yet: {ending}"
    if happened.own:
        return "not done", f"{name}: not done yet."
    if part.missing:
        restore = f"`course reset {chapter} {part.number}` restores it"
        return "not done", f"{name}: not done yet, and its cell is gone; {restore}."
    text = _unknown(happened.check)
    if happened.earlier:
        first = _ending(happened.earlier[0], "an earlier cell", happened.timeout)
        return "wrong", f"{name} cannot be checked: {text}; {first}"
    return "not done", f"{name}: not done yet: {text}."


def _is_blank(reply: Reply) -> bool:
    return reply.name == "NotImplementedError" and "Exercise " in reply.message


def _unknown(reply: Reply) -> str:
    """What a check misses, in the words of a learner who may have chosen another name."""
    named = re.match(r"name '(\w+)' is not defined", reply.message)
    if not named:
        return reply.message.rstrip(".")
    return f"its check looks for a variable called `{named[1]}`, which no cell defines"


def _ending(reply: Reply, subject: str, timeout: float) -> str:
    """How a cell ended that did not end well."""
    if reply.status == "timeout":
        return (
            f"{subject} was stopped after {timeout:g} s: is there a loop that never ends?"
        )
    if reply.status == "dead":
        return f"{subject} ended the kernel (out of memory, `exit()`, or a crash in compiled code)."
    where = f" (in {reply.line})" if reply.line else ""
    return f"{subject} stops with {reply.error.rstrip('.')}{where}."
