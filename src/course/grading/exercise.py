"""An exercise: its right answer, the mistakes it recognises, and the inputs on which answers are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["implement", "derive", "find the bug", "predict", "faster"]


def one_empty_case() -> Sequence[tuple]:
    """The cases of an exercise whose answer is a value: nothing to put in."""
    return [()]


def call(answer: Any, *case: Any) -> Any:
    """What `answer` says to one case: the result if it can be called, else the answer itself."""
    return answer(*case) if callable(answer) else answer


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter.

    Attributes:
        number: Its number in the chapter, from 1.
        kind: What is asked of the learner.
        reference: The right answer: a function, a class or a value.
        mistakes: Wrong answers that are recognised.
        cases: Makes the inputs, the same ones at each call; each tuple holds the arguments of one run.
        run: Gets an outcome out of an answer and one case. An outcome is a tensor, an array, a number, a
            bool, a string, None, a SymPy expression, or a tuple, list or dict of those.
        gradients: Whether to compare also the gradients of every input that requires one.
        needs: Earlier exercises whose answers the check cell uses.
        rtol: Relative tolerance of numbers.
        atol: Absolute tolerance of numbers.
    """

    number: int
    kind: Kind
    reference: Any
    mistakes: tuple[Mistake, ...]
    cases: Callable[[], Sequence[tuple]] = one_empty_case
    run: Callable[..., Any] = call
    gradients: bool = False
    needs: tuple[int, ...] = ()
    rtol: float = 1e-4
    atol: float = 1e-5
