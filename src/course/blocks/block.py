"""The block: attention, perhaps attention to another sequence, and a feed-forward network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course.attention import MultiHeadAttention
from course.blocks.configuration import Configuration
from course.blocks.feed_forward import FeedForward
from course.blocks.normalization import LayerNorm, RMSNorm
from course.blocks.residual import Residual
from course.shapes import checked


class Block(nn.Module):
    """One layer of any Transformer, equation :eq:`block`: each sublayer in a residual connection.

    Without `cross` it is the layer of an encoder, or of a model that only decodes; with it, the layer of a
    decoder that reads an encoder.

    Args:
        config: Sizes and choices.
        cross: Whether the block also attends to another sequence.
        generator: The source of the initial weights.

    Raises:
        ValueError: The numbers of heads and the widths do not fit.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, section 3.1.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        cross: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config

        shared = {"bias": config.bias, "generator": generator}

        def residual(sublayer: nn.Module) -> Residual:
            return Residual(
                sublayer, norm(config), pre_norm=config.pre_norm, dropout=config.dropout
            )

        def attention() -> Residual:
            heads = config.n_heads, config.n_kv_heads
            widths = {"d_head": config.d_head, "scale": config.scale}
            return residual(MultiHeadAttention(config.d_model, *heads, **widths, **shared))

        self.self_attention = attention()
        self.cross_attention = attention() if cross else None
        inside = config.d_model, config.d_ff, config.activation
        self.feed_forward = residual(FeedForward(*inside, gated=config.gated, **shared))

    @checked
    def forward(
        self,
        x: Float[Tensor, "batch time d_model"],
        context: Float[Tensor, "batch source d_context"] | None = None,
        *,
        mask: Bool[Tensor, "#batch #heads #time #time"] | None = None,
        context_mask: Bool[Tensor, "#batch #heads #time #source"] | None = None,
        causal: bool = False,
        bias: Float[Tensor, "#heads #time #time"] | None = None,
        turn: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch time d_model"]:
        """Let each token look at its sequence, then at the context, then think for itself.

        Args:
            x: The residual stream.
            context: What the cross-attention reads; needed if and only if the block has one.
            mask: True where a token may attend to a token of its own sequence.
            context_mask: True where it may attend to a token of the context.
            causal: Attend only to the tokens up to one's own.
            bias: Added to the scores of self-attention.
            turn: Applied to the queries and keys of self-attention.

        Returns:
            The residual stream after the block.

        Raises:
            TypeError: An argument is of the wrong type or dtype.
            ValueError: A shape does not fit, or the context is missing or not wanted.
        """
        if (context is None) != (self.cross_attention is None):
            came = (
                "none came"
                if context is None
                else f"one of shape {tuple(context.shape)} came"
            )
            wants = "no context" if self.cross_attention is None else "a context"
            raise ValueError(f"Block: this block takes {wants}, but {came}.")
        x = self.self_attention(x, mask=mask, causal=causal, bias=bias, turn=turn)
        if self.cross_attention is not None:
            x = self.cross_attention(x, context, mask=context_mask)
        return self.feed_forward(x)


def norm(config: Configuration) -> LayerNorm | RMSNorm:
    """Make the normalisation that a configuration asks for."""
    if config.norm == "rms":
        return RMSNorm(config.d_model, config.eps)
    return LayerNorm(config.d_model, config.eps, config.bias)
