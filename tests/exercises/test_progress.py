"""Starting, restoring and remembering: the learner's files."""

from __future__ import annotations

import json

import pytest

from course.exercises import record, workspace
from course.exercises.notebooks import Problem, read


@pytest.fixture
def work(tiny, tmp_path):
    return tmp_path / "work"


def write(kit, path, answers):
    path.write_text(json.dumps(kit.filled(answers)), encoding="utf-8")


def test_start_copies_and_never_overwrites(kit, tiny, work):
    path, saved = workspace.start("tiny")
    assert (str(path), saved) == ("work/tiny.ipynb", None)
    assert path.read_bytes() == (tiny / "exercises" / "tiny.ipynb").read_bytes()
    write(kit, path, kit.right)
    with pytest.raises(Problem, match="exists already"):
        workspace.start("tiny")
    old = path.read_bytes()
    _, first = workspace.start("tiny", force=True)
    _, second = workspace.start("tiny", force=True)
    assert [first.name, second.name] == ["tiny.backup-1.ipynb", "tiny.backup-2.ipynb"]
    assert first.read_bytes() == old
    assert workspace.started() == [path]


def test_reset_restores_one_exercise_and_keeps_the_rest(kit, work):
    path, _ = workspace.start("tiny")
    learner = kit.filled(kit.right)
    learner["cells"].remove(kit.find(learner, "check-1"))
    learner["cells"].append(kit.cell("code", "mine", "1 + 1"))
    learner["cells"].append(dict(kit.find(learner, "blank-1")))
    path.write_text(json.dumps(learner), encoding="utf-8")
    _, saved = workspace.reset("tiny", 1)
    assert read(saved) == learner
    restored = read(path)
    ids = [cell["id"] for cell in restored["cells"]]
    assert ids == [cell["id"] for cell in kit.filled()["cells"]] + ["mine"]
    assert kit.find(restored, "blank-1") == kit.find(kit.filled(), "blank-1")
    assert kit.find(restored, "blank-2")["source"] == kit.right[2]


def test_reset_refuses_what_is_not_there(work):
    with pytest.raises(Problem, match="`course start tiny` makes it"):
        workspace.reset("tiny", 1)
    with pytest.raises(Problem, match="has no exercise 9"):
        workspace.reset("tiny", 9)
    workspace.start("tiny")[0].write_text("{", encoding="utf-8")
    with pytest.raises(Problem, match="not valid JSON"):
        workspace.reset("tiny", 1)


def test_states_and_hints_are_kept_apart(work):
    record.keep_states("tiny", {1: "right", 2: "wrong"})
    record.keep_hints("tiny", 2, 1)
    record.keep_hints("tiny", 3, 2)
    record.keep_states("other", {1: "not done"})
    assert record.states("tiny") == {1: "right", 2: "wrong"}
    assert record.hints("tiny") == {2: 1, 3: 2}
    assert record.states("nothing") == {}


@pytest.mark.parametrize("content", ["{", "[]", '{"tiny": 3}', '{"tiny": {"states": {"x": 1}}}'])
def test_a_damaged_record_counts_as_empty(work, content):
    work.mkdir()
    (work / ".progress.json").write_text(content, encoding="utf-8")
    assert record.states("tiny") == {}
    record.keep_states("tiny", {1: "right"})
    assert record.states("tiny") == {1: "right"}
