"""Values and types in the words of a reader."""

from __future__ import annotations

import math
import numbers
import sys
from typing import Any

import numpy as np
from torch import Tensor


def name_of_type(value: Any) -> str:
    """The type of `value` as a reader calls it, with an article."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return "a torch.Tensor"
    if isinstance(value, np.ndarray):
        return "a numpy array"
    if is_sympy(value):
        return "a SymPy expression"
    if callable(value):
        return "a class" if isinstance(value, type) else "a function"
    name = {"str": "string", "int": "whole number", "float": "number"}.get(
        type(value).__name__
    )
    name = name or type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def short(value: Any) -> str:
    """A number or object in a few characters, the same ones on every machine."""
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        value = value.item() if np.prod(value.shape) == 1 else value.tolist()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, complex):
        return f"{value:.4g}"
    text = (
        repr(value) if type(value).__repr__ is not object.__repr__ else type(value).__name__
    )
    return text if len(text) <= 60 else text[:57] + "..."


def type_sentence(got: Any, expected: Any, what: str) -> str:
    return f"{what} is {name_of_type(got)}, expected {name_of_type(expected)}."


def value_sentence(got: Any, expected: Any, what: str, reveal: bool) -> str:
    if reveal:
        return f"{what} is {short(got)}, expected {short(expected)}."
    return f"{what} is {short(got)}, which is {judgement(got, expected)}."


def judgement(got: Any, expected: Any) -> str:
    """What may be said of a wrong value without the right one."""
    ordered = all(
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and not math.isnan(value)
        for value in (got, expected)
    )
    if not ordered:
        return "not it"
    return "too large" if got > expected else "too small"


def is_sympy(value: Any) -> bool:
    # SymPy is imported only by chapters that use it, and it takes half a second.
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(value, (sympy.Basic, sympy.MatrixBase))
