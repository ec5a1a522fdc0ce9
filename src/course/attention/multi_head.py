"""Multi-head attention: several attentions side by side, joined by one projection."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course.attention.attend import attend
from course.shapes import Size, checked


class MultiHeadAttention(nn.Module):
    """Return :math:`\\operatorname{Concat}(H_1, \\dots, H_h)\\,W_O`, equation :eq:`multi-head`.

    Head `s` attends with projections of its own, and its group of heads shares keys and values. As many heads
    of keys as of queries is multi-head attention, one is multi-query attention, anything between is grouped-
    query attention. The heads of a group are consecutive.

    Args:
        d_model: Width of the input `x` and of the output.
        n_heads: h, the heads of queries.
        n_kv_heads: The heads of keys and values, a divisor of `n_heads`; ``None`` means `n_heads`.
        d_head: Width of a head; ``None`` means ``d_model / n_heads``.
        d_context: Width of the sequence that is asked; ``None`` means `d_model`.
        bias: Whether the four projections add a bias, which starts at zero.
        scale: The factor on the dot products; ``None`` means one over the root of the head's width.
        generator: The source of the initial weights, which have variance 1 / (width of their input).

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one, or the numbers of heads and the widths do not fit.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, section 3.2.2; Shazeer (2019), *Fast Transformer
        Decoding*; Ainslie et al. (2023), *GQA*.
    """

    @checked
    def __init__(
        self,
        d_model: Size,
        n_heads: Size,
        n_kv_heads: Size | None = None,
        *,
        d_head: Size | None = None,
        d_context: Size | None = None,
        bias: bool = True,
        scale: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        if d_head is None and d_model % n_heads:
            raise ValueError(
                f"MultiHeadAttention: d_model must be a multiple of n_heads = {n_heads} unless d_head is "
                f"given, but got {d_model}."
            )
        if n_heads % n_kv_heads:
            raise ValueError(
                f"MultiHeadAttention: n_kv_heads must divide n_heads = {n_heads}, but got {n_kv_heads}."
            )
        d_head = d_model // n_heads if d_head is None else d_head
        d_context = d_model if d_context is None else d_context
        self.n_heads, self.n_kv_heads, self.scale = n_heads, n_kv_heads, scale
        self.w_q = nn.Linear(d_model, n_heads * d_head, bias)
        self.w_k = nn.Linear(d_context, n_kv_heads * d_head, bias)
        self.w_v = nn.Linear(d_context, n_kv_heads * d_head, bias)
        self.w_o = nn.Linear(n_heads * d_head, d_model, bias)
        for linear in (self.w_q, self.w_k, self.w_v, self.w_o):
            nn.init.normal_(
                linear.weight, std=linear.in_features**-0.5, generator=generator
            )
            if bias:
                nn.init.zeros_(linear.bias)

    @checked
    def forward(
        self,
        x: Float[Tensor, "*batch query d_model"],
        context: Float[Tensor, "*batch key d_context"] | None = None,
        *,
        mask: Bool[Tensor, "*#batch_heads #query #key"] | None = None,
        causal: bool = False,
        bias: Float[Tensor, "*#batch_heads #query #key"] | None = None,
        turn: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "*batch query d_model"]:
        """Let `x` attend to `context`, or to itself.

        Args:
            x: What asks, ``(batch, time, d_model)``; any number of leading axes will do.
            context: What is asked; ``None`` means `x`, self-attention.
            mask: True where a query may attend to a key: ``(query, key)``, or with all leading axes and that
                of the heads, ``(batch, heads, query, key)``, any of which may be 1.
            causal: Attend only to keys up to the query's own position.
            bias: Added to the scores, after the scale; ``(heads, query, key)`` or with all leading axes.
            turn: Applied to the queries and to the keys of all heads, such as a rotation by position.

        Returns:
            As many vectors as `x` has, of the same width.

        Raises:
            TypeError: An argument is of the wrong type or dtype.
            ValueError: A shape does not fit.
        """
        context = x if context is None else context
        self._check(x, context, mask)
        q = split_heads(self.w_q(x), self.n_heads)
        k = split_heads(self.w_k(context), self.n_kv_heads)
        v = split_heads(self.w_v(context), self.n_kv_heads)
        if turn is not None:
            q, k = turn(q), turn(k)
        heads = attend(q, k, v, mask=mask, bias=bias, causal=causal, scale=self.scale)
        return self.w_o(merge_heads(heads))

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> MultiHeadAttention:
        """Return a copy of torch's module, which computes the same when its dropout is off.

        torch's masks mean the opposite: its True forbids.

        Args:
            module: A module whose keys and values have one width.

        Returns:
            A module of this class with copied weights, of the same dtype and on the same device.

        Raises:
            ValueError: The module has learned extra keys, a zero key, or keys and values of different widths.
        """
        if module.kdim != module.vdim or module.bias_k is not None or module.add_zero_attn:
            raise ValueError(
                "MultiHeadAttention: module must have kdim = vdim and no extra keys, but got "
                f"kdim = {module.kdim}, vdim = {module.vdim}, add_bias_kv = {module.bias_k is not None}, "
                f"add_zero_attn = {module.add_zero_attn}."
            )
        bias = module.in_proj_bias is not None
        copy = cls(module.embed_dim, module.num_heads, d_context=module.kdim, bias=bias)
        copy.to(module.out_proj.weight)
        joined = module.in_proj_weight
        weights = (
            (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
            if joined is None
            else joined.chunk(3)
        )
        with torch.no_grad():
            for linear, weight in zip((copy.w_q, copy.w_k, copy.w_v), weights, strict=True):
                linear.weight.copy_(weight)
            copy.w_o.weight.copy_(module.out_proj.weight)
            if bias:
                biases = (*module.in_proj_bias.chunk(3), module.out_proj.bias)
                for linear, b in zip(
                    (copy.w_q, copy.w_k, copy.w_v, copy.w_o), biases, strict=True
                ):
                    linear.bias.copy_(b)
        return copy

    def _check(self, x: Tensor, context: Tensor, mask: Tensor | None) -> None:
        for name, tensor, linear in (("x", x, self.w_q), ("context", context, self.w_k)):
            if tensor.shape[-1] != linear.in_features:
                raise ValueError(
                    f"MultiHeadAttention: {name} must be {linear.in_features} wide, "
                    f"but its shape is {tuple(tensor.shape)}."
                )
            if tensor.dtype != linear.weight.dtype:
                raise TypeError(
                    f"MultiHeadAttention: {name} must be {linear.weight.dtype} like the weights, "
                    f"but is {tensor.dtype}."
                )
        # A mask (batch, query, key) would be taken for one of (heads, query, key) where the sizes allow it.
        if mask is not None and mask.ndim not in (2, x.ndim + 1):
            raise ValueError(
                f"MultiHeadAttention: mask must have 2 axes, (query, key), or {x.ndim + 1}, with all leading "
                f"axes and that of the heads, but its shape is {tuple(mask.shape)}."
            )


@checked
def split_heads(
    x: Float[Tensor, "*batch time width"], n_heads: Size
) -> Float[Tensor, "*batch heads time d_head"]:
    """Cut each row into pieces of equal width, one for each head, equation :eq:`split-heads`.

    Args:
        x: One row per token, as wide as all heads together.
        n_heads: The number of pieces.

    Returns:
        Head `s` at ``[..., s, :, :]``; a view where `x` allows one.

    Raises:
        TypeError: `x` is not a floating-point tensor.
        ValueError: The width is not a multiple of `n_heads`.
    """
    if x.shape[-1] % n_heads:
        raise ValueError(
            f"split_heads: the width of x must be a multiple of n_heads = {n_heads}, "
            f"but its shape is {tuple(x.shape)}."
        )
    return x.unflatten(-1, (n_heads, -1)).transpose(-3, -2)


@checked
def merge_heads(
    x: Float[Tensor, "*batch heads time d_head"],
) -> Float[Tensor, "*batch time width"]:
    """Join the rows of all heads, the inverse of :func:`split_heads`.

    Args:
        x: The heads.

    Returns:
        One row per token, as wide as all heads together.

    Raises:
        TypeError: `x` is not a floating-point tensor.
        ValueError: `x` has fewer than three axes or is empty.
    """
    return x.transpose(-3, -2).flatten(-2)
