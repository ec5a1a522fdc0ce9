"""The delta rule: a memory that corrects what it holds, instead of adding to it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course.attention.retention import logarithms, pad_front, retain_chunk, survival
from course.formulas.precision import wide
from course.shapes import Size, checked


@checked
def delta_rule(
    q: Float[Tensor, "*batch query features"],
    k: Float[Tensor, "*batch key features"],
    v: Float[Tensor, "*batch key d_v"],
    *,
    strength: Float[Tensor, "*#batch #key"] | None = None,
    decay: Float[Tensor, "*#batch #key"] | None = None,
    state: Shaped[Tensor, "*batch features d_v"] | None = None,
    size: Size = 64,
) -> tuple[Float[Tensor, "*batch query d_v"], Float[Tensor, "*batch features d_v"]]:
    """Write each value in place of what its key reads, equation :eq:`delta-rule`, and read at each query.

    As :func:`course.attention.retain`, but what is written is the error of the memory. Within a chunk the
    errors solve one triangular system, equation :eq:`delta-chunk`. Keys should have length one: then
    a strength of 1 replaces and 0 writes nothing. In between, the squares of the memory's entries sum to no
    more than those of all values written, so it grows at most like the root of their number.

    Args:
        q: Queries, or their features.
        k: Keys, or their features.
        v: Values, one for each key.
        strength: How much of the error is written, usually between 0 and 1; ``None`` means 1.
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
        Schlag, Irie and Schmidhuber (2021), *Linear Transformers Are Secretly Fast Weight Programmers*,
        section 4.2; the chunks are those of Yang et al. (2024), *Parallelizing Linear Transformers with the
        Delta Rule over Sequence Length*.
    """
    n_query, length, dtype = q.shape[-2], max(q.shape[-2], k.shape[-2]), q.dtype
    q, k, v = wide(q), wide(k), wide(v)
    log_decay = logarithms("delta_rule", decay, k)[..., None]
    rate = k.new_ones(1) if strength is None else wide(strength)
    rate = rate.expand(k.shape[:-1])[..., None]
    if state is None:
        state = k.new_zeros(*k.shape[:-2], k.shape[-1], v.shape[-1])
    rows = (pad_front(x, length).split(size, -2) for x in (q, k, v, log_decay, rate))
    outputs = []
    for queries, keys, values, logs, rates in zip(*rows, strict=True):
        written = corrections(keys, values, logs[..., 0], rates, state)
        out, state = retain_chunk(queries, keys, written, logs[..., 0], state)
        outputs.append(out)
    return torch.cat(outputs, -2)[..., -n_query:, :].to(dtype), state


def corrections(
    k: Tensor, v: Tensor, log_decay: Tensor, strength: Tensor, state: Tensor
) -> Tensor:
    """What each position of a chunk writes: its value less what its key reads, times the strength."""
    since = log_decay.cumsum(-1)
    earlier = (k @ k.mT * survival(since)).tril(-1)
    wanted = v - (k * since.exp()[..., None]) @ state
    system = torch.eye(k.shape[-2], dtype=k.dtype, device=k.device) + strength * earlier
    return torch.linalg.solve_triangular(
        system, strength * wanted, upper=False, unitriangular=True
    )
