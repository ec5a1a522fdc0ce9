"""Every exercise of the book: its reference is accepted, a blank is not, every mistake is refused by name."""

from __future__ import annotations

import ast
import json

import pytest

from course.bank import chapters, find, load
from course.exercises import NotDone, Wrong, check, generate, notebooks
from course.grading.diagnosis import agree
from course.grading.outcome import outcomes

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
    found = [outcomes(exercise, mistake.answer) for mistake in exercise.mistakes]
    for i, one in enumerate(found):
        for j, other in enumerate(found[:i]):
            assert not agree(exercise, one, other), f"{names[i]} does the same as {names[j]}"


@pytest.mark.parametrize("chapter", chapters())
def test_exercises_are_numbered(chapter):
    numbers = [exercise.number for exercise in load(chapter)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("chapter", chapters())
def test_the_solution_notebook_is_complete(chapter):
    solutions = notebooks.read(notebooks.root() / "solutions" / f"{chapter}.ipynb")
    assert generate.faults(solutions, chapter, load(chapter)) == []


def test_every_notebook_has_a_bank():
    assert chapters() == NOTEBOOKS == sorted(generate.solution_chapters())


@pytest.mark.slow
@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_the_answers_in_the_solutions_are_accepted(chapter, kit, tmp_path):
    """The cells of the solutions fill the blanks, so that nothing rests on stored outputs."""
    solutions = notebooks.read(notebooks.root() / "solutions" / f"{chapter}.ipynb")
    states = judge(
        kit, tmp_path, chapter, {cell["id"]: notebooks.source(cell) for cell in answers(solutions)}
    )
    assert set(states.values()) == {"right"}, says(kit, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_the_exercises_as_given_are_not_done(chapter, kit, tmp_path):
    states = judge(kit, tmp_path, chapter, {})
    for exercise in load(chapter):
        assert states[str(exercise.number)] == ("waits" if exercise.needs else "not done")


@pytest.mark.slow
@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_mistakes_in_the_notebook_are_named(chapter, kit, tmp_path):
    """Every blank is filled with a mistake; an exercise with needs gets its turn when these are right."""
    exercises = load(chapter)
    needed = {number for exercise in exercises for number in exercise.needs}
    rounds = [{exercise.number for exercise in exercises if not exercise.needs}]
    if needed:
        rounds.append({exercise.number for exercise in exercises if exercise.number not in needed})
    assert set().union(*rounds) == {exercise.number for exercise in exercises}
    for wrong in rounds:
        judge(kit, tmp_path, chapter, fillings(chapter, wrong))
        told = says(kit, tmp_path)
        for number in wrong:
            assert f"[{find(chapter, number).mistakes[0].name}]" in told[str(number)]


def answers(notebook):
    """The cells that learners fill in."""
    return [cell for part in notebooks.sections(notebook) for cell in part.blank_cells]


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


def judge(kit, folder, chapter, sources):
    """How the exercises stand when the cells with these ids have these sources."""
    notebook = notebooks.read(notebooks.exercises(chapter))
    for name, source in sources.items():
        kit.find(notebook, name)["source"] = source
    (folder / f"{chapter}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    entry = kit.graded(folder)[chapter]
    assert entry["problem"] is None, entry["problem"]
    return {number: exercise["state"] for number, exercise in entry["exercises"].items()}


def says(kit, folder):
    """What the last report said."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {n: e["says"] for entry in report.values() for n, e in entry["exercises"].items()}
