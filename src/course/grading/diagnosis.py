"""What is wrong with an answer, in one short paragraph; None if nothing is."""

from __future__ import annotations

import dis
import functools
import types
from typing import Any

from course.grading.case import case_difference, names_of_inputs
from course.grading.errors import text
from course.grading.exercise import Exercise, Mistake, call
from course.grading.outcome import Outcome, outcomes
from course.grading.words import name_of_type

SLIPS = (NameError, AttributeError, SyntaxError)


def diagnose(
    exercise: Exercise, answer: Any, found: list[Outcome] | None = None
) -> str | None:
    """Say what is wrong with `answer`, or return None if it is right.

    Args:
        exercise: The exercise.
        answer: What the learner gave.
        found: The outcomes of `answer`, where they are known already.
    """
    if not fits(exercise, answer):
        return _wrong_kind(exercise.reference, answer)
    found = outcomes(exercise, answer) if found is None else found
    expected = expected_of(exercise)
    names = names_of_inputs(exercise, answer)
    sentences = [
        case_difference(exercise, *pair, names)
        for pair in zip(found, expected, strict=True)
    ]
    if not any(sentences):
        return None
    if mistake := recognise(exercise, found, expected):
        return f"{mistake.says} [{mistake.name}]"
    # An exception tells more than a value that is off, so it is told first.
    raised = [
        s
        for s, f, e in zip(sentences, found, expected, strict=True)
        if s and f.error and not e.error
    ]
    return (raised or [sentence for sentence in sentences if sentence])[0]


def fits(exercise: Exercise, answer: Any) -> bool:
    """Whether `answer` can be run: a function where one is asked for, a value where a value is."""
    return exercise.run is not call or callable(exercise.reference) == callable(answer)


def recognise(
    exercise: Exercise, found: list[Outcome], expected: list[Outcome]
) -> Mistake | None:
    """The first known mistake that does the same as the answer in every case."""
    for mistake in exercise.mistakes:
        known = outcomes_of(exercise, mistake)
        if agree(exercise, found, known) and not agree(exercise, known, expected):
            return mistake
    return None


@functools.cache
def expected_of(exercise: Exercise) -> list[Outcome]:
    """What the reference does, found once: its cases are the same at each call."""
    return outcomes(exercise, exercise.reference)


@functools.cache
def outcomes_of(exercise: Exercise, mistake: Mistake) -> list[Outcome]:
    """What a known mistake does, found once."""
    return outcomes(exercise, mistake.answer)


def agree(exercise: Exercise, one: list[Outcome], other: list[Outcome]) -> bool:
    """Whether two answers did the same in every case.

    Exceptions agree if their types do. When there is nothing but exceptions, their texts must agree too:
    any two broken functions raise a TypeError.
    """
    if any(case_difference(exercise, *pair) for pair in zip(one, other, strict=True)):
        return False
    if one and all(outcome.error for outcome in one):
        return all(
            type(a.error) is type(b.error)
            and not isinstance(a.error, SLIPS)
            and text(a.error) == text(b.error)
            for a, b in zip(one, other, strict=True)
        )
    return True


def _wrong_kind(reference: Any, answer: Any) -> str:
    if callable(answer):
        return f"the answer is {name_of_type(answer)}, but {name_of_type(reference)} is asked for: call it?"
    return (
        f"the answer is {name_of_type(answer)}, but {name_of_type(reference)} is asked for."
    )


def is_empty(function: Any) -> bool:
    """Whether a function has no body besides its docstring and an ellipsis or `pass`."""
    if not isinstance(function, types.FunctionType):
        return False
    body = list(dis.get_instructions(function))
    names = [instruction.opname for instruction in body]
    empty = [instruction.opname for instruction in dis.get_instructions(lambda: None)]
    return names == empty and all(instruction.argval is None for instruction in body[1:])
