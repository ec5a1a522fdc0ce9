"""What tells one Transformer from another: sizes, and a handful of choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints

CHOICES = {
    "positions": ("none", "sinusoidal", "learned", "relative", "alibi", "rotary"),
    "activation": ("relu", "gelu", "gelu_tanh", "silu"),
    "norm": ("layer", "rms"),
}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The sizes and choices of a Transformer. The blocks are the same whatever the family.

    Attributes:
        vocabulary: Different tokens.
        d_model: Width of the residual stream.
        n_heads: Heads of queries.
        n_layers: Blocks in a stack.
        d_ff: Width inside the feed-forward network.
        n_kv_heads: Heads of keys and values; ``None`` means `n_heads`.
        d_head: Width of a head; ``None`` means ``d_model / n_heads``.
        positions: How order gets in: added to the embeddings (sinusoidal, learned), to the scores (relative,
            alibi), or by turning queries and keys (rotary).
        n_positions: Rows of the table of learned positions.
        n_buckets: Buckets of relative positions.
        max_distance: Distance from which on relative positions share one bucket.
        rotary_base: The base of the rotary frequencies.
        activation: The nonlinearity of the feed-forward network.
        gated: Whether a second projection multiplies the activated one.
        norm: Layer normalisation, or by the root mean square.
        pre_norm: Whether a sublayer's input is normalised (pre-norm), or the sum after it (post-norm).
        eps: What the normalisation adds to the variance.
        bias: Whether projections add a bias.
        scale: The factor on the scores; ``None`` means one over the root of the head's width.
        embedding_scale: The factor on the embedded tokens.
        head_scale: The factor on what the output head reads.
        tied: Whether the output head is the table of the embedding.
        dropout: The share of entries dropped from every sublayer's output in training.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one, a choice is unknown, `n_kv_heads` does not divide `n_heads`, or
            `dropout` is not between 0 and 1.
    """

    vocabulary: int
    d_model: int
    n_heads: int
    n_layers: int
    d_ff: int
    n_kv_heads: int | None = None
    d_head: int | None = None
    positions: str = "sinusoidal"
    n_positions: int = 512
    n_buckets: int = 32
    max_distance: int = 128
    rotary_base: float = 10_000.0
    activation: str = "relu"
    gated: bool = False
    norm: str = "layer"
    pre_norm: bool = True
    eps: float = 1e-5
    bias: bool = True
    scale: float | None = None
    embedding_scale: float = 1.0
    head_scale: float = 1.0
    tied: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if hint in (int, int | None) and value is not None:
                if not isinstance(value, int) or isinstance(value, bool):
                    raise TypeError(
                        f"Configuration: {name} must be an integer, but is {value!r}."
                    )
                if value < 1:
                    raise ValueError(
                        f"Configuration: {name} must be at least 1, but is {value}."
                    )
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                listed = ", ".join(choices)
                raise ValueError(
                    f"Configuration: {name} must be one of {listed}, but is {value!r}."
                )
        if not 0 <= self.dropout < 1:
            raise ValueError(
                f"Configuration: dropout must be in [0, 1), but is {self.dropout}."
            )

        if self.n_kv_heads is not None and self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"Configuration: n_kv_heads must divide n_heads = {self.n_heads}, "
                f"but is {self.n_kv_heads}."
            )

    @property
    def head_width(self) -> int:
        """The width of one head."""
        return self.d_model // self.n_heads if self.d_head is None else self.d_head
