"""Llama: GPT with rotary positions, root mean squares, a gate, and fewer heads of keys than of queries."""

from __future__ import annotations

from typing import Any

from course.blocks import Configuration


def llama(**sizes: Any) -> Configuration:
    """Return Llama 3's smallest model; what is given replaces a size or a choice. The model is a GPT.

    Raises:
        TypeError: A size is not an integer, or a name is not one of :class:`course.blocks.Configuration`.
        ValueError: A size is less than one, or a choice is unknown.

    Source:
        Touvron et al. (2023), *LLaMA: Open and Efficient Foundation Language Models*, section 2.2; Llama Team
        (2024), *The Llama 3 Herd of Models*, table 3.
    """
    base = {
        "vocabulary": 128_256,
        "d_model": 4096,
        "n_heads": 32,
        "n_kv_heads": 8,
        "n_layers": 32,
    }
    kind = {
        "positions": "rotary",
        "rotary_base": 500_000.0,
        "norm": "rms",
        "activation": "silu",
        "gated": True,
        "bias": False,
        "tied": False,
        "d_ff": 14_336,
    }
    return Configuration(**{**base, **kind, **sizes})
