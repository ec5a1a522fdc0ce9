"""Grouped heads: several heads of queries that share one head of keys and values."""

from __future__ import annotations

from torch import Tensor


def check_heads(function: str, q: Tensor, k: Tensor) -> None:
    """Refuse leading axes of keys that neither equal those of the queries nor divide their heads."""
    of_q, of_k = tuple(q.shape[:-2]), tuple(k.shape[:-2])
    grouped = (
        len(of_q) == len(of_k) > 0 and of_q[:-1] == of_k[:-1] and of_q[-1] % of_k[-1] == 0
    )
    if of_q != of_k and not grouped:
        raise ValueError(
            f"{function}: the leading axes of k must equal those of q, or its heads divide those of q, "
            f"but q has {of_q} and k has {of_k} before (time, width)."
        )


def repeat_heads(x: Tensor, like: Tensor) -> Tensor:
    """Give each head of queries its own copy of the keys or values that its group shares."""
    if x.shape[:-2] == like.shape[:-2]:
        return x
    return x.repeat_interleave(like.shape[-3] // x.shape[-3], dim=-3)
