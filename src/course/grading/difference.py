"""The first difference between what an answer gave and what was expected, in words."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course.grading.arrays import array_difference
from course.grading.symbols import symbolic_difference
from course.grading.tolerance import Tolerance
from course.grading.words import (
    is_sympy,
    name_of_type,
    short,
    type_sentence,
    value_sentence,
)


def difference(
    got: Any,
    expected: Any,
    tolerance: Tolerance,
    what: str = "the result",
    reveal: bool = True,
) -> str | None:
    """Say where `got` first differs from `expected`, or return None if it does not.

    The order is: type, shape, dtype, NaN and infinity, values.

    Args:
        got: What came.
        expected: What should have come.
        tolerance: How far numbers may lie apart.
        what: How the sentence calls `got`.
        reveal: Whether the sentence may contain the expected value.
    """
    if isinstance(expected, (Tensor, np.ndarray)):
        return array_difference(got, expected, tolerance, what, reveal)
    if expected is None or isinstance(expected, (str, bool, np.bool_)):
        return _plain_difference(got, expected, what, reveal)
    if isinstance(expected, (tuple, list)):
        return _sequence_difference(got, expected, tolerance, what, reveal)
    if isinstance(expected, dict):
        return _dict_difference(got, expected, tolerance, what, reveal)
    if isinstance(expected, numbers.Number):
        return _number_difference(got, expected, tolerance, what, reveal)
    if is_sympy(expected):
        return symbolic_difference(got, expected, what, reveal)
    if type(got) is not type(expected):
        return type_sentence(got, expected, what)
    return None if got == expected else value_sentence(got, expected, what, reveal)


def _plain_difference(got: Any, expected: Any, what: str, reveal: bool) -> str | None:
    if (isinstance(got, Tensor) and got.dim() == 0) or isinstance(got, np.generic):
        got = got.item()
    expected = expected.item() if isinstance(expected, np.bool_) else expected
    if type(got) is not type(expected):
        # The type of None is its value.
        secret = expected is None and not reveal
        return (
            f"{what} is {name_of_type(got)}, which is not it."
            if secret
            else type_sentence(got, expected, what)
        )
    if got == expected:
        return None
    sentence = value_sentence(got, expected, what, reveal)
    if (
        isinstance(expected, str)
        and "".join(got.split()).lower() == "".join(expected.split()).lower()
    ):
        sentence += " Only spaces or upper and lower case differ."
    return sentence


def _sequence_difference(
    got: Any, expected: Any, tolerance: Tolerance, what: str, reveal: bool
) -> str | None:
    if not isinstance(got, (tuple, list)):
        return type_sentence(got, expected, what)
    if len(got) != len(expected):
        return f"{what} has length {len(got)}, expected {len(expected)}."
    for i, (part, wanted) in enumerate(zip(got, expected, strict=True)):
        if sentence := difference(part, wanted, tolerance, f"item {i} of {what}", reveal):
            return sentence
    return None


def _dict_difference(
    got: Any, expected: dict, tolerance: Tolerance, what: str, reveal: bool
) -> str | None:
    if not isinstance(got, dict):
        return type_sentence(got, expected, what)
    for key in expected:
        if key not in got:
            return f"{what} has no key {short(key)}."
    for key in got:
        if key not in expected:
            return f"{what} has a key {short(key)} that is not expected."
    for key, wanted in expected.items():
        if sentence := difference(
            got[key], wanted, tolerance, f"{short(key)} in {what}", reveal
        ):
            return sentence
    return None


def _number_difference(
    got: Any, expected: Any, tolerance: Tolerance, what: str, reveal: bool
) -> str | None:
    if isinstance(got, (Tensor, np.ndarray, np.generic)) and np.prod(got.shape) == 1:
        got = got.item()
    if is_sympy(got) and getattr(got, "is_number", False):
        got = complex(got) if isinstance(expected, complex) else float(got)
    if isinstance(got, bool) or not isinstance(got, numbers.Number):
        return type_sentence(got, expected, what)
    if isinstance(expected, numbers.Integral) and got == expected:
        return None
    kind = torch.complex128 if isinstance(expected, complex) else torch.float64
    try:
        near = bool(
            tolerance.accepts(
                torch.tensor(got, dtype=kind), torch.tensor(expected, dtype=kind)
            )
        )
    except (
        TypeError,
        ValueError,
        RuntimeError,
        OverflowError,
    ):  # a complex number, or one beyond a float
        near = False
    if near and not isinstance(expected, numbers.Integral):
        return None
    return value_sentence(got, expected, what, reveal)
