"""A learner's notebook as a collection of tests: one per exercise."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import pytest

from course.exercises.notebooks import Problem, learner_chapter, read
from course.exercises.originals import original, refuse_original
from course.exercises.plan import Part, plan
from course.exercises.session import Reply, Session
from course.exercises.verdict import Happened, verdict

REPORT = pytest.StashKey[dict]()


@dataclass
class Result:
    """How one exercise stands.

    Attributes:
        number: The exercise.
        title: Its title.
        stars: How hard it is.
        kind: What is asked.
        state: "right", "wrong", "not done" or "waits".
        says: One paragraph for the learner.
    """

    number: int
    title: str
    stars: int
    kind: str = ""
    state: str = "not done"
    says: str = ""


class Refused(Exception):
    """Tells pytest that an exercise is not right; the text is the report."""


class LearnerNotebook(pytest.File):
    """Collects one item per exercise and runs the cells that they need in one kernel."""

    def collect(self) -> Any:
        """One item per exercise, or one that says why there is none."""
        report = self.config.stash.setdefault(REPORT, {})
        entry = report.setdefault(
            str(self.path), {"chapter": None, "problem": None, "exercises": {}}
        )
        self.entry = entry
        try:
            refuse_original(self.path)
            notebook = read(self.path)
            entry["chapter"] = self.chapter = learner_chapter(notebook, self.path)
            self.parts = plan(notebook, original(self.chapter or self.path.stem))
        except Problem as problem:
            entry["problem"] = str(problem)
            yield ProblemItem.from_parent(self, name="notebook", text=str(problem))
            return
        self.results: dict[int, Result] = {}
        self.failures: list[tuple[int, Reply]] = []
        self.facts: dict[str, dict] = {}
        self.kernel: Session | None = None
        self.waiting = list(self.parts)
        for part in self.parts:
            if part.number:
                yield ExerciseItem.from_parent(
                    self, name=f"Exercise {part.number}", number=part.number
                )

    def teardown(self) -> None:
        """End the kernel."""
        if getattr(self, "kernel", None):
            self.kernel.stop()

    def judge(self, number: int) -> Result:
        """Run what precedes exercise `number` and its check cell, once."""
        while number not in self.results:
            self._start()
            part = self.waiting.pop(0)
            replies = [self.kernel.run(step) for step in part.steps]
            failures = [reply for reply in replies if reply.status != "ok"]
            self.failures += [(part.number, reply) for reply in failures]
            if part.number:
                result = self._result(part, failures)
                self.results[part.number] = result
                self.entry["exercises"][str(part.number)] = asdict(result)
        return self.results[number]

    def _start(self) -> None:
        if self.entry["problem"]:
            raise Refused(self.entry["problem"])
        if self.kernel is not None:
            return
        timeout = min(
            self.config.option.course_timeout, self.config.option.nbval_cell_timeout
        )
        # The name under which the kernel keeps the way back cannot be guessed by a cell.
        self.seal = f"course_{secrets.token_hex(8)}"
        preface = (
            "import builtins\n"
            "from course.exercises import seal as _seal\n"
            f"print(_seal.describe({self.chapter!r}))\n"
            f"builtins.{self.seal} = _seal.seal()\n"
            "del builtins, _seal\n"
        )
        session = Session(str(self.path.parent), timeout, preface)
        try:
            reply = session.start()
        except Exception as error:
            name = type(error).__name__
            self._give_up(
                f"The Jupyter kernel does not start ({name}): run `course doctor`."
            )
        self.kernel = session
        if reply.status != "ok":
            self._give_up(f"The exercises cannot be loaded: {reply.error or reply.status}.")
        self.facts = json.loads(reply.printed.splitlines()[-1])

    def _give_up(self, sentence: str) -> NoReturn:
        self.entry["problem"] = sentence
        raise Refused(sentence)

    def _result(self, part: Part, failures: list[Reply]) -> Result:
        facts = self.facts.get(str(part.number), {})
        result = Result(part.number, part.title, part.stars, facts.get("kind", ""))
        unmet = [n for n in facts.get("needs", []) if self.results[n].state != "right"]
        if unmet:
            names = " and ".join(str(n) for n in unmet)
            result.state = "waits"
            result.says = f"Exercise {part.number} waits for exercise {names}."
            return result
        reply = self.kernel.run(f"__import__('builtins').{self.seal}()\n{part.check}")
        others = [failure for number, failure in self.failures if number != part.number]
        happened = Happened(reply, failures, others, self.kernel.timeout)
        result.state, result.says = verdict(self.chapter, part, happened)
        return result


class ExerciseItem(pytest.Item):
    """One exercise of a learner's notebook."""

    def __init__(self, *, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    def runtest(self) -> None:
        """Judge the exercise."""
        result = self.parent.judge(self.number)
        if result.state == "waits":
            raise pytest.skip.Exception(result.says, _use_item_location=True)
        if result.state != "right":
            raise Refused(result.says)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The report alone; a fault of the grader itself shows its stack."""
        if isinstance(excinfo.value, Refused):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[os.PathLike, int, str]:
        """Where the exercise is, for pytest's lists."""
        return self.path, 0, f"{self.path.name}: {self.name}"


class ProblemItem(ExerciseItem):
    """Stands for a notebook that cannot be read."""

    def __init__(self, *, text: str, **kwargs: Any) -> None:
        super().__init__(number=0, **kwargs)
        self.text = text

    def runtest(self) -> None:
        """Say what is wrong with the file."""
        raise Refused(self.text)
