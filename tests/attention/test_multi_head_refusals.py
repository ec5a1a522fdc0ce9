"""What the module and its helpers refuse, and the sentences with which they do."""

import pytest
import torch
from multi_head_cases import D_CONTEXT, D_MODEL, HEADS, layer, normal
from torch import nn

from course.attention import MultiHeadAttention, split_heads


@pytest.mark.parametrize(
    ("sizes", "options", "says"),
    [
        ((10, 3), {}, "d_model must be a multiple of n_heads = 3 unless d_head is given, but got 10"),
        ((12, 4, 3), {}, "n_kv_heads must divide n_heads = 4, but got 3"),
        ((12, 4, 8), {}, "n_kv_heads must divide n_heads = 4, but got 8"),
        ((12, 0), {}, "n_heads must be a positive integer, but got 0"),
        ((12, 3), {"d_head": -1}, "d_head must be a positive integer, but got -1"),
    ],
)
def test_sizes_that_do_not_fit(sizes, options, says):
    with pytest.raises(ValueError, match=f"^MultiHeadAttention: {says}"):
        MultiHeadAttention(*sizes, **options)


def test_sizes_of_a_wrong_type():
    with pytest.raises(TypeError, match="MultiHeadAttention: d_model must be a positive integer, but got"):
        MultiHeadAttention(2.5, 1)
    with pytest.raises(TypeError, match="MultiHeadAttention: bias must be True or False, but got 1"):
        MultiHeadAttention(4, 1, bias=1)


@pytest.mark.parametrize(
    ("x", "context", "options", "says"),
    [
        (normal(2, 5, 11), None, {}, r"x must be 12 wide, but its shape is \(2, 5, 11\)"),
        (normal(2, 5, 12), normal(2, 7, 12), {}, r"context must be 10 wide, but its shape is \(2, 7, 12\)"),
        (normal(2, 5, 12), normal(3, 7, 10), {}, r"context has batch = \(3,\) .* but x has batch = \(2,\)"),
        (normal(2, 5, 12), None, {}, r"context must be 10 wide"),
        (
            normal(2, 5, 12),
            normal(2, 7, 10),
            {"mask": torch.ones(2, 5, 7, dtype=torch.bool)},
            r"mask must have 2 axes, \(query, key\), or 4, .* but its shape is \(2, 5, 7\)",
        ),
        (
            normal(2, 5, 12),
            normal(2, 7, 10),
            {"mask": torch.ones(5, 6, dtype=torch.bool)},
            "mask has key = 6",
        ),
        (normal(12), None, {}, r"x must have at least 2 axes"),
    ],
)
def test_inputs_that_do_not_fit(x, context, options, says):
    with pytest.raises(ValueError, match=f"^MultiHeadAttention: .*{says}"):
        layer(D_MODEL, HEADS, d_context=D_CONTEXT)(x, context, **options)


def test_inputs_of_a_wrong_type():
    module = layer(D_MODEL, HEADS)
    with pytest.raises(TypeError, match=r"x must be torch\.float64 like the weights, but is torch\.float32"):
        module(normal(2, 5, 12, dtype=torch.float32))
    with pytest.raises(TypeError, match=r"mask must be a bool tensor, but its dtype is torch\.float64"):
        module(normal(2, 5, 12), mask=torch.ones(5, 5, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor"):
        module([[1.0]])


def test_torch_modules_that_have_no_counterpart():
    for options in ({"kdim": 3, "vdim": 4}, {"add_bias_kv": True}, {"add_zero_attn": True}):
        with pytest.raises(ValueError, match="must have kdim = vdim and no extra keys, but got"):
            MultiHeadAttention.from_torch(nn.MultiheadAttention(4, 2, **options))


def test_a_width_that_cannot_be_split():
    with pytest.raises(ValueError, match=r"split_heads: the width of x must be a multiple of n_heads = 5"):
        split_heads(normal(2, 3, 12), 5)
