"""From tokens to vectors and back: the table of embeddings, positions that are added, and the output head."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.blocks.configuration import Configuration
from course.positions import LearnedPositions, sinusoidal
from course.shapes import checked


class Embedding(nn.Module):
    """Look up a vector for each token, and add its position if the configuration adds positions.

    Args:
        config: Sizes and choices.
        generator: The source of the initial rows, of which the entries have variance `1 / d_model`, so that
            the scores of a tied head start with variance one.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, sections 3.4 and 3.5.
    """

    def __init__(
        self, config: Configuration, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        rows = torch.randn(config.vocabulary, config.d_model, generator=generator)
        self.table = nn.Parameter(rows * config.d_model**-0.5)
        self.learned = None
        if config.positions == "learned":
            self.learned = LearnedPositions(config.n_positions, config.d_model, generator)

    @checked
    def forward(
        self, tokens: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time d_model"]:
        """Embed tokens.

        Args:
            tokens: Numbers of tokens, from 0 to less than the vocabulary.

        Returns:
            One vector per token.

        Raises:
            TypeError: `tokens` is not an integer tensor.
            ValueError: A token is out of range, or the sequence is longer than the table of positions.
        """
        if tokens.min() < 0 or tokens.max() >= len(self.table):
            raise ValueError(
                f"Embedding: tokens must lie between 0 and {len(self.table) - 1}, "
                f"but they go from {tokens.min()} to {tokens.max()}."
            )
        x = self.table[tokens] * self.config.embedding_scale
        if self.learned is not None:
            return self.learned(x)
        if self.config.positions == "sinusoidal":
            return x + sinusoidal(*x.shape[1:]).to(x)
        return x


class Head(nn.Module):
    """Score every token of the vocabulary as the next one, equation :eq:`output-head`.

    Args:
        config: Sizes and choices.
        embedding: The embedding of which the table is shared, if the configuration ties them.
        generator: The source of the initial weights of a head with a table of its own.

    Source:
        Press and Wolf (2017), *Using the Output Embedding to Improve Language Models*.
    """

    def __init__(
        self,
        config: Configuration,
        embedding: Embedding,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.scale = config.head_scale
        if config.tied:
            self.table = embedding.table
        else:
            rows = torch.randn(config.vocabulary, config.d_model, generator=generator)
            self.table = nn.Parameter(rows * config.d_model**-0.5)

    def forward(
        self, x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch vocabulary"]:
        """Return one logit for each token of the vocabulary."""
        return (x * self.scale) @ self.table.T
