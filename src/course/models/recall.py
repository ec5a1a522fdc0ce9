"""The smallest model that needs attention: one look-up among pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.attention import attend
from course.shapes import Size, checked


class Recall(nn.Module):
    """One attention layer that answers which value belongs to a key, see :func:`course.data.recall_batch`.

    A pair is one token, the sum of the embeddings of its key and its value; a question is the embedding of a
    key alone. Queries come from the questions, keys and values from the pairs: cross-attention. The output
    is compared with the embeddings of all symbols.

    Args:
        n_symbols: Different symbols.
        d_model: Width of everything.
        attention: Called as ``attention(q, k, v)``.
        generator: The source of the initial weights: embeddings have entries of variance one, projections
            of variance ``1 / d_model``, so that queries and keys have entries of variance one.
    """

    @checked
    def __init__(
        self,
        n_symbols: Size,
        d_model: Size,
        attention: Callable = attend,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()

        def table(rows: int, std: float) -> nn.Parameter:
            return nn.Parameter(std * torch.randn(rows, d_model, generator=generator))

        self.key, self.value = table(n_symbols, 1.0), table(n_symbols, 1.0)
        self.w_q, self.w_k, self.w_v, self.w_o = (
            table(d_model, d_model**-0.5) for _ in range(4)
        )
        self.attention = attention

    @checked
    def project(
        self,
        keys: Int[Tensor, "batch pairs"],
        values: Int[Tensor, "batch pairs"],
        asked: Int[Tensor, "batch asked"],
    ) -> tuple[
        Float[Tensor, "batch asked d_model"],
        Float[Tensor, "batch pairs d_model"],
        Float[Tensor, "batch pairs d_model"],
    ]:
        """Return queries, keys and values."""
        pairs = (self.key[keys] + self.value[values]) / math.sqrt(2)
        return self.key[asked] @ self.w_q, pairs @ self.w_k, pairs @ self.w_v

    @checked
    def forward(
        self,
        keys: Int[Tensor, "batch pairs"],
        values: Int[Tensor, "batch pairs"],
        asked: Int[Tensor, "batch asked"],
    ) -> Float[Tensor, "batch asked symbols"]:
        """Return a logit for each symbol."""
        found = self.attention(*self.project(keys, values, asked)) @ self.w_o
        return found @ self.value.T / math.sqrt(self.value.shape[1])
