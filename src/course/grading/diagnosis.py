"""What is wrong with an answer, in one short paragraph; None if nothing is."""

from __future__ import annotations

import dis
import inspect
import linecache
import re
import sysconfig
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from course.grading.difference import Tolerance, difference, name_of_type, short
from course.grading.exercise import Exercise, Mistake, call
from course.grading.outcome import Outcome, differentiable, outcomes

PACKAGE = Path(__file__).parents[1]
LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
FORETOLD = ("derive", "predict")
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
    expected = outcomes(exercise, exercise.reference)
    names = _names(exercise, answer)
    sentences = [
        _case_difference(exercise, *pair, names)
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
        known = outcomes(exercise, mistake.answer)
        if agree(exercise, found, known) and not agree(exercise, known, expected):
            return mistake
    return None


def agree(exercise: Exercise, one: list[Outcome], other: list[Outcome]) -> bool:
    """Whether two answers did the same in every case.

    Exceptions agree if their types do. When there is nothing but exceptions, their texts must agree too:
    any two broken functions raise a TypeError.
    """
    if any(_case_difference(exercise, *pair) for pair in zip(one, other, strict=True)):
        return False
    if one and all(outcome.error for outcome in one):
        return all(
            type(a.error) is type(b.error)
            and not isinstance(a.error, SLIPS)
            and _text(a.error) == _text(b.error)
            for a, b in zip(one, other, strict=True)
        )
    return True


def _wrong_kind(reference: Any, answer: Any) -> str:
    if callable(answer):
        return f"the answer is {name_of_type(answer)}, but {name_of_type(reference)} is asked for: call it?"
    return (
        f"the answer is {name_of_type(answer)}, but {name_of_type(reference)} is asked for."
    )


def _case_difference(
    exercise: Exercise, found: Outcome, expected: Outcome, names: Sequence[str] = ()
) -> str | None:
    tolerance = Tolerance(exercise.rtol, exercise.atol)
    # Without inputs, or where a formula is asked for, the outcome is the solution itself.
    reveal = bool(found.inputs) and exercise.kind not in FORETOLD
    what = "the result" if reveal or callable(exercise.reference) else "the answer"
    sentence = (
        _error_difference(found, expected)
        or _missing_return(found, expected)
        or difference(found.value, expected.value, tolerance, what, reveal)
        or _changed_inputs(found, expected, names)
        or _gradient_difference(found, expected, tolerance, names, reveal)
    )
    return sentence and _describe(found.inputs, names) + sentence


def _names(exercise: Exercise, answer: Any) -> list[str]:
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


def _text(error: BaseException | None) -> str:
    """The message of an exception in one line, without addresses and paths."""
    text = " ".join(str(error).split())
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", text)
    return text if len(text) <= 300 else text[:297] + "..."


def _error_difference(found: Outcome, expected: Outcome) -> str | None:
    if found.error is None and expected.error is None:
        return None
    if expected.error is None:
        return f"it stops with {_named(found.error)}{_line_of(found.error)}"
    wanted = type(expected.error)
    if found.error is None:
        return f"it should raise {wanted.__name__}, but it returns {name_of_type(found.value)}."
    if not isinstance(found.error, wanted):
        stops = f"it stops with {_named(found.error)}{_line_of(found.error)}"
        return f"it should raise {wanted.__name__}, but {stops}"
    return None


def _named(error: BaseException) -> str:
    text = _text(error)
    return (
        type(error).__name__
        + (f": {text}" if text else "")
        + ("" if text.endswith((".", "!", "?")) else ".")
    )


def _line_of(error: BaseException) -> str:
    """The last line of the learner's own code on the way to the exception."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_own(frame.filename)
    ]
    if not own:
        return ""
    line = (
        linecache.getline(own[-1].filename, own[-1].lineno or 0) or own[-1].line or ""
    ).strip()
    return f" It happens in line {own[-1].lineno} of your cell: `{line}`." if line else ""


def _is_own(file: str) -> bool:
    if file.startswith("<"):
        return False
    return not Path(file).is_relative_to(PACKAGE) and not file.startswith(LIBRARIES)


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


def is_empty(function: Any) -> bool:
    """Whether a function has no body besides its docstring and an ellipsis or `pass`."""
    if not isinstance(function, types.FunctionType):
        return False
    body = list(dis.get_instructions(function))
    names = [instruction.opname for instruction in body]
    empty = [instruction.opname for instruction in dis.get_instructions(lambda: None)]
    return names == empty and all(instruction.argval is None for instruction in body[1:])
