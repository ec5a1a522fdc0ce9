"""A memory of fixed size that keys and values are written to and queries read from, with decay."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from course.formulas.masks import causal
from course.formulas.precision import wide
from course.shapes import Size, checked


@checked
def retain(
    q: Float[Tensor, "*batch query features"],
    k: Float[Tensor, "*batch key features"],
    v: Float[Tensor, "*batch key d_v"],
    *,
    decay: Float[Tensor, "*#batch #key"] | None = None,
    state: Shaped[Tensor, "*batch features d_v"] | None = None,
    size: Size = 64,
) -> tuple[Float[Tensor, "*batch query d_v"], Float[Tensor, "*batch features d_v"]]:
    """Write the keys with their values one after the other, and read at each query, :eq:`linear-decay`.

    Query `i` reads when the keys up to :math:`i + S - T` are written: aligned at the last key, as
    :func:`course.attention.causal` is. Nothing is divided by a total. The result does not depend on `size`,
    equation :eq:`linear-chunks`: a chunk of one is the recurrence, a chunk of all is the product of matrices
    under a causal mask.

    Args:
        q: Queries, or their features.
        k: Keys, or their features.
        v: Values, one for each key.
        decay: What the memory is multiplied by before a key is written, above 0 and at most 1; ``None``
            means 1.
        state: What was remembered before, as it was returned; ``None`` means nothing.
        size: How many positions are computed at once.

    Returns:
        What the queries read, in the dtype of `q`, and the memory after the last key, in float32 for half
        precision: a sum of many small terms.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: The shapes do not fit, a tensor is empty, or a decay is not above 0 and at most 1.

    Source:
        Sun et al. (2023), *Retentive Network*, equations 5 to 7.
    """
    n_query, length, dtype = q.shape[-2], max(q.shape[-2], k.shape[-2]), q.dtype
    q, k, v = wide(q), wide(k), wide(v)
    log_decay = logarithms("retain", decay, k)
    if state is None:
        state = k.new_zeros(*k.shape[:-2], k.shape[-1], v.shape[-1])
    q, k, v = (pad_front(x, length) for x in (q, k, v))
    log_decay = pad_front(log_decay[..., None], length)[..., 0]
    outputs = []
    for chunk in zip(
        *(x.split(size, -2) for x in (q, k, v)), log_decay.split(size, -1), strict=True
    ):
        out, state = retain_chunk(*chunk, state)
        outputs.append(out)
    return torch.cat(outputs, -2)[..., -n_query:, :].to(dtype), state


def retain_chunk(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Read and write one chunk at once: what was there before it, and what lies inside it."""
    since, last = log_decay.cumsum(-1), log_decay.sum(-1, keepdim=True)
    before = (q * since.exp()[..., None]) @ state
    inside = (q @ k.mT * survival(since)) @ v
    written = (k * (last - since).exp()[..., None]).mT @ v
    return before + inside, state * last.exp()[..., None] + written


def survival(since: Tensor) -> Tensor:
    """What is left at position `i` of what was written at `j`: a product of decays, zero for a later `j`."""
    n = since.shape[-1]
    between = since[..., :, None] - since[..., None, :]
    return between.masked_fill(~causal(n, device=since.device), -torch.inf).exp()


def logarithms(function: str, decay: Tensor | None, k: Tensor) -> Tensor:
    """The logarithm of the decay at each key, refused where it has none."""
    if decay is None:
        return k.new_zeros(k.shape[:-1])
    if not bool(((decay > 0) & (decay <= 1)).all()):
        raise ValueError(
            f"{function}: decay must be above 0 and at most 1, "
            f"but goes from {decay.min():.3g} to {decay.max():.3g}."
        )
    return wide(decay).log().expand(k.shape[:-1])


def pad_front(x: Tensor, length: int) -> Tensor:
    """Put rows of zeros before the first one, up to a length; a key of zeros writes nothing."""
    return F.pad(x, (0, 0, length - x.shape[-2], 0))
