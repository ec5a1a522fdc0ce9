"""Every kind of wrong function gets the diagnosis that fits it."""

from __future__ import annotations

import math

import pytest
import torch

from course.grading.diagnosis import diagnose
from course.grading.exercise import Exercise


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


def test_a_value_where_a_function_is_asked_for():
    assert diagnose(SCORES, 3.0) == "the answer is a number, but a function is asked for."


def test_a_diagnosis_is_the_same_twice():
    def answer(q, k):
        raise RuntimeError(f"{object()} is odd")

    assert diagnose(SCORES, answer) == diagnose(SCORES, answer)
    assert "0x..." in diagnose(SCORES, answer)
