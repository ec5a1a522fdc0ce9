"""BERT: an encoder, trained to fill in tokens that were masked."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course.blocks import ACTIVATIONS, Configuration, Embedding, Head, LayerNorm, Stack
from course.shapes import checked


class BERT(nn.Module):
    """An encoder with segments and a head that fills in masked tokens, equation :eq:`masked-model`.

    Args:
        config: Sizes and choices, such as :func:`bert`.
        n_segments: Kinds of segments; BERT tells a first sentence from a second.
        generator: The source of the initial weights.

    Source:
        Devlin et al. (2019), *BERT*, section 3.
    """

    def __init__(
        self,
        config: Configuration,
        n_segments: int = 2,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config, generator=generator)
        self.segments = nn.Parameter(
            0.02 * torch.randn(n_segments, config.d_model, generator=generator)
        )
        self.norm = LayerNorm(config.d_model, config.eps)
        self.stack = Stack(config, generator=generator)
        self.transform = nn.Linear(config.d_model, config.d_model)
        nn.init.normal_(
            self.transform.weight, std=config.d_model**-0.5, generator=generator
        )
        nn.init.zeros_(self.transform.bias)
        self.head_norm = LayerNorm(config.d_model, config.eps)
        self.head = Head(config, self.embedding, generator=generator)
        self.head_bias = nn.Parameter(torch.zeros(config.vocabulary))

    @checked
    def encode(
        self,
        tokens: Int[Tensor, "batch time"],
        mask: Bool[Tensor, "batch 1 1 time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, "batch time d_model"]:
        """Return one vector per token that knows all of the sequence.

        Args:
            tokens: A sequence.
            mask: True for tokens that are not padding, from :func:`course.attention.padding`.
            segments: The segment of each token; ``None`` means all are of the first.

        Returns:
            What the last block leaves.

        Raises:
            TypeError: An argument is of the wrong type or dtype.
            ValueError: A shape does not fit, or a token is out of range.
        """
        segment = self.segments[torch.zeros_like(tokens) if segments is None else segments]
        return self.stack(self.norm(self.embedding(tokens) + segment), mask=mask)

    @checked
    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        mask: Bool[Tensor, "batch 1 1 time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, "batch time vocabulary"]:
        """Score what each token should be; see :meth:`encode` for the arguments."""
        x = ACTIVATIONS[self.config.activation](
            self.transform(self.encode(tokens, mask, segments))
        )
        return self.head(self.head_norm(x)) + self.head_bias


def bert(**sizes: Any) -> Configuration:
    """Return BERT's base model; what is given replaces a size or a choice.

    Raises:
        TypeError: A size is not an integer, or a name is not one of :class:`course.blocks.Configuration`.
        ValueError: A size is less than one, or a choice is unknown.

    Source:
        Devlin et al. (2019), *BERT*, section 3.
    """
    base = {
        "vocabulary": 30_522,
        "d_model": 768,
        "n_heads": 12,
        "n_layers": 12,
        "d_ff": 3072,
    } | sizes
    kind = {
        "positions": "learned",
        "activation": "gelu",
        "pre_norm": False,
        "eps": 1e-12,
        "dropout": 0.1,
    }
    return Configuration(**{**kind, **base})
