"""The grader: every kind of answer gets the diagnosis that fits it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
import torch

from course.exercises import Exercise, NotDone, Wrong, check
from course.exercises import check as exported
from course.grading.diagnosis import diagnose


def scores(q, k):
    return q @ k.mT / math.sqrt(q.shape[-1])


def by_d(q, k):
    return q @ k.mT / q.shape[-1]


def two_cases():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, requires_grad=True)

    return [(draw(2, 3, 4), draw(2, 5, 4)), (draw(3, 6), draw(7, 6))]


SCORES = Exercise(1, kind="implement", reference=scores, cases=two_cases, gradients=True)
SCORES.mistake("by-d", by_d, "You divide by d.")


def value(reference, **options):
    """A value exercise without mistakes."""
    return Exercise(1, kind="predict", reference=reference, **options)


def one_case(reference, *case, **options):
    """An exercise with one case."""
    return Exercise(1, kind="implement", reference=reference, cases=lambda: [case], **options)


def test_right_answers_are_accepted():
    assert diagnose(SCORES, scores) is None
    assert (
        diagnose(SCORES, lambda q, k: torch.einsum("...qd,...kd->...qk", q, k) / q.shape[-1] ** 0.5) is None
    )


def test_a_known_mistake_is_named():
    assert diagnose(SCORES, lambda a, b: a @ b.mT / a.size(-1)) == "You divide by d. [by-d]"


def test_a_mistake_that_is_right_is_never_recognised():
    exercise = Exercise(1, kind="implement", reference=scores, cases=two_cases)
    exercise.mistake("fine", scores, "Fine.")
    assert diagnose(exercise, scores) is None
    assert "Fine" not in diagnose(exercise, by_d)


def test_a_mistake_that_only_raises_is_recognised_by_its_text():
    exercise = Exercise(1, kind="implement", reference=scores, cases=two_cases)

    @exercise.mistake
    def no_t(q, k):
        """Transpose k."""
        return q @ k

    assert diagnose(exercise, lambda q, k: torch.matmul(q, k)) == "Transpose k. [no-t]"
    assert "invalid for input of size" in diagnose(exercise, lambda q, k: (q @ k.mT).reshape(1000))


def test_an_exception_comes_with_inputs_type_text_and_line():
    def answer(q, k):
        return q @ k.unknown

    said = diagnose(SCORES, answer)
    assert said.startswith("with q (2, 3, 4), k (2, 5, 4), it stops with AttributeError: ")
    assert said.endswith("of your cell: `return q @ k.unknown`.")


def test_a_wrong_number_of_arguments_is_reported():
    said = diagnose(SCORES, lambda q: q)
    assert said.startswith("with q (2, 3, 4), argument 2 (2, 5, 4), it stops with TypeError: ")
    assert "takes 1 positional argument but 2 were given" in said


def test_system_exit_does_not_end_the_check():
    def answer(q, k):
        raise SystemExit

    assert "SystemExit" in diagnose(SCORES, answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda q, k: print(end=""), "it returned None: is a `return` missing?"),
        (lambda q, k: scores(q, k).detach().numpy(), "the result is a numpy array, expected a torch.Tensor."),
        (lambda q, k: [scores(q, k)], "the result is a list, expected a torch.Tensor."),
        (
            lambda q, k: scores(q, k).mT,
            "shape (2, 5, 3), expected (2, 3, 5): the values are right, but axes 1 and 2 are swapped.",
        ),
        (lambda q, k: scores(q, k).flatten(), "the values are right, but in another shape."),
        (lambda q, k: scores(q, k)[..., :2], "the result has shape (2, 3, 2), expected (2, 3, 5)."),
        (lambda q, k: scores(q, k).double(), "the result has dtype float64, expected float32."),
        (
            lambda q, k: scores(q, k) / 0,
            "an infinity in 30 entries, first at [0, 0, 0]; none is expected",
        ),
        (lambda q, k: scores(q, k) * math.nan, "the result has NaN in 30 entries"),
        (lambda q, k: scores(q, k).detach(), "but no gradient reaches q: does `detach`"),
        (lambda q, k: scores(q, k.detach()), "no gradient reaches k"),
        (
            lambda q, k: 2 * scores(q, k) - scores(q, k).detach(),
            "values are right, but the gradient of q differs",
        ),
        (lambda q, k: 3 * scores(q, k), "; all entries are 3 times what is expected."),
        (lambda q, k: scores(q, k) + 1, "; all entries are 1 more than expected."),
        (lambda q, k: 0 * scores(q, k), "; all are 0."),
    ],
)
def test_the_diagnosis_names_what_differs_first(answer, said):
    found = diagnose(SCORES, answer)
    assert found.startswith("with q (2, 3, 4), k (2, 5, 4), ")
    assert said in found


def test_values_come_with_the_first_index_and_the_largest_difference():
    exercise = one_case(lambda x: x * 2, torch.arange(6.0).reshape(2, 3))

    def answer(x):
        result = x * 2
        result[1, 0] += 0.5
        result[1, 2] -= 3
        return result

    assert diagnose(exercise, answer) == (
        "with x (2, 3), the result differs in 2 of 6 entries, first at [1, 0]: 6.5, expected 6; "
        "the largest difference is 3."
    )


def test_a_square_result_that_is_transposed_is_told():
    exercise = one_case(lambda x: x, torch.arange(9.0).reshape(3, 3))
    assert "axes 0 and 1 are swapped" in diagnose(exercise, lambda x: x.T)


def test_changing_an_input_is_told_and_each_run_gets_fresh_inputs():
    x = torch.arange(3.0)
    exercise = one_case(lambda x: x + 1, x)
    assert "it changes its input x in place" in diagnose(exercise, lambda x: x.add_(1))
    assert x.tolist() == [0, 1, 2]


def test_an_input_that_should_change_must_change():
    exercise = one_case(lambda cache: cache.append(1), [0])
    assert diagnose(exercise, lambda cache: cache.append(1)) is None
    assert "it should change its input cache in place" in diagnose(exercise, lambda cache: None)


def test_an_expected_exception_is_expected():
    def refuse(x):
        raise ValueError("no")

    exercise = one_case(refuse, 3)
    assert diagnose(exercise, refuse) is None
    assert "it should raise ValueError, but it returns None" in diagnose(exercise, lambda x: None)
    assert "it should raise ValueError, but it stops with KeyError" in diagnose(exercise, lambda x: {}[x])


def test_randomness_is_the_same_for_both():
    exercise = one_case(lambda x: torch.nn.functional.dropout(x, 0.5), torch.ones(50))
    state = torch.random.get_rng_state()
    assert diagnose(exercise, lambda x: torch.dropout(x, 0.5, True)) is None
    assert torch.equal(state, torch.random.get_rng_state())


def test_classes_and_modules_go_through_run():
    class Double(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    class Triple(torch.nn.Module):
        def forward(self, x):
            return 3 * x

    exercise = one_case(Double, torch.ones(2), run=lambda answer, x: answer()(x))
    assert diagnose(exercise, Double) is None
    assert diagnose(exercise, Triple).startswith("with x (2,), the result differs")


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


def test_the_bank_gives_no_formula_away():
    with pytest.raises(Wrong) as caught:
        check("scaled_dot_product", 5, lambda d: 2 * d - 1)
    said = "Exercise 5 is not right yet: with d = 64, the result is 127, which is too small."
    assert str(caught.value) == said


def test_a_value_where_a_function_is_asked_for():
    assert diagnose(SCORES, 3.0) == "the answer is a number, but a function is asked for."


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


def test_a_diagnosis_is_the_same_twice():
    def answer(q, k):
        raise RuntimeError(f"{object()} is odd")

    assert diagnose(SCORES, answer) == diagnose(SCORES, answer)
    assert "0x..." in diagnose(SCORES, answer)


def test_check_prints_one_line_for_a_right_answer(tiny, capsys):
    check("tiny", 1, scores)
    assert capsys.readouterr().out == "Exercise 1: correct.\n"


def test_check_raises_the_diagnosis_which_ipython_shows_alone(tiny):
    with pytest.raises(Wrong) as caught:
        check("tiny", 1, by_d)
    said = "Exercise 1 is not right yet: You divide by d; the scale is its root. [divides-by-d]"
    assert str(caught.value) == said
    assert caught.value._render_traceback_() == [said]
    assert isinstance(caught.value, AssertionError)


def test_ipython_shows_no_stack(tiny, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell(history_length=0)
    result = shell.run_cell('from course.exercises import check\n\ncheck("tiny", 3, 0.25)')
    assert isinstance(result.error_in_exec, Wrong)
    assert capsys.readouterr().out == ("Exercise 3 is not right yet: That is the square of it. [squared]\n")


def raises_exercise(number):
    def answer(q, k):
        raise NotImplementedError(f"Exercise {number}: not done yet")

    return answer


def empty(q, k):
    """Only a docstring."""


def dots(q, k): ...


@pytest.mark.parametrize("answer", [..., None, raises_exercise(1), empty, dots])
def test_blanks_are_not_done(tiny, answer):
    with pytest.raises(NotDone, match=r"^Exercise 1: not done yet\.$"):
        check("tiny", 1, answer)


def test_a_blank_of_an_earlier_exercise_is_named(tiny):
    with pytest.raises(NotDone, match="Exercise 4 waits for exercise 1, which is not done yet"):
        check("tiny", 4, raises_exercise(1))


def test_a_not_implemented_error_of_torch_is_no_blank(tiny):
    def answer(q, k):
        raise NotImplementedError("Could not run 'aten::x' with arguments from the 'CPU' backend.")

    with pytest.raises(Wrong, match="it stops with NotImplementedError"):
        check("tiny", 1, answer)


@pytest.mark.parametrize(("chapter", "number"), [("no_such", 1), ("tiny", 9)])
def test_unknown_exercises_are_refused(tiny, chapter, number):
    with pytest.raises(LookupError, match=r"No exercises are known|has no exercise 9"):
        check(chapter, number, 1)


def test_the_package_exports_the_function_not_the_module():
    import course.exercises.check

    assert course.exercises.check is exported
    assert callable(exported)
