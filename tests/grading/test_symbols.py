"""Formulas that are the same in another form, and formulas that are not."""

from __future__ import annotations

import pytest
import sympy

from course.grading.symbols import symbolic_difference

D, R = sympy.symbols("d r", positive=True)


def differs(got, expected):
    return symbolic_difference(got, expected, "the answer", False)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ((1 + R) ** 2, 1 + 2 * R + R**2),
        (D**0.5, sympy.sqrt(D)),
        (sympy.tanh(D), (sympy.exp(D) - sympy.exp(-D)) / (sympy.exp(D) + sympy.exp(-D))),
        (sympy.log(D * R), sympy.log(D) + sympy.log(R)),
        (sympy.Matrix([[D / 2, 0]]), sympy.Matrix([[0.5 * D, D - D]])),
        (sympy.Symbol("d") * 2, 2 * D),
        (0.5, sympy.Rational(1, 2)),
    ],
)
def test_another_form_is_accepted(got, expected):
    assert differs(got, expected) is None


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (D * R, D / R),
        (D + sympy.Rational(1, 10**6), D),
        (sympy.Matrix([[D, 1]]), sympy.Matrix([[D, 2]])),
        ((1 + R) ** 50, (1 + R) ** 49),
        (sympy.sqrt((5 - D) ** 2), 5 - D),
    ],
)
def test_a_wrong_formula_is_refused_without_algebra(got, expected, monkeypatch):
    monkeypatch.setattr(sympy, "simplify", lambda *_: pytest.fail("simplify was called"))
    assert "which is not it" in differs(got, expected)


def test_a_symbol_that_should_not_occur_is_named():
    assert differs(D + sympy.Symbol("z"), D) == "the answer contains z, which should not occur in it."
