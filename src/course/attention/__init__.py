"""Attention: scores, softmax, masks, and the one call that joins them."""

from course.attention.attend import attend, weigh
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

__all__ = [
    "MultiHeadAttention",
    "additive",
    "attend",
    "attend_backward",
    "causal",
    "cosine",
    "dot_product",
    "dropout",
    "entropy",
    "general",
    "log_sum_exp",
    "merge_heads",
    "negative_squared_distance",
    "packed",
    "padding",
    "prefix",
    "scaled_dot_product",
    "softmax",
    "softmax_backward",
    "split_heads",
    "weigh",
    "window",
]
