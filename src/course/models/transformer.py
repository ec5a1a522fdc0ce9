"""The Transformer of 2017: an encoder reads one sequence, a decoder writes another."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course.blocks import Configuration, Embedding, Head, Stack
from course.shapes import checked


class Transformer(nn.Module):
    """Encoder and decoder with one table of embeddings, equation :eq:`encoder-decoder`.

    Args:
        config: Sizes and choices, such as :func:`original` or :func:`course.models.t5`.
        generator: The source of the initial weights.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, section 3.
    """

    def __init__(
        self, config: Configuration, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config, generator=generator)
        self.encoder = Stack(config, generator=generator)
        self.decoder = Stack(config, causal=True, cross=True, generator=generator)
        self.head = Head(config, self.embedding, generator=generator)

    def encode(
        self,
        source: Int[Tensor, "batch source"],
        mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> Float[Tensor, "batch source d_model"]:
        """Read the source once; decoding uses the result at every step."""
        return self.encoder(self.embedding(source), mask=mask)

    def decode(
        self,
        target: Int[Tensor, "batch time"],
        context: Float[Tensor, "batch source d_model"],
        context_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> Float[Tensor, "batch time vocabulary"]:
        """Score the token that follows each token of the target."""
        x = self.decoder(self.embedding(target), context, context_mask=context_mask)
        return self.head(x)

    @checked
    def forward(
        self,
        source: Int[Tensor, "batch source"],
        target: Int[Tensor, "batch time"],
        source_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> Float[Tensor, "batch time vocabulary"]:
        """Score the next token after each token of the target, equation :eq:`teacher-forcing`.

        Args:
            source: Tokens to read.
            target: Tokens written so far, from the start token on. Padding at the end needs no mask: no token
                sees what follows it.
            source_mask: True for tokens of the source that are not padding, from
                :func:`course.attention.padding`.

        Returns:
            Logits of the token that follows.

        Raises:
            TypeError: An argument is of the wrong type or dtype.
            ValueError: A shape does not fit, or a token is out of range.
        """
        return self.decode(target, self.encode(source, source_mask), source_mask)


def original(**sizes: Any) -> Configuration:
    """Return the base model of 2017; what is given replaces a size or a choice.

    Raises:
        TypeError: A size is not an integer, or a name is not one of :class:`course.blocks.Configuration`.
        ValueError: A size is less than one, or a choice is unknown.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, table 3, first row.
    """
    base = {
        "vocabulary": 37_000,
        "d_model": 512,
        "n_heads": 8,
        "n_layers": 6,
        "d_ff": 2048,
        "dropout": 0.1,
    }
    base |= sizes
    return Configuration(
        **{"pre_norm": False, "embedding_scale": base["d_model"] ** 0.5, **base}
    )
