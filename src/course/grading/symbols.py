"""Where a formula differs from the one expected."""

from __future__ import annotations

import numbers
from typing import Any

from course.grading.words import is_sympy, type_sentence, value_sentence


def symbolic_difference(got: Any, expected: Any, what: str, reveal: bool) -> str | None:
    import sympy
    from sympy.functions.elementary.hyperbolic import HyperbolicFunction

    if not (is_sympy(got) or isinstance(got, numbers.Number)) or isinstance(got, bool):
        return type_sentence(got, expected, what)
    got = sympy.sympify(got)
    if isinstance(expected, sympy.MatrixBase) != isinstance(got, sympy.MatrixBase):
        return type_sentence(got, expected, what)
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
        parts = list(rest) if isinstance(rest, sympy.MatrixBase) else [rest]
        # Algebra takes seconds and a number a moment, so it has the first word.
        if not any(map(_refuted, parts)) and all(
            _vanishes(sympy.simplify(p)) for p in parts
        ):
            return None
    if unknown := sorted({str(symbol) for symbol in got.free_symbols} - set(names)):
        return f"{what} contains {', '.join(unknown)}, which should not occur in it."
    return value_sentence(got, expected, what, reveal)


def _refuted(rest: Any) -> bool:
    """Whether an expression is plainly not zero at some point."""
    number = _at(rest, 5)
    return bool(number.is_number and number.is_finite and abs(number) > 1e-9)


def _vanishes(rest: Any) -> bool:
    """Whether an expression is zero; at a few points, where SymPy can neither prove nor refute it."""
    zero = rest.equals(0)
    if zero is not None:
        return zero
    # At ten points a root and what it is the root of differ in sign at one of them.
    found = [_at(rest, first) for first in range(5, 45, 4)]
    return all(number.is_number and abs(number) < 1e-20 for number in found)


def _at(rest: Any, first: int) -> Any:
    """The value of an expression, to 30 digits, with a prime number for each symbol.

    Whole numbers suit all assumptions that symbols of exercises have.
    """
    import sympy

    symbols = sorted(rest.free_symbols, key=str)
    values = {symbol: sympy.prime(first + i) for i, symbol in enumerate(symbols)}
    return rest.subs(values).evalf(30, chop=True)
