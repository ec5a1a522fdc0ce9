"""A learner's notebook as a collection of tests: one per exercise."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import pytest

from course.exercises.notebooks import Problem, learner_chapter, read
from course.exercises.originals import original, refuse_original
from course.exercises.plan import Part, plan
from course.exercises.session import Reply, Session

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
        result.state, result.says = self._verdict(part, failures, reply)
        return result

    def _verdict(self, part: Part, failures: list[Reply], reply: Reply) -> tuple[str, str]:
        name, not_done = f"Exercise {part.number}", f"Exercise {part.number}: not done yet."
        if reply.status == "ok":
            last = reply.printed.strip().splitlines()[-1:]
            if last == [f"{name}: correct."]:
                return "right", f"{name}: correct."
            return "wrong", f"{name} is not right yet: its check ended without a verdict."
        if part.untouched and not part.missing:
            return "not done", not_done
        if reply.name == "NotDone":
            return "not done", reply.message
        if reply.name == "Wrong":
            return "wrong", reply.message
        if (
            reply.status == "error"
            and reply.name == "NotImplementedError"
            and "Exercise " in reply.message
        ):
            return "not done", not_done
        if reply.name == "NameError":
            return self._undefined(part, failures, reply)
        return (
            "wrong",
            f"{name} is not right yet: {_ending(reply, 'your code', self.kernel.timeout)}",
        )

    def _undefined(
        self, part: Part, failures: list[Reply], reply: Reply
    ) -> tuple[str, str]:
        """The check found no answer: say why, from the cells that failed."""
        name = f"Exercise {part.number}"
        blanks = [
            f
            for f in failures
            if f.name == "NotImplementedError" and "Exercise " in f.message
        ]
        others = [failure for failure in failures if failure not in blanks]
        if others:
            return (
                "wrong",
                f"{name} is not right yet: {_ending(others[0], 'its cell', self.kernel.timeout)}",
            )
        if blanks:
            return "not done", f"{name}: not done yet."
        if part.missing:
            restore = f"`course reset {self.chapter} {part.number}` restores it"
            return "not done", f"{name}: not done yet, and its cell is gone; {restore}."
        earlier = [failure for number, failure in self.failures if number != part.number]
        text = _unknown(reply)
        if earlier:
            first = _ending(earlier[0], "an earlier cell", self.kernel.timeout)
            return "wrong", f"{name} cannot be checked: {text}; {first}"
        return "not done", f"{name}: not done yet: {text}."


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


def _unknown(reply: Reply) -> str:
    """What a check misses, in the words of a learner who may have chosen another name."""
    named = re.match(r"name '(\w+)' is not defined", reply.message)
    if not named:
        return reply.message.rstrip(".")
    return f"its check looks for a variable called `{named[1]}`, which no cell defines"


def _ending(reply: Reply, subject: str, timeout: float) -> str:
    """How a cell ended that did not end well."""
    if reply.status == "timeout":
        return (
            f"{subject} was stopped after {timeout:g} s: is there a loop that never ends?"
        )
    if reply.status == "dead":
        return f"{subject} ended the kernel (out of memory, `exit()`, or a crash in compiled code)."
    where = f" (in {reply.line})" if reply.line else ""
    return f"{subject} stops with {reply.error.rstrip('.')}{where}."
