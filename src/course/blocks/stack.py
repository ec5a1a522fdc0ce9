"""The stack: blocks on top of each other, and the positions that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course.attention import prefix as prefix_mask
from course.blocks.block import Block, norm
from course.blocks.configuration import Configuration
from course.positions import RelativeBias, alibi, rotary_angles, rotary_frequencies, rotate
from course.shapes import checked


class Stack(nn.Module):
    """Blocks in a row, equation :eq:`stack`: an encoder, or with `causal` a decoder.

    With pre-norm the sum that leaves the last block is normalised once more, and the last projection of each
    sublayer starts smaller by the root of the number of sublayers, so that the stream of a deep stack does
    not start larger than that of a shallow one, equation :eq:`residual-scaling`.

    Args:
        config: Sizes and choices.
        causal: Whether a token sees only the tokens up to its own.
        cross: Whether the blocks attend to another sequence.
        generator: The source of the initial weights.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, section 3.1; Radford et al. (2019), *Language
        Models are Unsupervised Multitask Learners*, section 2.3.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        causal: bool = False,
        cross: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        self.layers = nn.ModuleList(
            Block(config, cross=cross, generator=generator) for _ in range(config.n_layers)
        )
        self.norm = norm(config) if config.pre_norm else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.relative = None
        if config.positions == "relative":
            sizes = config.n_heads, config.n_buckets, config.max_distance
            self.relative = RelativeBias(*sizes, bidirectional=not causal)
        if config.pre_norm:
            n_sublayers = config.n_layers * (3 if cross else 2)
            with torch.no_grad():
                for name, parameter in self.named_parameters():
                    if name.endswith(("w_o.weight", "w_out.weight")):
                        parameter /= n_sublayers**0.5

    @checked
    def forward(
        self,
        x: Float[Tensor, "batch time d_model"],
        context: Float[Tensor, "batch source d_model"] | None = None,
        *,
        mask: Bool[Tensor, "#batch #heads #time #time"] | None = None,
        context_mask: Bool[Tensor, "#batch #heads #time #source"] | None = None,
        prefix: Int[Tensor, "batch"] | None = None,
    ) -> Float[Tensor, "batch time d_model"]:
        """Send the embedded tokens through all blocks.

        Args:
            x: Embedded tokens.
            context: What cross-attention reads: the output of an encoder.
            mask: True where a token may attend to a token of its own sequence, as from
                :func:`course.attention.padding`. A causal stack never sees ahead, whatever the mask says.
            context_mask: True where it may attend to a token of the context.
            prefix: So many tokens of each sequence are seen by all, in a causal stack.

        Returns:
            One vector per token.

        Raises:
            TypeError: An argument is of the wrong type or dtype.
            ValueError: A shape does not fit, or the context is missing or not wanted.
        """
        causal = self.causal
        if prefix is not None and causal:
            seen = prefix_mask(prefix, x.shape[1])
            mask, causal = seen if mask is None else seen & mask, False
        x = self.dropout(x)
        bias, turn = self._bias(x), self._turn(x)
        for block in self.layers:
            x = block(
                x,
                context,
                mask=mask,
                context_mask=context_mask,
                causal=causal,
                bias=bias,
                turn=turn,
            )
        return self.norm(x)

    def _bias(self, x: Tensor) -> Tensor | None:
        time = x.shape[1]
        if self.relative is not None:
            return self.relative(time, time)
        return (
            alibi(self.config.n_heads, time, time).to(x)
            if self.config.positions == "alibi"
            else None
        )

    def _turn(self, x: Tensor) -> Callable[[Tensor], Tensor] | None:
        if self.config.positions != "rotary":
            return None
        frequencies = rotary_frequencies(self.config.head_width, self.config.rotary_base)
        angles = rotary_angles(torch.arange(x.shape[1]), frequencies)
        return partial(rotate, angles=angles.to(x.device))
