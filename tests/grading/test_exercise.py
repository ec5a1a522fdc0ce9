"""An exercise and how it calls an answer."""

from course.grading.exercise import Exercise, Mistake, call, one_empty_case


def test_call_puts_the_case_into_a_function_and_returns_a_value_as_it_is():
    assert call(lambda a, b: a - b, 5, 3) == 2
    assert call(0.5) == 0.5


def test_a_value_exercise_has_one_empty_case():
    exercise = Exercise(1, "predict", 0.5, (Mistake("squared", 0.25, "Root."),))
    assert list(exercise.cases()) == list(one_empty_case()) == [()]
    assert exercise.run is call
    assert exercise.needs == ()
