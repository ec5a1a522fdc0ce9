"""What an answer does with the cases of an exercise: values, exceptions, gradients, changed inputs."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course.grading.exercise import Exercise

SEED = 20170612


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes:
        value: What the answer returned; None if it raised.
        error: The exception that it raised, if any.
        inputs: The case as it was before the run.
        inputs_after: The same objects after the run.
        gradients: For each differentiable input its gradient, or None if it did not get one. An empty tuple
            if gradients are not asked for.
    """

    value: Any
    error: BaseException | None
    inputs: tuple
    inputs_after: tuple
    gradients: tuple[Tensor | None, ...]


def outcomes(exercise: Exercise, answer: Any) -> list[Outcome]:
    """Run `answer` on fresh copies of all cases, each with the same random state."""
    return [_outcome(exercise, answer, tuple(case)) for case in exercise.cases()]


def _outcome(exercise: Exercise, answer: Any, case: tuple) -> Outcome:
    arguments = fresh(case)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    value, error, gradients = None, None, ()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(SEED)
            random.seed(SEED)
            np.random.seed(SEED)
            value = exercise.run(answer, *arguments)
            after = fresh(arguments)
            if exercise.gradients:
                gradients = _gradients(value, arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as raised:  # SystemExit too: an answer must not end the check
        value, error, after = None, raised, fresh(arguments)
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
    return Outcome(value, error, case, after, gradients)


def fresh(value: Any) -> Any:
    """A copy that shares no memory; tensors become leaves that require a gradient if the original does."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return type(value)(fresh(part) for part in value)
    if isinstance(value, dict):
        return {key: fresh(part) for key, part in value.items()}
    try:
        return copy.deepcopy(value)
    except Exception:  # what cannot be copied (an open file, a compiled function) is shared
        return value


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part)


def differentiable(case: Any) -> list[Tensor]:
    """The inputs whose gradients are compared."""
    return [
        tensor
        for tensor in tensors(case)
        if tensor.is_floating_point() and tensor.requires_grad
    ]


def _gradients(value: Any, arguments: tuple) -> tuple[Tensor | None, ...]:
    """Gradients of a fixed random weighting of the outcome, so that no two entries can cancel."""
    inputs = differentiable(arguments)
    generator = torch.Generator().manual_seed(SEED)
    total = None
    for result in tensors(value):
        if result.is_floating_point():
            weight = torch.randn(result.shape, generator=generator, dtype=torch.float64).to(
                result.dtype
            )
            if result.requires_grad:
                total = (result * weight).sum() + (0 if total is None else total)
    if total is None or not inputs:
        return (None,) * len(inputs)
    return torch.autograd.grad(total, inputs, allow_unused=True)
