"""An exercise: its right answer, the mistakes it recognises, and the inputs on which answers are compared."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

Kind = Literal["implement", "derive", "find the bug", "predict", "faster"]


def one_empty_case() -> Sequence[tuple]:
    """The cases of an exercise whose answer is a value: nothing to put in."""
    return [()]


def call(answer: Any, *case: Any) -> Any:
    """What `answer` says to one case: the result if it can be called, else the answer itself."""
    return answer(*case) if callable(answer) else answer


@dataclass(frozen=True, eq=False)
class Mistake:
    """A wrong answer that is known, with what a learner who gave it should read.

    Attributes:
        name: A short name in kebab-case, such as ``divides-by-d``.
        answer: A wrong function, class or value.
        says: One or two sentences that teach.
    """

    name: str
    answer: Any
    says: str


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise of a chapter.

    Attributes:
        number: Its number in the chapter, from 1.
        kind: What is asked of the learner.
        reference: The right answer: a function, a class or a value.
        cases: Makes the inputs, the same ones at each call; each tuple holds the arguments of one run.
        run: Gets an outcome out of an answer and one case. An outcome is a tensor, an array, a number, a
            bool, a string, None, a SymPy expression, or a tuple, list or dict of those.
        gradients: Whether to compare also the gradients of every input that requires one.
        needs: Earlier exercises whose answers the check cell uses.
        rtol: Relative tolerance of numbers.
        atol: Absolute tolerance of numbers.
        mistakes: Wrong answers that are recognised, in the order in which they are tried; :meth:`mistake`
            adds them.
    """

    number: int
    _: KW_ONLY
    kind: Kind
    reference: Any
    cases: Callable[[], Sequence[tuple]] = one_empty_case
    run: Callable[..., Any] = call
    gradients: bool = False
    needs: tuple[int, ...] = ()
    rtol: float = 1e-4
    atol: float = 1e-5
    mistakes: list[Mistake] = field(default_factory=list, init=False)

    def mistake(
        self, name: str | Callable, answer: Any = None, says: str | None = None
    ) -> Callable | None:
        """Add a wrong answer that is recognised.

        As a decorator of a function or class, it takes the name of the mistake from the name of what it
        decorates (an underscore at its end, for a name that is taken, does not count) and what the learner
        reads from its docstring. An answer that is a value is added by a call.

        Args:
            name: The wrong function or class; or the name of the mistake, in kebab-case.
            answer: The wrong value.
            says: What the learner reads.

        Returns:
            What it decorates.
        """
        if isinstance(name, str):
            self.mistakes.append(Mistake(name, answer, says))
            return None
        wrong, says = name, inspect.getdoc(name)
        if not says:
            raise ValueError(
                f"Exercise.mistake: {wrong.__name__} needs a docstring, which the learner reads."
            )
        self.mistakes.append(
            Mistake(
                wrong.__name__.strip("_").replace("_", "-"), wrong, " ".join(says.split())
            )
        )
        return wrong
