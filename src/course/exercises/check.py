"""Check an answer: say that it is right, or raise what is wrong with it."""

from __future__ import annotations

import re
from typing import Any


class Verdict:
    """Makes a notebook show an exception as its text alone, without the stack of the grader."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Wrong(Verdict, AssertionError):
    """The answer is not right yet; the text is the diagnosis."""


class NotDone(Verdict, Exception):
    """The blank is not filled in yet."""


def check(chapter: str, number: int, answer: Any) -> None:
    """Compare `answer` with the reference of an exercise and print that it is correct.

    Args:
        chapter: The chapter, such as ``"scaled_dot_product"``.
        number: The number of the exercise.
        answer: What the exercise asks for: a function, a class or a value.

    Raises:
        LookupError: There is no such exercise.
        NotDone: The blank is still a blank.
        Wrong: The answer is not right; the message says why.
    """
    # The bank and the comparison need torch; the command line and the pytest plugin, which import this
    # package too, do not.
    from course.bank import find
    from course.grading.diagnosis import diagnose, fits, is_empty
    from course.grading.outcome import outcomes

    exercise = find(chapter, number)
    blank = answer is Ellipsis or (answer is None and exercise.reference is not None)
    if blank or is_empty(answer):
        raise NotDone(f"Exercise {number}: not done yet.")
    found = None
    if fits(exercise, answer):
        found = outcomes(exercise, answer)
        for outcome in found:
            if sentence := _not_done(number, outcome.error):
                raise NotDone(sentence)
    if sentence := diagnose(exercise, answer, found):
        raise Wrong(f"Exercise {number} is not right yet: {sentence}")
    print(f"Exercise {number}: correct.")


def _not_done(number: int, error: BaseException | None) -> str | None:
    """The sentence for a blank that raised; torch raises NotImplementedError too, so its text decides."""
    if not isinstance(error, NotImplementedError):
        return None
    named = re.match(r"Exercise (\d+)", str(error))
    if named and int(named[1]) != number:
        return f"Exercise {number} waits for exercise {named[1]}, which is not done yet."
    return f"Exercise {number}: not done yet." if named or not str(error) else None
