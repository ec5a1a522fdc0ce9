"""T5: the Transformer of 2017 with relative positions, root mean squares, and no biases."""

from __future__ import annotations

from typing import Any

from course.blocks import Configuration


def t5(**sizes: Any) -> Configuration:
    """Return T5's small model; what is given replaces a size or a choice. The model is a Transformer.

    Scores are not scaled: the initial weights of T5's queries are smaller instead. What the tied head reads
    is divided by the root of its width.

    Raises:
        TypeError: A size is not an integer, or a name is not one of :class:`course.blocks.Configuration`.
        ValueError: A size is less than one, or a choice is unknown.

    Source:
        Raffel et al. (2020), *Exploring the Limits of Transfer Learning*, section 2.1 and the code published
        with it.
    """
    base = {
        "vocabulary": 32_128,
        "d_model": 512,
        "n_heads": 8,
        "d_head": 64,
        "n_layers": 6,
        "d_ff": 2048,
    }
    base |= sizes
    kind = {
        "positions": "relative",
        "norm": "rms",
        "eps": 1e-6,
        "bias": False,
        "scale": 1.0,
    }
    return Configuration(
        **{**kind, "head_scale": base["d_model"] ** -0.5, "dropout": 0.1, **base}
    )
