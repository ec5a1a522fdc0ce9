"""The steps on the way to the kernel, each a source of its own in `steps/`, to be measured and compared."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_float, c_int, c_long, c_void_p

import torch
from torch import Tensor

from course.kernels.cpu.build import FLAGS, HERE, build

PLAIN = ("-std=c++17", "-O2", "-fno-tree-vectorize", "-fPIC", "-shared")
"""Numbers one by one, for whatever processor of the family."""

FAST = (*FLAGS, "-ffast-math", "-mprefer-vector-width=512")
"""Everything that the compiler can do, sums in another order included."""

STEPS = {"scalar": PLAIN, "scalar, fast flags": FAST, "blocked": FAST, "lanes": FLAGS}
"""The steps in their order, with the flags that each is meant for."""


def step(name: str) -> Callable[..., Tensor]:
    """Return a step of the forward pass as a function ``f(q, k, v, causal=False)``.

    Queries, keys and values have the shape (heads, time, width). It runs in one thread.

    Args:
        name: A key of `STEPS`.

    Raises:
        ValueError: There is no such step.
    """
    if name not in STEPS:
        raise ValueError(f"step: name must be one of {', '.join(STEPS)}, but got {name!r}.")
    return forward_of(
        build(HERE / "steps" / f"{name.partition(',')[0]}.cpp", STEPS[name]).attend
    )


def forward_of(function: Callable) -> Callable[..., Tensor]:
    """Make a C function ``attend`` of the steps' signature one of tensors."""
    function.argtypes = [c_void_p] * 4 + [c_long] * 5 + [c_float, c_int]
    function.restype = None

    def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
        q, k, v = (x.contiguous() for x in (q, k, v))
        out = q.new_empty(*q.shape[:-1], v.shape[-1])
        sizes = (len(q), q.shape[1], k.shape[1], q.shape[2], v.shape[2])
        function(
            *(x.data_ptr() for x in (q, k, v, out)), *sizes, q.shape[2] ** -0.5, causal
        )
        return out

    return attend


def backward_by_definition(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    grad: Tensor,
    causal: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The backward pass, a pair of a query and a key at a time, in one thread.

    Args:
        q: Queries, (heads, time, width), as `k` and `v`.
        k: Keys.
        v: Values.
        out: What the forward pass gave.
        lse: The log-sum-exp of each query's scores.
        grad: The gradient with respect to `out`.
        causal: Whether the attention is causal.

    Returns:
        The gradients of `q`, `k` and `v`.
    """
    function = build(HERE / "steps" / "scalar_backward.cpp", PLAIN).backward
    function.argtypes = [c_void_p] * 9 + [c_long] * 5 + [c_float, c_int]
    function.restype = None
    tensors = [x.contiguous() for x in (q, k, v, out, lse, grad)]
    made = tuple(map(torch.empty_like, tensors[:3]))
    sizes = (len(q), q.shape[1], k.shape[1], q.shape[2], v.shape[2])
    function(*(x.data_ptr() for x in (*tensors, *made)), *sizes, q.shape[2] ** -0.5, causal)
    return made
