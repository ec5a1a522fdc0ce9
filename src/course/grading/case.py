"""What is wrong with an answer in one case."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from course.grading.difference import difference
from course.grading.errors import error_difference
from course.grading.exercise import Exercise, call
from course.grading.outcome import Outcome, differentiable
from course.grading.tolerance import Tolerance
from course.grading.words import short

FORETOLD = ("derive", "predict")


def case_difference(
    exercise: Exercise, found: Outcome, expected: Outcome, names: Sequence[str] = ()
) -> str | None:
    tolerance = Tolerance(exercise.rtol, exercise.atol)
    # Without inputs, or where a formula is asked for, the outcome is the solution itself.
    reveal = bool(found.inputs) and exercise.kind not in FORETOLD
    what = "the result" if reveal or callable(exercise.reference) else "the answer"
    sentence = (
        error_difference(found, expected)
        or _missing_return(found, expected)
        or difference(found.value, expected.value, tolerance, what, reveal)
        or _changed_inputs(found, expected, names)
        or _gradient_difference(found, expected, tolerance, names, reveal)
    )
    return sentence and _describe(found.inputs, names) + sentence


def names_of_inputs(exercise: Exercise, answer: Any) -> list[str]:
    """Names of the inputs: those that the learner gave them, where cases go straight into the answer."""
    try:
        names = list(
            inspect.signature(answer if exercise.run is call else exercise.run).parameters
        )
    except (TypeError, ValueError):
        return []
    return names if exercise.run is call else names[1:]


def _name(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) else f"argument {index + 1}"


def _describe(case: tuple, names: Sequence[str]) -> str:
    """The inputs of a case, such as ``with q (2, 3, 4), k (2, 5, 4), ``."""
    parts = [f"{_name(names, i)} {_input(value)}" for i, value in enumerate(case)]
    return f"with {', '.join(parts)}, " if parts else ""


def _input(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return str(tuple(shape))
    if isinstance(value, (bool, int, float, str)) or value is None:
        return f"= {short(value)}"
    if isinstance(value, (tuple, list)) and len(value) <= 4:
        return f"[{', '.join(_input(part).removeprefix('= ') for part in value)}]"
    return f"({type(value).__name__})"


def _missing_return(found: Outcome, expected: Outcome) -> str | None:
    if (
        found.error is None
        and found.value is None
        and expected.value is not None
        and expected.error is None
    ):
        return "it returned None: is a `return` missing?"
    return None


def _changed_inputs(found: Outcome, expected: Outcome, names: Sequence[str]) -> str | None:
    exact = Tolerance(0, 0)
    wanted_after = expected.inputs_after
    for i, (before, after, wanted) in enumerate(
        zip(found.inputs, found.inputs_after, wanted_after, strict=True)
    ):
        if not isinstance(before, (Tensor, list, dict)) and not hasattr(
            before, "__array__"
        ):
            continue
        if (
            difference(wanted, before, exact) is None
            and difference(after, before, exact) is not None
        ):
            return f"it changes its input {_name(names, i)} in place; work on a new tensor instead."
        if difference(wanted, before, exact) and difference(
            after, wanted, Tolerance(1e-4, 1e-5)
        ):
            return (
                f"it should change its input {_name(names, i)} in place, "
                "and does so otherwise or not at all."
            )
    return None


def _gradient_difference(
    found: Outcome,
    expected: Outcome,
    tolerance: Tolerance,
    names: Sequence[str],
    reveal: bool,
) -> str | None:
    owners = [
        _name(names, i)
        for i, argument in enumerate(found.inputs)
        for _ in differentiable((argument,))
    ]
    for owner, got, wanted in zip(
        owners, found.gradients, expected.gradients, strict=False
    ):
        if got is None and wanted is not None:
            return (
                f"the values are right, but no gradient reaches {owner}: "
                "does `detach`, `.data`, `.item()`, numpy or `no_grad` cut the graph?"
            )
        if wanted is None:
            if got is not None and bool(got.abs().max() > tolerance.atol):
                return (
                    f"the values are right, but a gradient reaches {owner} that should not."
                )
            continue
        if sentence := difference(
            got, wanted, tolerance, f"the gradient of {owner}", reveal
        ):
            return f"the values are right, but {sentence}"
    return None
