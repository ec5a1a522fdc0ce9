"""The first difference between what an answer gave and what was expected, in words."""

from __future__ import annotations

import itertools
import math
import numbers
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Tolerance:
    """How far numbers may lie apart: ``|got - expected| <= atol + rtol * |expected|``."""

    rtol: float
    atol: float

    def accepts(self, got: Tensor, expected: Tensor) -> Tensor:
        """Entry by entry, whether `got` is near enough; NaN agrees with NaN, an infinity with itself."""
        return torch.isclose(got, expected, rtol=self.rtol, atol=self.atol, equal_nan=True)


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
        return _array_difference(got, expected, tolerance, what, reveal)
    if expected is None or isinstance(expected, (str, bool, np.bool_)):
        return _plain_difference(got, expected, what, reveal)
    if isinstance(expected, (tuple, list)):
        return _sequence_difference(got, expected, tolerance, what, reveal)
    if isinstance(expected, dict):
        return _dict_difference(got, expected, tolerance, what, reveal)
    if isinstance(expected, numbers.Number):
        return _number_difference(got, expected, tolerance, what, reveal)
    if _is_sympy(expected):
        return _symbolic_difference(got, expected, what, reveal)
    if type(got) is not type(expected):
        return _type_sentence(got, expected, what)
    return None if got == expected else _value_sentence(got, expected, what, reveal)


