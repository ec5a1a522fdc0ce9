"""The same attention, computed in different ways. Every backend has one signature and one meaning.

A backend takes queries, keys and values that :func:`course.attention.attend` has checked: perhaps fewer heads
of keys and values than of queries, a mask or None, a bias or None, a causal flag, and the scale.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable

from torch import Tensor

from course.kernels.choice import Choice, choose
from course.kernels.fused import sdpa
from course.kernels.plain import einsum, loop


def kernel(module: str, name: str) -> Callable[..., Tensor]:
    """Return a backend that is imported when it is first used: not every machine has what it needs."""

    def backend(*tensors: Tensor, **options: object) -> Tensor:
        return getattr(importlib.import_module(module), name)(*tensors, **options)

    return backend


def automatic(q: Tensor, k: Tensor, v: Tensor, **options: object) -> Tensor:
    """Compute attention with the backend that suits the tensors."""
    choice = choose(q.device, q.dtype, q.shape[-2] * k.shape[-2])
    if choice.broken:
        _warn(choice)
    return BACKENDS[choice.backend](q, k, v, **options)


@functools.cache
def _warn(choice: Choice) -> None:
    """Say once per process that a slower backend stands in."""
    warnings.warn(
        f"attend uses the backend {choice.backend!r}: {choice.reason}", stacklevel=3
    )


BACKENDS: dict[str, Callable[..., Tensor]] = {
    "loop": loop,
    "einsum": einsum,
    "sdpa": sdpa,
    "tiled": kernel("course.kernels.tiled", "tiled"),
    "cpu": kernel("course.kernels.cpu.attend", "attend"),
    "triton": kernel("course.kernels.triton.attend", "attend"),
    "auto": automatic,
}
