"""The backward pass of attention, written by hand: gradients without autograd."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor

from course.formulas.heads import check_heads, repeat_heads
from course.formulas.weights import weigh
from course.shapes import checked


@checked
def attend_backward(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch_kv key d_k"],
    v: Float[Tensor, "*batch_kv key d_v"],
    grad: Float[Tensor, "*batch query d_v"],
    *,
    mask: Bool[Tensor, "*#batch #query #key"] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> tuple[
    Float[Tensor, "*batch query d_k"],
    Float[Tensor, "*batch_kv key d_k"],
    Float[Tensor, "*batch_kv key d_v"],
]:
    """Return the gradients of a loss with respect to queries, keys and values.

    Equations :eq:`grad-values`, :eq:`grad-weights`, :eq:`grad-scores`, :eq:`grad-queries` and
    :eq:`grad-keys`. Nothing of the forward pass is needed but its inputs: the weights are computed again. The
    gradient of a head of keys or values that a group of query heads shares is the sum over the group,
    equation :eq:`grad-shared`.

    Args:
        q: Queries.
        k: Keys.
        v: Values, one for each key.
        grad: The gradient of the loss with respect to the output of :func:`course.attention.attend`.
        mask: True where a query may attend to a key, as in the forward pass.
        causal: Attend only to keys up to the query's own position.
        scale: The factor on the dot products; ``None`` means :math:`1/\\sqrt{d_k}`.

    Returns:
        The gradients of `q`, `k` and `v`, each of the shape of its tensor.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, or a tensor is empty.

    Source:
        Dao et al. (2022), *FlashAttention*, appendix B.2.
    """
    check_heads("attend_backward", q, k)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    weights = weigh(q, k, mask=mask, causal=causal, scale=scale)
    grad_values = weights.mT @ grad
    grad_scores = softmax_backward(weights, grad @ repeat_heads(v, q).mT)
    grad_queries = grad_scores @ repeat_heads(k, q) * scale
    grad_keys = grad_scores.mT @ q * scale
    return grad_queries, _sum_groups(grad_keys, k), _sum_groups(grad_values, v)


@checked
def softmax_backward(
    weights: Float[Tensor, "*batch key"], grad_weights: Float[Tensor, "*batch key"]
) -> Float[Tensor, "*batch key"]:
    """Return the gradient with respect to the scores, from that with respect to their softmax.

    Equation :eq:`grad-scores`. A masked key has weight zero, and so the gradient zero.

    Args:
        weights: The softmax of the scores, one row per query.
        grad_weights: The gradient of the loss with respect to `weights`.

    Returns:
        The gradient with respect to the scores; each row sums to zero.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The shapes do not fit, or a tensor is empty.
    """
    mean = (weights * grad_weights).sum(-1, keepdim=True)
    return weights * (grad_weights - mean)


def _sum_groups(x: Tensor, like: Tensor) -> Tensor:
    """Add up what the query heads of each group found, undoing :func:`repeat_heads`."""
    if x.shape == like.shape:
        return x
    return x.unflatten(-3, (like.shape[-3], -1)).sum(-3)
