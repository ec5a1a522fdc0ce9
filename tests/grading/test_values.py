"""Answers that are values or formulas: what differs is told, and what is asked for is not given away."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
import torch

from course.grading.diagnosis import diagnose
from course.grading.exercise import Exercise


def value(reference, **options):
    """A value exercise without mistakes."""
    return Exercise(1, kind="predict", reference=reference, **options)


@pytest.mark.parametrize(
    ("reference", "good", "bad", "said"),
    [
        (0.5, 0.5000001, 0.6, "the answer is 0.6, which is too large."),
        (0.5, torch.tensor(0.5), 0.25, "the answer is 0.25, which is too small."),
        (8, np.int64(8), 9, "the answer is 9, which is too large."),
        (8, 8.0, "8", "the answer is a string, expected a whole number."),
        (0.5, 0.5, True, "the answer is a bool, expected a number."),
        (True, np.bool_(True), False, "the answer is False, which is not it."),
        (True, True, 1, "the answer is a whole number, expected a bool."),
        ("row", "row", "Row ", "Only spaces or upper and lower case differ."),
        ((1, 0.5), [1, 0.5], (1, 0.4), "item 1 of the answer is 0.4, which is too small."),
        ((1, 2), (1, 2), (1,), "the answer has length 1, expected 2."),
        ({"a": 1}, {"a": 1}, {"b": 1}, "the answer has no key 'a'."),
        (torch.eye(2), torch.eye(2), torch.ones(2, 2), "first at [0, 1]: 1 is too large."),
        (np.eye(2), np.eye(2), np.zeros((2, 2)), "first at [0, 0]: 0 is too small."),
        (np.array([True]), np.array([True]), np.array([False]), "first at [0]: False is not it."),
        (0.5, 0.5, math.nan, "the answer is nan, which is not it."),
        (1 + 2j, 1 + 2j, 1 - 2j, "which is not it."),
        (0.5, 0.5, lambda: 0.5, "the answer is a function, but a number is asked for: call it?"),
    ],
)
def test_value_answers(reference, good, bad, said):
    assert diagnose(value(reference), good) is None
    assert said in diagnose(value(reference), bad)


SECRETS = [
    (lambda d: 2 * d, lambda d: 2 * d - 1, "with d = 64, the result is 127, which is too small."),
    (lambda d: 2 * d, lambda d: 3.0 * d, "with d = 64, the result is 192, which is too large."),
    (lambda d: 2 * d, lambda d: str(d), "with d = 64, the result is a string, expected a whole number."),
    (lambda d: d > 128, lambda d: True, "with d = 64, the result is True, which is not it."),
    (lambda d: None, lambda d: 1, "with d = 64, the result is a whole number, which is not it."),
    (lambda d: {"n": d}, lambda d: {"n": 65}, "with d = 64, 'n' in the result is 65, which is too large."),
    (lambda d: (1, d), lambda d: (1, 1), "with d = 64, item 1 of the result is 1, which is too small."),
    (
        lambda d: torch.full((2,), d / 3),
        lambda d: torch.full((2,), 42.0),
        "with d = 64, the result differs in 2 of 2 entries, first at [0]: 42 is too large.",
    ),
    (
        lambda d: torch.full((2,), d / 3),
        lambda d: torch.full((3,), 42.0),
        "with d = 64, the result has shape (3,), expected (2,).",
    ),
    (
        lambda d: sympy.Symbol("a") * d,
        lambda d: sympy.Symbol("a") * 5,
        "with d = 64, the result is 5*a, which is not it.",
    ),
]


@pytest.mark.parametrize("kind", ["derive", "predict"])
@pytest.mark.parametrize(("reference", "bad", "said"), SECRETS)
def test_a_formula_that_is_asked_for_is_not_given_away(kind, reference, bad, said):
    exercise = Exercise(1, kind=kind, reference=reference, cases=lambda: [(64,)])
    assert diagnose(exercise, reference) is None
    assert diagnose(exercise, bad) == said


def test_a_gradient_that_is_asked_for_is_not_given_away():
    x = torch.full((2,), 3.0, requires_grad=True)
    exercise = Exercise(1, kind="derive", reference=lambda x: 2 * x, cases=lambda: [(x,)], gradients=True)
    said = diagnose(exercise, lambda x: 5 * x - 3 * x.detach())
    assert "the values are right, but the gradient of x differs in 2 of 2 entries" in said
    assert "expected" not in said


def test_symbolic_answers_compare_by_meaning_and_by_name_of_symbol():
    d = sympy.Symbol("d", positive=True)
    plain, other = sympy.symbols("d x")
    exercise = value(1 / sympy.sqrt(d))
    assert diagnose(exercise, plain ** sympy.Rational(-1, 2)) is None
    assert diagnose(exercise, sympy.sqrt(plain) / plain) is None
    assert diagnose(exercise, plain**-0.5) is None
    assert "which is not it" in diagnose(exercise, 1 / plain)
    assert "contains x, which should not occur in it" in diagnose(exercise, 1 / other)
    assert "expected a SymPy expression" in diagnose(exercise, "1/sqrt(d)")
    power = value((d / (2 * sympy.pi)) ** (d / (d - 2)))
    assert diagnose(power, sympy.exp(sympy.log(plain / 2 / sympy.pi) * plain / (plain - 2))) is None
    assert "which is not it" in diagnose(power, sympy.exp(sympy.log(plain / 2) * plain / (plain - 2)))
    inner = value(sympy.exp(4 * sympy.sqrt(d)) - 1)
    assert diagnose(inner, sympy.exp(4 * plain**0.5) - 1) is None
    assert "which is not it" in diagnose(inner, sympy.exp(4 * plain**0.501) - 1)
    variance = value(sympy.exp(d) / (sympy.exp(d) - 1) ** 2)
    assert diagnose(variance, 1 / (4 * sympy.sinh(plain / 2) ** 2)) is None
    assert "which is not it" in diagnose(variance, 1 / (4 * sympy.cosh(plain / 2) ** 2))
    sine, root = value(2 * sympy.sin(d / 2)), sympy.sqrt(2 - 2 * sympy.cos(plain))
    assert diagnose(sine, 2 * sympy.sin(plain / 4) * 2 * sympy.cos(plain / 4)) is None
    assert "which is not it" in diagnose(sine, root)  # equal only where the sine is not negative
    matrix = value(sympy.Matrix([[d, 0], [0, d]]))
    assert diagnose(matrix, plain * sympy.eye(2)) is None
    assert "which is not it" in diagnose(matrix, sympy.eye(2))
