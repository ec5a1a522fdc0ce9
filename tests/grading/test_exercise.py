"""An exercise, how it calls an answer, and how its mistakes are added."""

import pytest

from course.grading.exercise import Exercise, call, one_empty_case


def test_call_puts_the_case_into_a_function_and_returns_a_value_as_it_is():
    assert call(lambda a, b: a - b, 5, 3) == 2
    assert call(0.5) == 0.5


def test_a_value_exercise_has_one_empty_case():
    exercise = Exercise(1, kind="predict", reference=0.5)
    assert list(exercise.cases()) == list(one_empty_case()) == [()]
    assert exercise.run is call
    assert exercise.needs == ()


def test_a_mistake_is_a_function_whose_docstring_the_learner_reads():
    exercise = Exercise(1, kind="implement", reference=abs)

    @exercise.mistake
    def keeps_the_sign_(x):
        """You return the number
        as it is."""
        return x

    exercise.mistake("squared", 0.25, "Root.")
    assert [(mistake.name, mistake.answer, mistake.says) for mistake in exercise.mistakes] == [
        ("keeps-the-sign", keeps_the_sign_, "You return the number as it is."),
        ("squared", 0.25, "Root."),
    ]
    assert keeps_the_sign_(-2) == -2


def test_a_mistake_without_a_docstring_is_refused():
    exercise = Exercise(1, kind="implement", reference=abs)
    with pytest.raises(ValueError, match="same needs a docstring"):

        @exercise.mistake
        def same(x):
            return x


def test_exercises_do_not_share_their_mistakes():
    one, other = (Exercise(n, kind="predict", reference=n) for n in (1, 2))
    one.mistake("zero", 0, "Not zero.")
    assert other.mistakes == []
