"""Which cells run for which exercise, whatever a learner did to the notebook."""

from __future__ import annotations

import random

import pytest

from course.exercises.notebooks import source
from course.exercises.plan import plan


@pytest.fixture
def given(kit):
    return kit.filled()


def steps(parts):
    return [(part.number, part.steps, part.check) for part in parts]


def test_an_untouched_notebook(given, kit):
    parts = plan(kit.filled(), given)
    assert [part.number for part in parts] == [0, 1, 2, 3, 4]
    assert all(part.untouched and not part.missing for part in parts)
    assert parts[0].steps == ["import math\n\nimport torch"]
    assert parts[1].check == source(kit.find(given, "check-1"))


@pytest.mark.parametrize("seed", range(3))
def test_order_does_not_matter(given, kit, seed):
    learner = kit.filled(kit.right)
    wanted = steps(plan(kit.filled(kit.right), given))
    random.Random(seed).shuffle(learner["cells"])
    assert steps(plan(learner, given)) == wanted


def test_deleted_given_cells_are_put_back_and_a_deleted_blank_is_missing(given, kit):
    learner = kit.filled(kit.right)
    learner["cells"] = [kit.find(learner, "heading-1"), kit.find(learner, "blank-2")]
    parts = plan(learner, given)
    assert parts[0].steps == ["import math\n\nimport torch"]
    assert parts[1].missing
    assert parts[1].check
    assert (parts[2].steps, parts[2].missing) == ([kit.right[2]], False)


def test_tags_and_types_and_edits_of_check_cells_do_not_matter(given, kit):
    learner = kit.filled(kit.right)
    wanted = steps(plan(learner, given))
    for cell in learner["cells"]:
        cell["metadata"] = {"tags": ["nbval-skip", "raises-exception"]}
    kit.find(learner, "check-2")["cell_type"] = "markdown"
    assert steps(plan(learner, given)) == wanted
    kit.find(learner, "check-1")["source"] = "print('fine')"
    part = plan(learner, given)[1]
    assert part.check == wanted[1][2]
    assert part.steps == [kit.right[1], "print('fine')"]


def test_cells_of_the_learners_run_where_they_follow(given, kit):
    learner = kit.filled()
    position = learner["cells"].index(kit.find(learner, "blank-3"))
    learner["cells"].insert(position + 1, kit.cell("code", "mine", "answer = 0.5"))
    part = plan(learner, given)[3]
    assert part.steps == ["answer = ...", "answer = 0.5"]
    assert not part.untouched


def test_duplicated_ids_run_in_order(given, kit):
    learner = kit.filled(kit.right)
    learner["cells"].append(dict(kit.find(learner, "blank-1"), source="scores = None"))
    assert plan(learner, given)[1].steps == [kit.right[1], "scores = None"]


def test_lost_ids_are_found_by_source(given, kit):
    learner = kit.filled(kit.right)
    wanted = steps(plan(learner, given))
    for i, cell in enumerate(learner["cells"]):
        cell["id"] = f"new-{i}"
    assert steps(plan(learner, given)) == wanted
