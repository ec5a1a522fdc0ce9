"""Attention: scores, softmax, masks, and the one call that joins them."""

from course.attention.attend import attend, weigh
from course.attention.block_sparse import attend_blocks, blockwise, layout
from course.attention.dropout import dropout
from course.attention.gradients import attend_backward, softmax_backward
from course.attention.masks import causal, packed, padding, prefix, window
from course.attention.multi_head import MultiHeadAttention, merge_heads, split_heads
from course.attention.scores import (
    additive,
    cosine,
    dot_product,
    general,
    negative_squared_distance,
    scaled_dot_product,
)
from course.attention.softmax import entropy, log_sum_exp, softmax
from course.attention.sparse import dilated, hubs, scattered, strided

__all__ = [
    "MultiHeadAttention",
    "additive",
    "attend",
    "attend_backward",
    "attend_blocks",
    "blockwise",
    "causal",
    "cosine",
    "dilated",
    "dot_product",
    "dropout",
    "entropy",
    "general",
    "hubs",
    "layout",
    "log_sum_exp",
    "merge_heads",
    "negative_squared_distance",
    "packed",
    "padding",
    "prefix",
    "scaled_dot_product",
    "scattered",
    "softmax",
    "softmax_backward",
    "split_heads",
    "strided",
    "weigh",
    "window",
]
