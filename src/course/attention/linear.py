"""Linear attention: softmax's exponential replaced by a dot product of features."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course.attention.retention import retain
from course.formulas.features import elu_plus_one
from course.formulas.precision import wide
from course.shapes import Size, checked


class LinearState(NamedTuple):
    """All that linear attention remembers of the keys and values so far, equation :eq:`linear-state`.

    Its size does not depend on their number. Two of them, for two sets of keys, add up to the one of all
    keys. Half precision is summed in float32.

    Attributes:
        weights: The sum of the products of a key's features and its value, ``(*batch, features, d_v)``.
        total: The sum of the features of the keys, ``(*batch, features)``.
    """

    weights: Tensor
    total: Tensor

    def merge(self, other: LinearState) -> LinearState:
        """Return the state of the keys of both."""
        return LinearState(self.weights + other.weights, self.total + other.total)

    def read(self, q: Tensor) -> Tensor:
        """Return the output for the features of queries; zeros where no key was seen."""
        q = wide(q)
        return _divide(q @ self.weights, (q @ self.total[..., None])[..., 0])


@checked
def linear_attend(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch key d_k"],
    v: Float[Tensor, "*batch key d_v"],
    *,
    features: Callable[[Tensor], Tensor] = elu_plus_one,
    key_mask: Bool[Tensor, "*#batch #key"] | None = None,
    causal: bool = False,
    size: Size = 64,
) -> Float[Tensor, "*batch query d_v"]:
    """Return linear attention, equation :eq:`linear-attention`; no matrix of weights is made.

    Args:
        q: Queries.
        k: Keys.
        v: Values, one for each key.
        features: Maps queries and keys, ``(*batch, time, d_k)`` to ``(*batch, time, features)``; features
            should be positive, since their dot products take the place of exponentials.
        key_mask: True where a key may be attended to, by all queries alike.
        causal: Attend only to keys up to the query's own position, aligned at the last key.
        size: How many positions of a causal sequence are computed at once, see :eq:`linear-chunks`.

    Returns:
        One weighted average of the values per query; zeros for a query that may attend to nothing.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Katharopoulos et al. (2020), *Transformers are RNNs*, equations 5 and 9.
    """
    q, k = features(q), features(k)
    if key_mask is not None:
        k = k * key_mask[..., None]
    if causal:
        return _in_order(q, k, v, None, size)[0]
    k, v = wide(k), wide(v)
    return LinearState(k.mT @ v, k.sum(-2)).read(q).to(q.dtype)


@checked
def linear_decode(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch key d_k"],
    v: Float[Tensor, "*batch key d_v"],
    state: LinearState | None = None,
    *,
    features: Callable[[Tensor], Tensor] = elu_plus_one,
    size: Size = 64,
) -> tuple[Float[Tensor, "*batch query d_v"], LinearState]:
    """Continue causal linear attention from a state, :eq:`linear-state`: a prompt first, then single tokens.

    Args:
        q: The next queries.
        k: The next keys.
        v: The next values.
        state: What the last call returned; ``None`` begins a sequence.
        features: Maps queries and keys, as in :func:`linear_attend`.
        size: How many positions are computed at once.

    Returns:
        The outputs for the queries, and the state after the last key.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: The shapes do not fit, or a tensor is empty.
    """
    return _in_order(features(q), features(k), v, state, size)


def _in_order(
    q: Tensor, k: Tensor, v: Tensor, state: LinearState | None, size: int
) -> tuple[Tensor, LinearState]:
    """Causal linear attention; the total is the column that a value of one in every row would give."""
    joined = (
        None if state is None else torch.cat([state.weights, state.total[..., None]], -1)
    )
    dtype, q, k, v = v.dtype, wide(q), wide(k), wide(v)
    read, joined = retain(
        q, k, torch.cat([v, torch.ones_like(v[..., :1])], -1), state=joined, size=size
    )
    out = _divide(read[..., :-1], read[..., -1]).to(dtype)
    return out, LinearState(joined[..., :-1], joined[..., -1])


def _divide(weighted: Tensor, total: Tensor) -> Tensor:
    return weighted / total.masked_fill(total == 0, 1)[..., None]
