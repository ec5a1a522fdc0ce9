"""The call in a check cell: it prints one line, or raises what is wrong."""

from __future__ import annotations

import math

import pytest

from course.exercises import NotDone, Wrong, check
from course.exercises import check as exported


def scores(q, k):
    return q @ k.mT / math.sqrt(q.shape[-1])


def by_d(q, k):
    return q @ k.mT / q.shape[-1]


def test_the_bank_gives_no_formula_away():
    with pytest.raises(Wrong) as caught:
        check("scaled_dot_product", 5, lambda d: 2 * d - 1)
    said = "Exercise 5 is not right yet: with d = 64, the result is 127, which is too small."
    assert str(caught.value) == said


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