def name_of_type(value: Any) -> str:
    """The type of `value` as a reader calls it, with an article."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return "a torch.Tensor"
    if isinstance(value, np.ndarray):
        return "a numpy array"
    if _is_sympy(value):
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


def _type_sentence(got: Any, expected: Any, what: str) -> str:
    return f"{what} is {name_of_type(got)}, expected {name_of_type(expected)}."


def _value_sentence(got: Any, expected: Any, what: str, reveal: bool) -> str:
    if reveal:
        return f"{what} is {short(got)}, expected {short(expected)}."
    return f"{what} is {short(got)}, which is {_judgement(got, expected)}."


def _judgement(got: Any, expected: Any) -> str:
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


def _is_sympy(value: Any) -> bool:
    # SymPy is imported only by chapters that use it, and it takes half a second.
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(value, (sympy.Basic, sympy.MatrixBase))


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
            else _type_sentence(got, expected, what)
        )
    if got == expected:
        return None
    sentence = _value_sentence(got, expected, what, reveal)
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
        return _type_sentence(got, expected, what)
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
        return _type_sentence(got, expected, what)
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
    if _is_sympy(got) and getattr(got, "is_number", False):
        got = complex(got) if isinstance(expected, complex) else float(got)
    if isinstance(got, bool) or not isinstance(got, numbers.Number):
        return _type_sentence(got, expected, what)
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
    return _value_sentence(got, expected, what, reveal)


def _symbolic_difference(got: Any, expected: Any, what: str, reveal: bool) -> str | None:
    import sympy
    from sympy.functions.elementary.hyperbolic import HyperbolicFunction

    if not (_is_sympy(got) or isinstance(got, numbers.Number)) or isinstance(got, bool):
        return _type_sentence(got, expected, what)
    got = sympy.sympify(got)
    if isinstance(expected, sympy.MatrixBase) != isinstance(got, sympy.MatrixBase):
        return _type_sentence(got, expected, what)
    if isinstance(expected, sympy.MatrixBase) and got.shape != expected.shape:
        return f"{what} has shape {got.shape}, expected {expected.shape}."
    # Symbols are compared by name: whether one was declared positive is no part of the answer.
    names = {str(symbol): symbol for symbol in expected.free_symbols}
    got = got.subs(
        {symbol: names[str(symbol)] for symbol in got.free_symbols if str(symbol) in names}
    )
    if got == expected:
        return None
    if isinstance(expected, (sympy.Expr, sympy.MatrixBase)) and isinstance(
        got, (sympy.Expr, sympy.MatrixBase)
    ):
        # SymPy does not always see that exponentials and hyperbolic functions are the same.
        rest = (got - expected).rewrite(HyperbolicFunction, sympy.exp)
        # d**0.5 is a square root, too; SymPy tells a rounded exponent and a fraction apart.
        rest = rest.xreplace(
            {x: sympy.nsimplify(x, rational=True) for x in rest.atoms(sympy.Float)}
        )
        rest = sympy.simplify(rest)
        if all(
            _vanishes(part)
            for part in (rest if isinstance(rest, sympy.MatrixBase) else [rest])
        ):
            return None
    if unknown := sorted({str(symbol) for symbol in got.free_symbols} - set(names)):
        return f"{what} contains {', '.join(unknown)}, which should not occur in it."
    return _value_sentence(got, expected, what, reveal)


def _vanishes(rest: Any) -> bool:
    """Whether an expression is zero; at a few points, where SymPy can neither prove nor refute it."""
    import sympy

    zero = rest.equals(0)
    if zero is not None:
        return zero
    symbols = sorted(rest.free_symbols, key=str)
    for first in range(5, 45, 4):
        # Whole numbers suit all assumptions that symbols of exercises have; at ten points a root and what it
        # is the root of differ in sign at one of them.
        values = {symbol: sympy.prime(first + i) for i, symbol in enumerate(symbols)}
        number = rest.subs(values).evalf(30, chop=True)
        if not (number.is_number and abs(number) < 1e-20):
            return False
    return True


def _array_difference(
    got: Any, expected: Tensor | np.ndarray, tolerance: Tolerance, what: str, reveal: bool
) -> str | None:
    if not isinstance(got, type(expected)) and not (
        isinstance(got, Tensor) and isinstance(expected, Tensor)
    ):
        return _type_sentence(got, expected, what)
    if isinstance(expected, np.ndarray):
        if expected.dtype.kind not in "biufc":
            same = got.shape == expected.shape and bool((got == expected).all())
            return None if same else _value_sentence(got, expected, what, reveal)
        if got.dtype != expected.dtype and got.shape == expected.shape:
            return f"{what} has dtype {got.dtype}, expected {expected.dtype}."
        got, expected = (
            torch.as_tensor(np.ascontiguousarray(array)) for array in (got, expected)
        )
    got, expected = got.detach(), expected.detach()
    if got.shape != expected.shape:
        sentence = f"{what} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
        return sentence + _rearrangement(got, expected, tolerance) + "."
    if got.dtype != expected.dtype:
        return f"{what} has dtype {_dtype(got)}, expected {_dtype(expected)}."
    if sentence := _non_finite_difference(got, expected, what):
        return sentence
    near = tolerance.accepts(got, expected)
    if bool(near.all()):
        return None
    return _entries_sentence(got, expected, ~near, tolerance, what, reveal)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _rearrangement(got: Tensor, expected: Tensor, tolerance: Tolerance) -> str:
    """Whether `got` holds the expected numbers with axes permuted or in another shape."""
    if got.numel() != expected.numel() or got.dtype != expected.dtype:
        return ""
    if got.dim() == expected.dim() and got.dim() <= 5:
        identity = tuple(range(got.dim()))
        for axes in itertools.permutations(identity):
            turned = expected.permute(axes)
            if (
                axes != identity
                and turned.shape == got.shape
                and bool(tolerance.accepts(got, turned).all())
            ):
                moved = [axis for axis in identity if axes[axis] != axis]
                if len(moved) == 2:
                    return f": the values are right, but axes {moved[0]} and {moved[1]} are swapped"
                return f": the values are right, but the axes are permuted by {axes}"
    if got.shape != expected.shape and bool(
        tolerance.accepts(got.reshape(expected.shape), expected).all()
    ):
        return ": the values are right, but in another shape"
    return ""


def _non_finite_difference(got: Tensor, expected: Tensor, what: str) -> str | None:
    if not (got.is_floating_point() or got.is_complex()):
        return None
    for name, bad in (
        ("NaN", got.isnan() & ~expected.isnan()),
        ("an infinity", got.isinf() & ~expected.isinf()),
    ):
        if bool(bad.any()):
            count = int(bad.sum())
            entries = "entry" if count == 1 else "entries"
            return f"{what} has {name} in {count} {entries}, first at {_first(bad)}; none is expected there."
    return None


def _first(mask: Tensor) -> str:
    index = tuple(mask.nonzero()[0].tolist())
    return f"[{', '.join(map(str, index))}]" if index else "its only entry"


def _entries_sentence(
    got: Tensor,
    expected: Tensor,
    wrong: Tensor,
    tolerance: Tolerance,
    what: str,
    reveal: bool,
) -> str:
    first = tuple(wrong.nonzero()[0].tolist())
    count, total = int(wrong.sum()), wrong.numel()
    sentence = f"{what} differs in {count} of {total} entries, first at {_first(wrong)}: {short(got[first])}"
    if not reveal:
        return f"{sentence} is {_judgement(got[first].item(), expected[first].item())}."
    sentence += f", expected {short(expected[first])}"
    if got.dtype == torch.bool:
        return sentence + "."
    wide = torch.complex128 if got.is_complex() else torch.float64
    got, expected = got.to(wide), expected.to(wide)
    largest = (got - expected).abs().nan_to_num(posinf=float("inf")).max()
    sentence += f"; the largest difference is {short(largest)}"
    return (
        sentence
        + (_pattern(got, expected) or _rearrangement(got, expected, tolerance))
        + "."
    )


def _pattern(got: Tensor, expected: Tensor) -> str:
    """Whether one factor or one offset explains the whole difference."""
    if got.numel() < 2 or not bool(got.isfinite().all() and expected.isfinite().all()):
        return ""
    large = expected.abs() > 1e-6 * expected.abs().max()
    if int(large.sum()) > 1:
        ratios = got[large] / expected[large]
        factor = ratios.median() if not got.is_complex() else ratios[0]
        if torch.allclose(
            got, factor * expected, rtol=1e-3, atol=1e-6 * float(expected.abs().max())
        ):
            return (
                f"; all entries are {short(factor)} times what is expected"
                if factor != 0
                else "; all are 0"
            )
    offset = (got - expected).flatten()[0]
    if torch.allclose(
        got - offset, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max() + 1e-30)
    ):
        return f"; all entries are {short(offset)} more than expected"
    return ""
