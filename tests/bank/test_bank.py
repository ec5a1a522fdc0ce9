"""Every exercise of the book: its reference is accepted, a blank is not, every mistake is refused by name."""

from __future__ import annotations

import ast
import contextlib
import copy
import io

import pytest
from IPython.core.interactiveshell import InteractiveShell

from course.bank import chapters, find, load
from course.exercises import NotDone, Wrong, check, faults, notebooks, originals
from course.exercises.plan import plan
from course.grading.diagnosis import agree, outcomes_of

EXERCISES = [(chapter, exercise.number) for chapter in chapters() for exercise in load(chapter)]
MISTAKES = [
    (chapter, exercise.number, mistake.name)
    for chapter in chapters()
    for exercise in load(chapter)
    for mistake in exercise.mistakes
]
NOTEBOOKS = notebooks.chapters()


def mistake_of(exercise, name):
    return next(mistake for mistake in exercise.mistakes if mistake.name == name)


@pytest.mark.parametrize(("chapter", "number"), EXERCISES)
def test_the_reference_is_accepted(chapter, number, capsys):
    check(chapter, number, find(chapter, number).reference)
    assert capsys.readouterr().out == f"Exercise {number}: correct.\n"


@pytest.mark.parametrize(("chapter", "number"), EXERCISES)
def test_a_blank_is_not_done(chapter, number):
    def blank(*case):
        raise NotImplementedError(f"Exercise {number}: not done yet")

    answers = [..., blank] if callable(find(chapter, number).reference) else [...]
    if isinstance(find(chapter, number).reference, type):
        answers = [...]
    for answer in answers:
        with pytest.raises(NotDone, match=f"^Exercise {number}: not done yet"):
            check(chapter, number, answer)


@pytest.mark.parametrize(("chapter", "number", "name"), MISTAKES)
def test_a_mistake_is_refused_by_name(chapter, number, name):
    mistake = mistake_of(find(chapter, number), name)
    with pytest.raises(Wrong) as caught:
        check(chapter, number, mistake.answer)
    assert str(caught.value) == f"Exercise {number} is not right yet: {mistake.says} [{name}]"


@pytest.mark.parametrize(("chapter", "number"), EXERCISES)
def test_mistakes_can_be_told_apart(chapter, number):
    exercise = find(chapter, number)
    names = [mistake.name for mistake in exercise.mistakes]
    assert names
    assert len(set(names)) == len(names)
    found = [outcomes_of(exercise, mistake) for mistake in exercise.mistakes]
    for i, one in enumerate(found):
        for j, other in enumerate(found[:i]):
            assert not agree(exercise, one, other), f"{names[i]} does the same as {names[j]}"


@pytest.mark.parametrize("chapter", chapters())
def test_exercises_are_numbered(chapter):
    numbers = [exercise.number for exercise in load(chapter)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("chapter", chapters())
def test_the_solution_notebook_is_complete(chapter):
    written = notebooks.read(notebooks.root() / "solutions" / f"{chapter}.ipynb")
    assert faults.faults(written, chapter, load(chapter)) == []


def test_every_notebook_has_a_bank():
    assert chapters() == NOTEBOOKS == sorted(originals.solution_chapters())


@pytest.mark.slow
@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_the_answers_in_the_solutions_are_accepted(chapter):
    """The cells of the solutions fill the blanks, so that nothing rests on stored outputs."""
    assert set(judge(chapter, solutions(chapter)).values()) == {None}


@pytest.mark.slow
@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_the_exercises_as_given_are_not_done(chapter):
    told = judge(chapter, {})
    assert set(told) == {exercise.number for exercise in load(chapter)}
    for raised in told.values():
        assert isinstance(raised, (NotDone, NotImplementedError, NameError)), raised


@pytest.mark.slow
@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_mistakes_in_the_notebook_are_named(chapter):
    """Every blank is filled with a mistake; an exercise with needs gets its turn when these are right."""
    exercises = load(chapter)
    needed = {number for exercise in exercises for number in exercise.needs}
    rounds = [{exercise.number for exercise in exercises if not exercise.needs}]
    if needed:
        rounds.append({exercise.number for exercise in exercises if exercise.number not in needed})
    assert set().union(*rounds) == {exercise.number for exercise in exercises}
    for wrong in rounds:
        told = judge(chapter, fillings(chapter, wrong))
        for number in wrong:
            assert f"[{find(chapter, number).mistakes[0].name}]" in str(told[number])


def solutions(chapter):
    """The source of each cell that learners fill in, as the solutions fill it."""
    notebook = notebooks.read(notebooks.root() / "solutions" / f"{chapter}.ipynb")
    cells = [cell for part in notebooks.sections(notebook) for cell in part.blank_cells]
    return {cell["id"]: notebooks.source(cell) for cell in cells}


def fillings(chapter, wrong):
    """For each blank a source that takes the answer from the bank: a mistake for the exercises in `wrong`."""
    notebook = notebooks.read(notebooks.exercises(chapter))
    found = {}
    for part in notebooks.sections(notebook):
        if not part.number:
            continue
        call = ast.parse(notebooks.source(part.check_cells[0])).body[-1].value
        which = "mistakes[0].answer" if part.number in wrong else "reference"
        bank = f"__import__('course.bank', fromlist=['find']).find({chapter!r}, {part.number})"
        for cell in part.blank_cells:
            found[cell["id"]] = f"{call.args[2].id} = {bank}.{which}"
    return found


def judge(chapter, sources):
    """What each check raises, or None, when the blanks with these ids have these sources.

    The cells run in a shell of this process. How a kernel runs them, `tests/exercises/test_plugin.py` holds.
    """
    reference = notebooks.read(notebooks.exercises(chapter))
    learner = copy.deepcopy(reference)
    for cell in learner["cells"]:
        cell["source"] = sources.get(cell["id"], cell["source"])
    shell, told = InteractiveShell(), {}
    with contextlib.redirect_stdout(io.StringIO()):
        for part in plan(learner, reference):
            for step in part.steps:
                shell.run_cell(step)
            if part.number:
                told[part.number] = shell.run_cell(part.check).error_in_exec
    return told
