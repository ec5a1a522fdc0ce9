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
        rest = sympy.simplify(rest)
        if all(
            _vanishes(part)
            for part in (rest if isinstance(rest, sympy.MatrixBase) else [rest])
        ):
            return None
    if unknown := sorted({str(symbol) for symbol in got.free_symbols} - set(names)):
        return f"{what} contains {', '.join(unknown)}, which should not occur in it."
    return value_sentence(got, expected, what, reveal)


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
