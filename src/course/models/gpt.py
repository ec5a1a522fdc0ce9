"""GPT: a stack that only decodes, trained to predict the next token."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course.blocks import Configuration, Embedding, Head, Stack
from course.shapes import checked


class GPT(nn.Module):
    """A language model: embedding, causal stack, head, equation :eq:`decoder-only`. Llama is one as well.

    Args:
        config: Sizes and choices, such as :func:`gpt2` or :func:`course.models.llama`.
        generator: The source of the initial weights.

    Source:
        Radford et al. (2018), *Improving Language Understanding by Generative Pre-Training*, section 3.1.
    """

    def __init__(
        self, config: Configuration, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config, generator=generator)
        self.stack = Stack(config, causal=True, generator=generator)
        self.head = Head(config, self.embedding, generator=generator)

    @checked
    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        mask: Bool[Tensor, "batch 1 #time time"] | None = None,
        *,
        prefix: Int[Tensor, "batch"] | None = None,
    ) -> Float[Tensor, "batch time vocabulary"]:
        """Score the token that follows each token.

        Args:
            tokens: A sequence.
            mask: True where a token may attend; no token sees what follows it, whatever the mask says.
                Padding at the end needs no mask.
            prefix: So many tokens of each sequence are seen by all, which makes it a prefix language model.

        Returns:
            Logits of the token that follows.

        Raises:
            TypeError: An argument is of the wrong type or dtype.
            ValueError: A shape does not fit, or a token is out of range.
        """
        return self.head(self.stack(self.embedding(tokens), mask=mask, prefix=prefix))


def gpt2(**sizes: Any) -> Configuration:
    """Return GPT-2, the smallest model; what is given replaces a size or a choice.

    Raises:
        TypeError: A size is not an integer, or a name is not one of :class:`course.blocks.Configuration`.
        ValueError: A size is less than one, or a choice is unknown.

    Source:
        Radford et al. (2019), *Language Models are Unsupervised Multitask Learners*, table 2.
    """
    base = {
        "vocabulary": 50_257,
        "d_model": 768,
        "n_heads": 12,
        "n_layers": 12,
        "n_positions": 1024,
    } | sizes
    kind = {"positions": "learned", "activation": "gelu_tanh", "d_ff": 4 * base["d_model"]}
    return Configuration(**{**kind, **base})
