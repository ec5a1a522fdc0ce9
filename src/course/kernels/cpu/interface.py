"""What Python and the C++ kernels hand each other: where matrices lie, sizes, and the library itself."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.kernels.cpu.build import HERE, CompileError, build

WORTH_A_THREAD = 2e6
"""The multiply-adds that a thread must find to do, for its start to be worth the time."""


class Matrices(ctypes.Structure):
    """One matrix per head: entry (i, j) of head h is ``data[offset[h] + i * down + j * along]``."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("offset", ctypes.c_void_p),
        ("down", ctypes.c_int64),
        ("along", ctypes.c_int64),
    )

    @classmethod
    def of(cls, tensor: Tensor | None, repeat: int = 1) -> Matrices:
        """Describe a tensor without copying it; each head counts `repeat` times. None has no data."""
        if tensor is None:
            return cls()
        offsets = [0]
        for size, stride in zip(tensor.shape[:-2], tensor.stride()[:-2], strict=True):
            offsets = [offset + i * stride for offset in offsets for i in range(size)]
        if repeat > 1:
            offsets = [offset for offset in offsets for _ in range(repeat)]
        offset = (ctypes.c_int64 * len(offsets))(*offsets)
        made = cls(tensor.data_ptr(), ctypes.addressof(offset), *tensor.stride()[-2:])
        made.alive = tensor, offset
        return made


class Problem(ctypes.Structure):
    """One call of attention; the fields are those of `problem.h`."""

    _fields_ = (
        *((name, Matrices) for name in ("q", "k", "v", "mask", "bias")),
        *(
            (name, ctypes.c_int64)
            for name in ("heads", "group", "n_query", "n_key", "d_k", "d_v", "threads")
        ),
        ("scale", ctypes.c_float),
        ("causal", ctypes.c_int32),
    )

    @classmethod
    def of(cls, q, k, v, mask, bias, causal, scale) -> Problem:
        """Describe the arguments of one call; they must live as long as the problem."""
        lead, n_query, n_key = q.shape[:-2], q.shape[-2], k.shape[-2]
        heads = math.prod(lead)
        group = heads // math.prod(k.shape[:-2])
        work = heads * n_query * n_key * (q.shape[-1] + v.shape[-1])
        made = cls(
            heads=heads,
            group=group,
            n_query=n_query,
            n_key=n_key,
            d_k=q.shape[-1],
            d_v=v.shape[-1],
            threads=max(1, min(torch.get_num_threads(), int(work / WORTH_A_THREAD))),
            scale=scale,
            causal=causal,
        )
        over = [
            None if x is None else x.expand(*lead, n_query, n_key) for x in (mask, bias)
        ]
        made.alive = [
            Matrices.of(q),
            *(Matrices.of(x, group) for x in (k, v)),
            *map(Matrices.of, over),
        ]
        made.q, made.k, made.v, made.mask, made.bias = made.alive
        return made


class Gradients(ctypes.Structure):
    """What the backward pass reads and writes beside the problem; the fields are those of `backward.cpp`."""

    _fields_ = (
        ("out", Matrices),
        ("grad", Matrices),
        ("lse", ctypes.c_void_p),
        *((name, Matrices) for name in ("dq", "dk", "dv", "dbias")),
        ("shares", ctypes.c_int64),
    )


@functools.cache
def kernel(name: str) -> Callable[..., int]:
    """One of the kernels, built at its first use.

    Raises:
        NoCompiler: There is no compiler.
        CompileError: It could not be built.
    """
    try:
        return getattr(build(HERE / f"{name}.cpp"), name)
    except AttributeError as error:
        raise CompileError(f"The C++ compiler left a function out: {error}") from error


def run(name: str, problem: Problem, *arguments: object) -> None:
    """Call the kernel `name`; the lock of the interpreter is released while it runs.

    Raises:
        MemoryError: Its workspace could not be had.
    """
    if kernel(name)(ctypes.byref(problem), *arguments):
        raise MemoryError(
            f"attend: the workspace of the {name} pass could not be allocated."
        )


def aligned(width: int) -> int:
    """Round a width up to the next multiple of 16 numbers, as many as the widest vector holds."""
    return -(-width // 16) * 16
