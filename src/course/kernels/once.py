"""Backward passes that cannot be differentiated again, and say so."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch


def once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a second derivative.

    torch's own `once_differentiable` refuses only where the gradient that comes in requires one. Where it is
    a constant, as that of a sum is, the second derivative would silently be zero.
    """

    @functools.wraps(backward)
    def guarded(ctx: Any, *grads: Any) -> Any:
        if (
            torch.is_grad_enabled()
        ):  # which it is in a backward pass with create_graph=True alone
            raise NotImplementedError(
                "attend: this backend has no second derivative; backend='einsum' has."
            )
        return backward(ctx, *grads)

    return guarded
