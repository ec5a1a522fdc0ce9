"""Attention in C++: a forward pass, and a backward pass that computes the weights again."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from course.kernels.cpu.interface import Gradients, Matrices, Problem, aligned, run
from course.kernels.once import once


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None,
    bias: Tensor | None,
    causal: bool,
    scale: float,
) -> Tensor:
    """Compute attention of checked arguments in C++: the backend ``"cpu"``.

    Products run in tiles of registers, equation :eq:`register-tile`, and exponentials as in equation
    :eq:`exp2-split`. The kernels are built with the compiler of the system at the first call. They run in as
    many threads as `torch.get_num_threads()` says, and keep nothing that grows with the product of lengths.

    Args:
        q: Queries.
        k: Keys, of as many heads as the queries or of fewer.
        v: Values.
        mask: True where a query may attend to a key, or None.
        bias: Added to the scores, or None.
        causal: Attend only to keys up to the query's own position.
        scale: The factor on the dot products.

    Returns:
        The outputs; zeros for a query that may attend to nothing.

    Raises:
        ValueError: The dtype is not float32, or the device not the CPU.
        NoCompiler: There is no C++ compiler.
        CompileError: The compiler refused the kernels.
    """
    if q.dtype != torch.float32 or q.device.type != "cpu":
        raise ValueError(
            f"attend: backend 'cpu' computes in float32 on the CPU, "
            f"but got {q.dtype} on {q.device}; "
            "the backends 'tiled', 'sdpa' and 'einsum' take it."
        )
    return Attend.apply(q, k, v, mask, bias, causal, scale)


class Attend(torch.autograd.Function):
    """Both passes. The first keeps its output and one number per query for the second."""

    @staticmethod
    def forward(ctx: Any, q, k, v, mask, bias, causal, scale):
        q, k, v = map(_rows, (q, k, v))
        out = q.new_empty(*q.shape[:-1], v.shape[-1])
        lse = q.new_empty(q.shape[:-1])
        problem, written = Problem.of(q, k, v, mask, bias, causal, scale), Matrices.of(out)
        run("forward", problem, ctypes.byref(written), ctypes.c_void_p(lse.data_ptr()))
        ctx.save_for_backward(q, k, v, mask, bias, out, lse)
        ctx.options = causal, scale
        return out

    @staticmethod
    @once
    def backward(ctx: Any, grad):
        q, k, v, mask, bias, out, lse = ctx.saved_tensors
        grad = _rows(grad)
        problem = Problem.of(q, k, v, mask, bias, *ctx.options)
        heads_kv = problem.heads // problem.group
        shares = -(-problem.threads // heads_kv)
        dbias = of_bias = None
        if ctx.needs_input_grad[4]:
            problem.threads = (
                1  # a bias may belong to several heads, whose threads would meet
            )
            dbias = torch.zeros_like(bias, memory_format=torch.contiguous_format)
            of_bias = dbias.expand(*q.shape[:-1], k.shape[-2])
        dq = q.new_empty(q.shape)
        dk, dv = (
            q.new_zeros(heads_kv, shares, k.shape[-2], aligned(x.shape[-1])) for x in (k, v)
        )
        matrices = [Matrices.of(x) for x in (out, grad, dq, dk, dv, of_bias)]
        gradients = Gradients(*matrices[:2], lse.data_ptr(), *matrices[2:], shares)
        run("backward", problem, ctypes.byref(gradients))
        dk, dv = (
            dx.sum(1)[..., : x.shape[-1]].reshape(x.shape) for dx, x in ((dk, k), (dv, v))
        )
        return dq, dk, dv, None, dbias, None, None


def _rows(x: Tensor) -> Tensor:
    """The tensor with the numbers of a row side by side; copied only where they are not."""
    return x if x.stride(-1) == 1 else x.contiguous()
